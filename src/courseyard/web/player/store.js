// Where the journal is written: localStorage, because it is written before the call returns; IndexedDB where that is
// full or forbidden; else memory alone, which the page tells.
// @ts-check

const PREFIX = "courseyard:";

const database = () =>
  new Promise((resolve, reject) => {
    const opening = indexedDB.open("courseyard", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("journal");
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });

/** @param {IDBTransactionMode} mode @param {(journal: IDBObjectStore) => IDBRequest} act */
const inDatabase = async (mode, act) => {
  const db = await database();
  try {
    return await new Promise((resolve, reject) => {
      const change = db.transaction("journal", mode);
      const asked = act(change.objectStore("journal"));
      change.oncomplete = () => resolve(asked.result);
      change.onabort = change.onerror = () => reject(change.error);
    });
  } finally {
    db.close();
  }
};

/** @param {(fragile: boolean) => void} onFragile told whether an entry is in memory alone */
export function createStore(onFragile) {
  const elsewhere = new Set();

  return {
    /** @param {string} key @param {any} entry */
    put(key, entry) {
      const value = JSON.stringify(entry);
      try {
        localStorage.setItem(PREFIX + key, value);
      } catch {
        elsewhere.add(key);
        inDatabase("readwrite", (journal) => journal.put(value, key)).catch(() => onFragile(true));
      }
    },

    /** @param {string} key */
    drop(key) {
      try {
        localStorage.removeItem(PREFIX + key);
      } catch {
        /* forbidden: then nothing is there */
      }
      if (!elsewhere.delete(key)) return;
      inDatabase("readwrite", (journal) => journal.delete(key)).catch(() => {});
      if (!elsewhere.size) onFragile(false);
    },

    /** Everything that any window left here, oldest first. @returns {Promise<any[]>} */
    async all() {
      /** @type {Map<string, string>} */
      const found = new Map();
      try {
        const keys = await inDatabase("readonly", (journal) => journal.getAllKeys());
        const values = await inDatabase("readonly", (journal) => journal.getAll());
        keys.forEach((key, place) => elsewhere.add(key) && found.set(key, values[place]));
      } catch {
        /* no database: nothing is there */
      }
      try {
        for (const key of Object.keys(localStorage)) {
          if (key.startsWith(PREFIX)) found.set(key.slice(PREFIX.length), localStorage.getItem(key) || "");
        }
      } catch {
        /* forbidden: nothing is there */
      }
      const entries = [...found.values()].flatMap((value) => {
        try {
          const entry = JSON.parse(value);
          return Array.isArray(entry.elements) ? [entry] : [];
        } catch {
          return []; // content shares this storage and may have written over it
        }
      });
      return entries.sort((a, b) => a.epoch - b.epoch || a.seq - b.seq);
    },
  };
}
