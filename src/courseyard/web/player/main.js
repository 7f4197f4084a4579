// The player: opens the session, delivers SCOs, and turns clicks and the SCOs' own wishes into navigation requests.
// @ts-check
import { createClock } from "./clock.js";
import { createApi } from "./cmi-api.js";
import { createFrame } from "./frame.js";
import { createJournal } from "./journal.js";
import { Refusal, createSession } from "./session.js";
import { alert, announce, byId, showEnd, showError, showState, showUnsaved } from "./status.js";
import { text } from "./text.js";
import { mark, showContents } from "./toc.js";

const CALLS_KEPT = 2000;
const SHORTCUTS = { KeyN: "continue", KeyP: "previous" };
const { body } = document;
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const session = createSession();
const journal = createJournal(session, {
  change: () => showUnsaved(journal),
  answer: ({ marks = {} }) => Object.entries(marks).forEach(([item, status]) => mark(byId("toc"), item, status)),
  stale: (entry) => entry.attempt === session.attempt && entry.epoch === session.epoch && stop(),
  refused: (why) => alert(text.refused(why)),
  expired: () => isLeaving || reopen(),
});
/** @type {any} */
let table, frame, delivery, view, heartbeat;
/** A request is under way; the SCO's own wish does not count then. */
let isLeaving = false;
/** Another window has taken over. */
let isStopped = false;
let isReopening = false;
/** The API calls of a preview, for the panel. @type {any[]} */
const calls = [];

const clock = createClock({
  isVisible: () => Boolean(frame?.isVisible),
  show: (left) => {
    byId("clock").hidden = !left;
    byId("clock").textContent = left && text.left(left);
  },
  warn: () => announce(text.lastMinute),
  // After what runs now: it may be a delivery.
  over: ({ exits }) => (exits ? setTimeout(() => go("exit", "", "clock")) : alert(text.timeOver)),
});

const isRecorded = () => ["normal", "preview"].includes(session.facts.mode);

/** A newer window writes now; this one must not. */
function stop() {
  if (isStopped) return;
  isStopped = true;
  clearInterval(heartbeat);
  clock.stop();
  frame?.close();
  frame?.leave();
  showButtons();
  showError(text.staleTitle, text.stale, text.here, () => start());
}

/** @param {{ request: string, exit: string }} end how the SCO ended, by its own account */
function whatFollows({ request, exit }) {
  const isSession = session.facts.standard === "2004" && (exit === "time-out" || exit === "logout");
  const [, target, kind] = /^\{target=(.+)\}(choice|jump)$/.exec(request) || [];
  if (isSession) return { request: "exitAll" };
  return request === "_none_" || !request ? null : { request: kind || request, target };
}

function terminated(end) {
  if (isStopped) return false;
  journal.seal(isRecorded());
  const next = whatFollows(end);
  // After the SCO's own call has returned: it may have more to do in it.
  if (isLeaving) return true;
  if (next) setTimeout(() => go(next.request, next.target, "sco"));
  else finished();
  return true;
}

async function finished() {
  body.dataset.finished = "";
  announce(text.finished);
  // Other parts may have waited for this one.
  if (session.facts.standard !== "1.2" || !isRecorded()) return;
  const from = delivery;
  try {
    await journal.drain();
    const found = await session.ask("navigate", { source: "sco", request: "_none_" });
    if (!isLeaving && !isStopped && delivery === from && found.unchanged) show(found);
  } catch {
    /* the next request tells */
  }
}

/** @param {any} of the delivery */
const apiFor = (of) =>
  createApi({
    standard: session.facts.standard,
    table,
    data: of.data,
    mode: isRecorded() ? "normal" : session.facts.mode,
    strict: session.facts.strict,
    valid: view.valid,
    on: {
      change: (element, value) => (isStopped ? false : journal.set(element, value)),
      commit: () => (isStopped ? false : journal.seal()),
      terminate: terminated,
      call: session.facts.mode === "preview" ? noteCall : undefined,
    },
  });

function noteCall(name, args, result, error, at) {
  calls.push({ name, args, result, error, at, item: delivery?.item });
  if (calls.length > CALLS_KEPT) calls.shift();
  body.dispatchEvent(new Event("courseyard-call"));
}

function showButtons() {
  const valid = isStopped || isLeaving ? {} : (view?.valid ?? {});
  const hidden = delivery?.hide ?? [];
  const isOpen = view && ["running", "idle"].includes(view.state);
  for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("[data-nav]"))) {
    const name = /** @type {string} */ (button.dataset.nav);
    button.disabled = !valid[name];
    const isRare = ["exit", "abandon", "abandonAll"].includes(name) && session.facts?.standard === "1.2";
    button.hidden = hidden.includes(name) || !isOpen || isRare || (view.state === "idle" && ["exit", "abandon"].includes(name));
  }
  for (const name of ["start", "resumeAll"]) {
    const button = /** @type {HTMLButtonElement} */ (document.querySelector(`[data-nav=${name}]`));
    button.hidden = button.disabled;
  }
}

/** @param {any} next what the server delivers now; absent: nothing */
function deliver(next) {
  delivery = next;
  delete body.dataset.finished;
  journal.enter(next);
  showState("running", next.item);
  frame.deliver(next, session.facts.standard, apiFor(next));
  clock.start(next.time_limit);
  announce(text.now(next.title));
  if (!document.activeElement || document.activeElement === body || byId("toc").contains(document.activeElement)) frame.focus();
}

/** @param {any} found the server's view */
function show(found) {
  view = found;
  isLeaving = false;
  const isKept = found.unchanged && frame.isOpen && delivery && found.delivery?.item === delivery.item;
  if (found.state === "running") {
    if (isKept) showState("running", delivery.item);
    else deliver(found.delivery);
  } else {
    frame.clear();
    clock.stop();
    delivery = null;
    showState(found.state);
    announce(found.state === "idle" ? text.idle : "");
  }
  showContents(byId("toc"), found.toc ?? []);
  showButtons();
  alert(found.message || "");
  if (found.state === "error") showError(text.failed, found.message || text.unknown, text.again, () => start());
  if (found.state === "ended") ended();
}

const homeOf = () => (body.dataset.home?.startsWith("http") ? body.dataset.home : "");

function ended() {
  clearInterval(heartbeat);
  frame.close();
  const { redirect_url: asked, mode } = session.facts;
  const home = homeOf();
  showEnd(view.result, { redirect: /^https?:/.test(asked || "") ? asked : null, home: mode === "preview" ? "" : home });
}

/** Ask until there is an answer: the network may come back in a minute. @param {() => Promise<any>} ask */
async function insist(ask) {
  for (let delay = 1000; ; delay = Math.min(delay * 2, 10_000)) {
    try {
      return await ask();
    } catch (refusal) {
      if (!(refusal instanceof Refusal) || !refusal.passes || refusal.status === 401 || isStopped) throw refusal;
      alert(text.offline);
      const online = new Promise((resolve) => addEventListener("online", resolve, { once: true }));
      await Promise.race([wait(delay), online]);
    }
  }
}

/** What is known to be unreachable is told before content is taken away. */
async function isReachable() {
  if (navigator.onLine && !journal.isFailing) return true;
  try {
    await session.ask("heartbeat", {});
    return true;
  } catch (refusal) {
    return refusal.status !== 0;
  }
}

/**
 * One navigation request: take content away, let it say its last words, commit them, then ask.
 * @param {string} request @param {string} [target] @param {"learner"|"sco"|"clock"} [source]
 */
async function go(request, target, source = "learner") {
  if (isLeaving || isStopped) return;
  isLeaving = true;
  try {
    if (source === "learner" && !(await isReachable())) {
      isLeaving = false;
      return alert(text.stillOffline);
    }
    clock.stop();
    const from = delivery && { item: delivery.item, activity_attempt: delivery.activity_attempt };
    await frame.leave();
    journal.seal();
    showState("loading");
    byId("loading-text").textContent = text.next;
    showButtons();
    alert("");
    const found = await insist(async () => {
      await journal.drain();
      return session.ask("navigate", { request, ...(target && { target }), source, from });
    });
    show(found);
  } catch (refusal) {
    isLeaving = false;
    await failed(refusal);
  }
}

/** To the first of the courses that come first in which the learner is enrolled. @param {any[]} [courses] */
function wayTo(courses = []) {
  const found = courses.find((course) => course.partner_enrollment_id);
  const home = homeOf();
  return found && home ? { href: `${home}#course-${found.partner_enrollment_id}`, label: text.goTo(found.title) } : null;
}

/** @param {any} refusal */
async function failed(refusal) {
  if (refusal.isStale) return stop();
  if (refusal.status === 401 && session.attempt && !isStopped) return reopen();
  if (isStopped) return;
  const message = refusal instanceof Refusal ? refusal.message : "";
  frame?.leave();
  showError(text.failed, message || text.unknown, text.again, () => start(), wayTo(refusal.first));
  if (!(refusal instanceof Refusal)) throw refusal;
}

/** The token ran out, perhaps while the computer slept: a new session, the same content on the screen. */
async function reopen() {
  if (isReopening || isStopped || !view) return;
  isReopening = true;
  try {
    await journal.drain().catch(() => {}); // most servers still take what was said before
    const { view: found } = (await insist(() => session.open())).facts;
    journal.begin();
    journal.send();
    const isSame = found.delivery && delivery && frame.isOpen && found.delivery.item === delivery.item;
    if (!isSame) await frame.leave();
    show({ ...found, unchanged: isSame });
  } catch (refusal) {
    showError(text.failed, refusal.message || text.unknown, text.again, () => start());
  } finally {
    isReopening = false;
  }
}

async function beat() {
  if (view?.state !== "running" || isLeaving || isStopped || !frame.isVisible) return;
  try {
    await session.ask("heartbeat", {});
  } catch (refusal) {
    if (refusal.isStale || refusal.status === 401) await failed(refusal);
  }
}

const showPopup = (isOpen) => {
  byId("popup").hidden = false;
  byId("popup-text").textContent = isOpen ? text.popupRuns : text.popup;
  byId("popup-open").textContent = isOpen ? text.show : text.popupOpen;
};

function prepare() {
  const { facts } = session;
  document.title = `${facts.title} · Courseyard`;
  byId("title").textContent = facts.title;
  byId("mode").textContent = text[facts.mode] || "";
  byId("mode").hidden = facts.mode === "normal";
  byId("why-toggle").hidden = facts.mode !== "preview";
  frame ??= createFrame({
    stage: byId("stage"),
    isWindow: facts.window === "new",
    onBlocked: () => showPopup(false),
    onOpened: () => showPopup(true),
    onClosed: () => go("suspendAll"), // closing the window is leaving; go on later where one was
  });
  clearInterval(heartbeat);
  heartbeat = setInterval(beat, (facts.heartbeat_seconds || 30) * 1000);
}

/** Open, or open again. What earlier windows left goes first: a new epoch would make it stale. */
async function start() {
  showState("loading");
  alert("");
  isStopped = isLeaving = false;
  try {
    await journal.adopt();
    await journal.drain().catch(() => {});
    const open = async () => {
      await journal.drain();
      return session.open();
    };
    await insist(open);
    // What only now could be sent is not in what the server just told.
    if (journal.begin()) {
      await insist(open);
      journal.begin();
    }
    const { facts } = session;
    const name = facts.standard === "1.2" ? "scorm12" : "scorm2004";
    table = await insist(async () => {
      const answer = await fetch(new URL(`tables/${name}.json`, import.meta.url)).catch(() => null);
      if (!answer?.ok) throw new Refusal(answer?.status ?? 0);
      return answer.json();
    });
    prepare();
    session.remember(facts.relaunch);
    show(facts.view);
  } catch (refusal) {
    await failed(refusal);
  }
}

/** @param {boolean} isShown */
function showSide(isShown) {
  body.dataset.side = isShown ? "open" : "closed";
  byId("toc-toggle").ariaExpanded = String(isShown);
}

const isNarrow = matchMedia("(max-width: 48rem)");

function listen() {
  document.addEventListener("click", (event) => {
    const button = /** @type {Element} */ (event.target).closest("button");
    if (button?.dataset.nav) go(button.dataset.nav);
    if (button?.dataset.item && button.ariaDisabled !== "true" && !isLeaving && view?.state !== "ended") {
      if (isNarrow.matches) showSide(false);
      go("choice", button.dataset.item);
    }
  });
  // Only while the player itself has the focus: keys pressed in content never come here.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isNarrow.matches) showSide(false);
    if (!event.altKey || !event.shiftKey) return;
    if (event.code === "KeyT") byId("toc-toggle").click();
    /** @type {any} */ (document.querySelector(`[data-nav="${SHORTCUTS[event.code]}"]`))?.click();
  });
  byId("toc-toggle").onclick = () => {
    const isShown = body.dataset.side !== "open";
    showSide(isShown);
    if (!isNarrow.matches) keep("side", isShown ? "open" : "closed");
    if (isShown) byId("toc").focus();
  };
  byId("notice-close").onclick = () => alert("");
  byId("popup-open").onclick = () => (frame.isOpen ? frame.focus() : frame.open());
  byId("why-toggle").onclick = async () => {
    const { toggle } = await import("./why.js");
    toggle({ session, calls, panel: byId("why"), button: byId("why-toggle") });
  };
}

function listenToPage() {
  addEventListener("online", () => {
    if ([text.offline, text.stillOffline].includes(byId("alert").textContent || "")) alert("");
    journal.send();
  });
  addEventListener("offline", () => showUnsaved(journal));
  addEventListener("beforeunload", (event) => {
    if (journal.size && (journal.isFailing || !navigator.onLine)) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") {
      journal.seal();
      journal.flush();
    } else {
      journal.send();
      beat();
    }
  });
  addEventListener("pagehide", ({ persisted }) => {
    isLeaving = true;
    journal.close(true);
    if (persisted || isStopped) return;
    frame?.leave(); // now, while what its handlers say can still be sent
    frame?.close();
    journal.close(true);
  });
  addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    isLeaving = false;
    journal.close(false);
    beat();
  });
}

/** Content may fill or forbid the storage; a wish about the layout is not worth an error. */
function keep(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(`courseyard-${name}`);
    localStorage.setItem(`courseyard-${name}`, value);
  } catch {
    return null;
  }
}

showSide(!isNarrow.matches && keep("side") !== "closed");
showUnsaved(journal);
listen();
listenToPage();
start();
