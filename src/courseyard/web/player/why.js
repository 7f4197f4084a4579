// The panel for whoever previews a package: where each activity stands, why, and what content said to the run-time.
// Loaded only when it is opened.
// @ts-check

const STATUS_COLUMNS = ["attempts", "completion", "satisfied", "measure", "progress_measure"];

const make = (name, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};

const said = (value) => (value === null || value === undefined ? "–" : String(value));
const plain = (value) => (typeof value === "string" ? value : JSON.stringify(value));

/** @param {any} call */
const lineOf = ({ at, item, name, args, result, error }) =>
  `${new Date(at).toISOString().slice(11, 23)} ${item ?? ""} ${name}(${args.map((arg) => JSON.stringify(arg)).join(", ")})` +
  ` → ${JSON.stringify(result)}${error === "0" ? "" : ` error ${error}`}`;

/** Rows of a table, whatever the server knows of an activity. @param {any} activity @param {number} depth */
function* rowsOf(activity, depth = 0) {
  yield { ...activity, depth: activity.depth ?? depth };
  for (const child of activity.children ?? []) yield* rowsOf(child, depth + 1);
}

function treeOf(facts) {
  const tree = facts.tree ?? facts.activities ?? [];
  const rows = (Array.isArray(tree) ? tree : [tree]).flatMap((activity) => [...rowsOf(activity)]);
  const heads = ["Activity", ...STATUS_COLUMNS.map((name) => name.replace("_", " "))];
  const table = make("table", {}, make("tr", {}, ...heads.map((textContent) => make("th", { scope: "col", textContent }))));
  for (const row of rows) {
    const title = `${"\u00a0\u00a0".repeat(row.depth)}${row.title ?? row.item ?? row.id}${row.suspended ? " (suspended)" : ""}`;
    const line = make("tr", { className: row.active ? "current" : "" }, make("td", { textContent: title }));
    line.append(...STATUS_COLUMNS.map((name) => make("td", { textContent: said(row[name]) })));
    table.append(line);
    for (const objective of row.objectives ?? []) {
      const { id, ...status } = objective;
      const facts = Object.entries(status).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${plain(value)}`);
      table.append(make("tr", {}, make("td", { colSpan: heads.length, className: "dim", textContent: `${"\u00a0\u00a0".repeat(row.depth + 1)}◦ ${id || "primary objective"}: ${facts.join(", ") || "unknown"}` })));
    }
  }
  return table;
}

const listOf = (lines) => make("ol", {}, ...lines.map((textContent) => make("li", { textContent: plain(textContent) })));

/** Lines of text from whatever shape the trace of a request has. @param {any} trace */
function tracesOf(trace) {
  return (trace ?? []).map((entry) => {
    if (typeof entry === "string") return make("p", { textContent: entry });
    const { request, target, sentences, steps, trace: inner, ...rest } = entry;
    const summary = make("summary", { textContent: [request, target].filter(Boolean).join(" ") || plain(rest) });
    return make("details", {}, summary, listOf([...(sentences ?? []), ...(steps ?? inner ?? [])]));
  });
}

function logOf(calls) {
  const filter = make("input", { type: "search", placeholder: "Filter calls", ariaLabel: "Filter calls" });
  const errorsOnly = make("input", { type: "checkbox" });
  const list = make("ol");
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
  if (panel.hidden) return;
  const status = make("div");
  const refresh = async () => {
    try {
      const answer = await fetch(new URL("api/why", session.base), { headers: { Authorization: `Bearer ${session.token}` } });
      const facts = await answer.json();
      if (!answer.ok) throw new Error(facts.detail || facts.title);
      status.replaceChildren(
        make("h2", { textContent: "Where the course stands" }), ...(facts.sentences ?? []).map((textContent) => make("p", { textContent })), treeOf(facts),
        make("h2", { textContent: "What the last requests did" }), ...tracesOf(facts.traces ?? facts.trace),
      );
    } catch (failure) {
      status.replaceChildren(make("p", { className: "bad", textContent: `Not available: ${failure.message}` }));
    }
  };
  const log = logOf(calls);
  const again = make("button", { type: "button", textContent: "Refresh", onclick: refresh });
  panel.replaceChildren(again, status, make("h2", { textContent: "What content said" }), ...log.nodes);
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
