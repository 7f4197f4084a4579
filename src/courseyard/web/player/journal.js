// What SCOs have set and the server has not acknowledged yet. An entry is written down before its Commit answers
// "true", sent in order, again and again until it is acknowledged, by this window or by the next one.
// Every window writes only entries of its own epoch. Sending another window's entry does no harm: its number makes the
// server take it once.
// @ts-check
import { createStore } from "./store.js";

const AUTOSAVE_MS = 1000;
const KEEPALIVE_BYTES = 60_000; // browsers take 64 KiB at once from a page that goes away
const RETRY_MS = [1000, 2000, 4000, 8000, 15_000];

const keyOf = (entry) => `${entry.attempt}:${entry.epoch}:${String(entry.seq).padStart(8, "0")}`;
const bytes = (text) => new Blob([text]).size;

/**
 * @param {any} session
 * @param {{ change: () => void, answer: (found: any) => void, stale: (entry: any) => void, refused: (why: string) => void, expired: () => void }} on
 */
export function createJournal(session, on) {
  /** @type {any[]} */
  let queue = [];
  /** Entries of earlier windows whose tokens no server takes any more. @type {any[]} */
  let aside = [];
  /** @type {Map<string, string>} */
  let changed = new Map();
  /** @type {any} */
  let place = null;
  let seq = 0;
  let failures = 0;
  let isClosing = false;
  /** @type {any} */
  let autosave, retry;
  /** @type {Promise<void> | null} */
  let sending = null;
  const store = createStore((fragile) => {
    journal.isFragile = fragile;
    on.change();
  });
  /** Entries that were sent once keep their content: the server may have taken them. */
  const tried = new WeakSet();

  const drop = (entry) => {
    queue = queue.filter((other) => other !== entry);
    store.drop(keyOf(entry));
  };

  const post = async (entry, keepalive) => {
    tried.add(entry);
    const { token, ...body } = entry;
    const mine = entry.attempt === session.attempt;
    const same = queue.filter((other) => other.attempt === entry.attempt && other.epoch === entry.epoch);
    body.oldest = Math.min(entry.seq, ...same.map((other) => other.seq));
    const text = JSON.stringify(body);
    try {
      const answer = await session.post("commit", text, { token: mine ? session.token : token, keepalive: keepalive ?? bytes(text) < KEEPALIVE_BYTES });
      if (mine) on.answer(answer);
    } catch (refusal) {
      if (refusal.status === 401 && !mine) {
        aside.push(entry);
        queue = queue.filter((other) => other !== entry);
        return on.change();
      }
      if (refusal.status === 401) on.expired();
      if (refusal.passes) throw refusal;
      if (refusal.isStale) on.stale(entry);
      else on.refused(refusal.message);
    }
    drop(entry);
    failures = 0;
    on.change();
  };

  const pump = async () => {
    await null; // so that `sending` is set before it can be cleared
    try {
      while (queue.length) await post(queue[0]);
    } catch (refusal) {
      failures += 1;
      clearTimeout(retry);
      retry = setTimeout(() => journal.send(), RETRY_MS[Math.min(failures, RETRY_MS.length) - 1]);
      on.change();
      throw refusal;
    } finally {
      sending = null;
    }
  };

  const follows = (entry) =>
    entry && !tried.has(entry) && !entry.terminate && entry.epoch === session.epoch && entry.attempt === session.attempt &&
    entry.item === place.item && entry.activity_attempt === place.activity_attempt;

  const journal = {
    isFragile: false,
    get isFailing() {
      return failures > 0;
    },
    /** Entries not acknowledged, the one that is being collected included. */
    get size() {
      return queue.length + (changed.size ? 1 : 0);
    },

    /**
     * From now on entries belong to this epoch; so do those of the one just before that could not be sent because
     * its token was not taken: nobody has written since. Whether there were any.
     */
    begin() {
      seq = 0;
      const isLate = (entry) => entry.attempt === session.attempt && entry.epoch === session.epoch - 1;
      const late = [...aside, ...queue].filter(isLate);
      const again = late.map((entry) => ({ ...entry, epoch: session.epoch, seq: ++seq, token: session.token }));
      aside = aside.filter((entry) => !isLate(entry));
      queue = [...queue.filter((entry) => !isLate(entry)), ...again];
      again.forEach((entry) => store.put(keyOf(entry), entry));
      late.forEach((entry) => store.drop(keyOf(entry)));
      on.change();
      return late.length > 0;
    },

    /** From now on changes belong to this delivery. @param {any} delivery */
    enter({ item, activity_attempt }) {
      place = { item, activity_attempt };
    },

    /** @param {string} element @param {string} value */
    set(element, value) {
      changed.set(element, value.toWellFormed?.() ?? value);
      if (!autosave && !isClosing) autosave = setTimeout(() => journal.seal(), AUTOSAVE_MS);
      if (isClosing) journal.seal();
      else if (changed.size === 1) on.change();
    },

    /** Write down what was collected, and send it. */
    seal(terminate = false) {
      clearTimeout(autosave);
      autosave = null;
      if (place && (changed.size || terminate)) {
        let entry = queue.at(-1);
        if (follows(entry)) {
          entry.elements = [...new Map([...entry.elements, ...changed])];
        } else {
          seq += 1;
          entry = { attempt: session.attempt, epoch: session.epoch, seq, ...place, elements: [...changed], terminate };
          queue.push(entry);
        }
        entry.terminate = terminate;
        entry.token = session.token;
        changed = new Map();
        store.put(keyOf(entry), entry);
      }
      on.change();
      if (isClosing) journal.flush();
      else journal.send();
    },

    /** Send in the background. */
    send: () => void journal.drain().catch(() => {}),

    /** Resolves when all is acknowledged; rejects when something has to wait. */
    drain() {
      clearTimeout(retry);
      return (sending ??= pump());
    },

    /** The page may go away at any moment: everything at once, as much as browsers take. */
    flush() {
      let room = KEEPALIVE_BYTES;
      for (const entry of queue) {
        room -= bytes(JSON.stringify(entry)) + 100;
        if (room < 0) break;
        post(entry, true).catch(() => {});
      }
    },

    /** The page goes away: nothing is collected any more, everything is sent as it comes. @param {boolean} closing */
    close(closing) {
      isClosing = closing;
      journal.seal();
      journal.flush();
    },

    /** Take over what earlier windows left, to be sent before anything else. */
    async adopt() {
      const known = new Set(queue.map(keyOf));
      queue = [...(await store.all()).filter((entry) => !known.has(keyOf(entry))), ...queue];
      queue.forEach((entry) => tried.add(entry));
      on.change();
    },
  };
  return journal;
}
