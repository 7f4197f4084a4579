// The table of contents: a nested list of buttons, as deep as the course.
// @ts-check
import { text } from "./text.js";

const MARKS = { passed: "✓", completed: "✓", failed: "✕", incomplete: "◐" };

/** What a part's status is called: success says more than completion. */
const statusOf = ({ completion, success }) =>
  success === "passed" || success === "failed" ? success : completion in MARKS ? completion : "";

const make = (name, properties, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};

/** @param {Element} button @param {any} entry */
function showStatus(button, entry) {
  const status = statusOf(entry);
  const [shown, , said] = /** @type {any} */ (button.children);
  shown.dataset.status = status;
  shown.textContent = MARKS[status] || "";
  said.textContent = status && ` (${text.states[status]})`;
}

/** What a commit has changed before the learner goes on. @param {HTMLElement} holder @param {string} item @param {any} entry */
export function mark(holder, item, entry) {
  const found = [...holder.querySelectorAll("button")].find((button) => button.dataset.item === item);
  if (found) showStatus(found, entry);
}

/** @param {any} entry */
function entryOf({ item, title, enabled, current, ...entry }) {
  const parts = [{ className: "mark", ariaHidden: "true" }, { textContent: title }, { className: "visually-hidden" }];
  const button = make("button", { type: "button" }, ...parts.map((part) => make("span", part)));
  showStatus(button, entry);
  button.dataset.item = item;
  if (!enabled) button.ariaDisabled = "true";
  if (current) button.ariaCurrent = "true";
  return make("li", {}, button);
}

/**
 * @param {HTMLElement} holder
 * @param {{ item: string, title: string, depth: number, enabled: boolean, visible: boolean, current: boolean,
 *   completion: string, success: string }[]} entries
 */
export function showContents(holder, entries) {
  const focused = holder.contains(document.activeElement) && /** @type {any} */ (document.activeElement).dataset.item;
  const top = make("ul", {});
  /** Open lists, the innermost last; a hidden entry leaves its children to the list above. */
  const open = [{ depth: -1, list: top }];
  for (const entry of entries) {
    if (!entry.visible) continue;
    while (open.length > 1 && open[open.length - 1].depth >= entry.depth) open.pop();
    const line = entryOf(entry);
    const { list } = open[open.length - 1];
    list.append(line);
    open.push({ depth: entry.depth, list: { append: (child) => (line.querySelector("ul") || line.appendChild(make("ul", {}))).append(child) } });
  }
  holder.replaceChildren(top);
  const found = [...holder.querySelectorAll("button")];
  found.find((button) => button.dataset.item === focused)?.focus();
  found.find((button) => button.ariaCurrent)?.scrollIntoView({ block: "nearest" });
}
