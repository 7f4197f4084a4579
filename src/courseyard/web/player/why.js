// The panel for whoever previews a package: where each activity stands, why, and what content said to the run-time.
// Loaded only when it is opened.
// @ts-check

const HEADS = ["Activity", "Tries", "Completion", "Success", "Score", "Progress"];

/** @param {string} name @param {any} [properties] @param {...(Node|string)} children @returns {any} */
const make = (name, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};

/** @param {boolean | null} value @param {string} yes @param {string} no */
const word = (value, yes, no) => (value === null ? "–" : value ? yes : no);
/** @param {number | null} value */
const percent = (value) => (value === null ? "–" : `${Math.round(value * 1000) / 10} %`);

/** @param {any} call */
const lineOf = ({ at, item, name, args, result, error }) =>
  `${new Date(at).toISOString().slice(11, 23)} ${item ?? ""} ${name}(${args.map((/** @type {any} */ arg) => JSON.stringify(arg)).join(", ")})` +
  ` → ${JSON.stringify(result)}${error === "0" ? "" : ` error ${error}`}`;

/** @param {any} known @param {string} title @param {number} depth @param {string} tries */
function rowOf(known, title, depth, tries) {
  const cells = [
    tries,
    word(known.completion, "completed", "incomplete"),
    word(known.satisfied, "passed", "failed"),
    percent(known.measure),
    percent(known.progress_measure),
  ];
  const name = make("th", { scope: "row", textContent: title });
  name.style.paddingLeft = `${0.4 + depth * 0.9}rem`;
  return make("tr", {}, name, ...cells.map((textContent) => make("td", { textContent, className: textContent === "failed" ? "bad" : "" })));
}

/** @param {any[]} tree */
function tableOf(tree) {
  const rows = tree.flatMap((known) => {
    const row = rowOf(known, known.title + (known.suspended ? " (suspended)" : ""), known.depth, String(known.attempts));
    row.className = known.active ? "current" : "";
    const objectives = known.objectives.map((/** @type {any} */ one) => rowOf(one, `Objective ${one.id}`, known.depth + 1, ""));
    return [row, ...objectives];
  });
  const heads = HEADS.map((textContent) => make("th", { scope: "col", textContent }));
  return make("div", { className: "scroll", tabIndex: 0, role: "group", ariaLabel: "Activities" }, make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows)));
}

/** @param {string[]} lines */
const listOf = (lines) => make("ul", {}, ...lines.map((textContent) => make("li", { textContent })));

/** @param {any} told @param {number} place @param {Map<string, string>} titles */
function requestOf({ request, target, outcome, sentences }, place, titles) {
  const isRefused = outcome.result === "rejected" || outcome.result === "blocked";
  const shown = titles.get(outcome.delivered);
  const end = isRefused ? `refused (${outcome.exception})` : shown ? `shows ${shown}` : outcome.end_session ? "ends the session" : "shows nothing";
  const asked = [request, titles.get(target) ?? target].filter(Boolean).join(" ");
  const summary = make("summary", { className: isRefused ? "bad" : "", textContent: `${asked}: ${end}` });
  return make("details", { open: !place }, summary, listOf(sentences.length ? sentences : ["No rule had a say."]));
}

/** @param {any[]} calls */
function logOf(calls) {
  const filter = make("input", { type: "search", placeholder: "Filter calls", ariaLabel: "Filter calls" });
  const errorsOnly = make("input", { type: "checkbox" });
  const list = make("ol", { tabIndex: 0, ariaLabel: "Calls" });
  const draw = () => {
    const wanted = filter.value.toLowerCase();
    const lines = calls.map((call) => ({ call, line: lineOf(call) }))
      .filter(({ call, line }) => line.toLowerCase().includes(wanted) && (!errorsOnly.checked || call.error !== "0"));
    list.replaceChildren(...lines.map(({ call, line }) => make("li", { textContent: line, className: call.error === "0" ? "" : "bad" })));
  };
  const download = make("button", { type: "button", textContent: "Download" });
  download.onclick = () => {
    const address = URL.createObjectURL(new Blob([calls.map(lineOf).join("\n")], { type: "text/plain" }));
    make("a", { href: address, download: "api-calls.txt" }).click();
    URL.revokeObjectURL(address);
  };
  filter.oninput = errorsOnly.onchange = draw;
  draw();
  return { draw, nodes: [make("div", { className: "row" }, filter, make("label", {}, errorsOnly, " errors only"), download), list] };
}

/** @type {(() => void) | null} */
let stopWatching = null;

/** @param {{ session: any, calls: any[], panel: HTMLElement, button: HTMLElement }} options */
export async function toggle({ session, calls, panel, button }) {
  panel.hidden = !panel.hidden;
  button.ariaExpanded = String(!panel.hidden);
  stopWatching?.();
  if (panel.hidden) return button.focus();
  const status = make("div");
  const refresh = async () => {
    try {
      const answer = await fetch(new URL("api/why", session.base), { headers: { Authorization: `Bearer ${session.token}` } });
      const facts = await answer.json();
      if (!answer.ok) throw new Error(facts.detail || facts.title);
      /** @type {Map<string, string>} */
      const titles = new Map(facts.tree.map((/** @type {any} */ known) => [known.item, known.title]));
      status.replaceChildren(
        make("h2", { textContent: "Where the course stands" }), listOf(facts.sentences), tableOf(facts.tree),
        make("h2", { textContent: "What the last requests did" }),
        ...facts.requests.map((/** @type {any} */ told, /** @type {number} */ place) => requestOf(told, place, titles)),
      );
    } catch (/** @type {any} */ failure) {
      status.replaceChildren(make("p", { className: "bad", textContent: `Not available: ${failure.message}` }));
    }
  };
  const log = logOf(calls);
  const again = make("button", { type: "button", textContent: "Refresh", onclick: refresh });
  const close = make("button", { type: "button", textContent: "Close", onclick: () => toggle({ session, calls, panel, button }) });
  panel.onkeydown = ({ key }) => key === "Escape" && close.click();
  panel.replaceChildren(make("div", { className: "row" }, again, close), status, make("h2", { textContent: "What content said" }), ...log.nodes);
  close.focus();
  const onCall = () => requestAnimationFrame(log.draw);
  const onState = new MutationObserver(refresh);
  document.body.addEventListener("courseyard-call", onCall);
  onState.observe(document.body, { attributeFilter: ["data-activity", "data-state"] });
  stopWatching = () => {
    document.body.removeEventListener("courseyard-call", onCall);
    onState.disconnect();
  };
  await refresh();
}
