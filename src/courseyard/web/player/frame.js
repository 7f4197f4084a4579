// Where content runs: iframe#sco, or a window of its own. The API stands before content gets its address, and stays
// until the unload handlers of what is taken away have run.
// @ts-check

const NAMES = ["API", "API_1484_11"];
const UNLOAD_MS = 1500;

/** Many lessons save in beforeunload alone, which the removal of a frame does not fire. @param {Window} content */
function announceLeave(content) {
  try {
    for (let place = 0; place < content.length; place += 1) announceLeave(content[place]);
    content.dispatchEvent(new Event("beforeunload", { cancelable: true }));
  } catch {
    /* content of another origin: it cannot have found the API either */
  }
}

/** @param {{ stage: HTMLElement, isWindow: boolean, onBlocked: () => void, onClosed: () => void, onOpened: () => void }} options */
export function createFrame({ stage, isWindow, onBlocked, onClosed, onOpened }) {
  /** @type {HTMLIFrameElement | null} */
  let frame = null;
  /** @type {Window | null} */
  let popup = null;
  let address = "";
  /** @type {any} */
  let watch;

  /** @param {string} standard @param {any} api */
  const hang = (standard, api) => {
    for (const name of NAMES) delete window[name];
    if (api) window[standard === "1.2" ? "API" : "API_1484_11"] = api;
  };

  const watchClosing = () => {
    clearInterval(watch);
    watch = setInterval(() => {
      if (!popup?.closed) return;
      clearInterval(watch);
      popup = null;
      onClosed();
    }, 300);
  };

  const open = () => {
    if (popup && !popup.closed) popup.location.replace(address);
    else popup = window.open(address, "courseyard-content", "popup,width=1100,height=780,resizable,scrollbars");
    if (!popup) return onBlocked();
    watchClosing();
    onOpened();
  };

  const show = (title) => {
    frame = document.createElement("iframe");
    frame.id = "sco";
    frame.title = title;
    frame.allow = "autoplay; fullscreen; clipboard-write; microphone; camera";
    frame.src = address;
    stage.append(frame);
  };

  const emptied = async () => {
    if (!popup || popup.closed) return;
    clearInterval(watch);
    popup.location.replace("about:blank");
    const end = performance.now() + UNLOAD_MS;
    while (performance.now() < end && !popup.closed) {
      try {
        if (popup.location.href === "about:blank") return;
      } catch {
        /* still elsewhere */
      }
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  };

  return {
    /** Call from a click: browsers then let the window open. */
    open,
    focus: () => (popup ? popup.focus() : frame?.focus()),
    get isOpen() {
      return Boolean(frame || popup);
    },
    get isVisible() {
      try {
        return document.visibilityState === "visible" || popup?.document.visibilityState === "visible";
      } catch {
        return true;
      }
    },

    /** @param {{ url: string, title: string }} delivery @param {string} standard @param {any} api */
    deliver({ url, title }, standard, api) {
      hang(standard, api);
      address = new URL(url, location.href).href;
      if (isWindow) open();
      else show(title);
    },

    /** Take content away; its unload handlers have run when this is done. At once for a frame. */
    leave() {
      if (frame?.contentWindow) announceLeave(frame.contentWindow);
      frame?.remove();
      frame = null;
      return popup ? emptied() : null;
    },

    /** No API without content. */
    clear: () => hang("", null),
    close() {
      clearInterval(watch);
      popup?.close();
      popup = null;
    },
  };
}
