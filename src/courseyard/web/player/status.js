// What the page tells: its state, the chip, alerts, the live region, and the cards that stand where content would.
// @ts-check
import { text } from "./text.js";

/** @param {string} id */
export const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const CARDS = { loading: "loading", idle: "idle", error: "error", ended: "ended" };

/** @param {"loading"|"idle"|"running"|"ended"|"error"} state @param {string} [activity] */
export function showState(state, activity = "") {
  document.body.dataset.state = state;
  document.body.dataset.activity = activity;
  for (const card of document.querySelectorAll(".card")) /** @type {any} */ (card).hidden = card.id !== CARDS[state];
}

/** @param {string} message empty: nothing to tell */
export function alert(message) {
  byId("alert").textContent = message;
  byId("notice").hidden = !message;
}

/** @param {string} message for screen readers */
export const announce = (message) => (byId("live").textContent = message);

/** @param {{ size: number, isFailing: boolean, isFragile: boolean }} journal */
export function showUnsaved({ size, isFailing, isFragile }) {
  const chip = byId("chip");
  document.body.dataset.unsaved = String(size);
  chip.dataset.kind = !size ? "saved" : isFailing || !navigator.onLine ? "waiting" : "saving";
  const said = { saved: text.saved, saving: text.saving, waiting: text.waiting(size) }[chip.dataset.kind];
  if (chip.textContent !== said) chip.textContent = said;
  chip.title = isFragile && size ? text.fragile : "";
  if (isFragile && size) alert(text.fragile);
}

/** @param {string} title @param {string} message @param {string} label @param {() => void} act
 * @param {{ href: string, label: string } | null} [way] a link beside the button */
export function showError(title, message, label, act, way = null) {
  showState("error");
  byId("error-title").textContent = title;
  byId("error-text").textContent = message;
  alert(message);
  const button = /** @type {HTMLButtonElement} */ (byId("error-act"));
  button.textContent = label;
  button.onclick = act;
  const link = /** @type {HTMLAnchorElement} */ (byId("error-way"));
  link.hidden = !way;
  if (way) Object.assign(link, { href: way.href, textContent: way.label });
}

/** @param {any} result @param {{ redirect: string|null, home: string }} ways */
export function showEnd(result, { redirect, home }) {
  const { completion, success, score, progress, seconds, suspended } = result || {};
  const status = success === "passed" || success === "failed" ? success : text.states[completion] || "";
  const done = success === "passed" || (completion === "completed" && success !== "failed");
  byId("ended-title").textContent = done ? text.well : text.ended;
  byId("ended-text").textContent = suspended ? text.suspended : redirect || home ? "" : text.close;
  const facts = [
    [text.status, status],
    [text.score, score ?? null],
    [text.time, seconds >= 1 ? text.duration(seconds) : null],
    [text.progress, completion !== "completed" && progress ? `${Math.round(progress)} %` : null],
  ].filter(([, value]) => value !== null && value !== "");
  byId("ended-facts").replaceChildren(
    ...facts.flatMap(([name, value]) =>
      [["dt", name], ["dd", value]].map(([tag, said]) => Object.assign(document.createElement(tag), { textContent: said })),
    ),
  );
  const back = /** @type {HTMLAnchorElement} */ (byId("back"));
  back.hidden = !(redirect || home);
  back.href = redirect || home;
  back.focus();
  if (redirect) goOn(redirect);
}

const REDIRECT_SECONDS = 6;

/** @param {string} address */
function goOn(address) {
  let left = REDIRECT_SECONDS;
  const clock = byId("countdown");
  const stay = /** @type {HTMLButtonElement} */ (byId("stay"));
  const stop = () => {
    clearInterval(timer);
    clock.textContent = "";
    stay.hidden = true;
  };
  const tick = () => {
    clock.textContent = text.redirect(left);
    if (left === 0) location.assign(address);
    left -= 1;
  };
  const timer = setInterval(tick, 1000);
  stay.hidden = false;
  stay.onclick = stop;
  tick();
}
