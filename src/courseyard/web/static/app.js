// Small behaviours of the app's pages. Everything here improves a page that works without it.
// @ts-check

// Times come in UTC and are shown in the viewer's own zone and language. With the zone's name, so that a time that is
// told to somebody else means the same there; the named styles cannot have it.
const shortTime = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "numeric", hour: "numeric", minute: "2-digit", timeZoneName: "short",
});
// A day is the same everywhere.
const shortDay = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
function showTimes() {
  for (const element of /** @type {NodeListOf<HTMLTimeElement>} */ (document.querySelectorAll("time[datetime]"))) {
    const when = new Date(element.dateTime);
    if (Number.isNaN(when.getTime())) continue;
    if ("day" in element.dataset) {
      element.textContent = shortDay.format(when);
      continue;
    }
    element.textContent = shortTime.format(when);
    element.title = when.toString();
  }
}

// What loses something asks first; the button that was pressed stays the one that sends.
document.addEventListener("submit", async (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  const submitter = /** @type {HTMLElement | null} */ (event.submitter);
  const { confirm: question, yes = "Yes" } = { ...form.dataset, ...submitter?.dataset };
  if (!question) return;
  event.preventDefault();
  if (await asked(question, yes)) {
    for (const element of [form, submitter]) delete element?.dataset.confirm;
    form.requestSubmit(submitter);
  }
});

function asked(question, yes) {
  const dialog = document.createElement("dialog");
  const text = Object.assign(document.createElement("p"), { id: "question", textContent: question });
  const form = Object.assign(document.createElement("form"), { method: "dialog", className: "actions" });
  for (const [value, words, kind] of [["", "Cancel", ""], ["yes", yes, "primary"]]) {
    form.append(Object.assign(document.createElement("button"), { value, textContent: words, className: kind }));
  }
  dialog.setAttribute("aria-labelledby", "question");
  dialog.append(text, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}

document.addEventListener("click", async (event) => {
  const button = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("button[data-copy]"));
  if (!button) return;
  const field = /** @type {HTMLInputElement} */ (document.getElementById(button.dataset.copy ?? ""));
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Press Ctrl-C";
  }
});

// A secret of ours to choose: random, and shown until it is saved. Letters and digits alone go into headers and addresses
// as they are, and are base64 too, as Standard Webhooks asks of what stands behind "whsec_".
for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("button[data-make]"))) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const field = /** @type {HTMLInputElement} */ (document.getElementById(button.dataset.make ?? ""));
    const bytes = crypto.getRandomValues(new Uint8Array(24));
    field.value = `whsec_${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
    field.type = "text";
    field.select();
    const told = /** @type {HTMLElement} */ (document.getElementById(`${field.id}-made`));
    told.textContent = "Copy it now and enter it at the partner; once saved it is never shown again.";
  });
}

// One box for all boxes of its form with a name; without scripts its label stays hidden.
for (const all of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("input[data-all]"))) {
  /** @type {HTMLElement} */ (all.parentElement).hidden = false;
  all.addEventListener("change", () => {
    const boxes = /** @type {NodeListOf<HTMLInputElement>} */ (all.form?.querySelectorAll(`[name="${all.dataset.all}"]`) ?? []);
    for (const box of boxes) box.checked = all.checked;
  });
}

// What can only be read by scrolling can be scrolled by keyboard.
function showScrolling() {
  for (const box of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".table"))) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
  for (const bar of document.querySelectorAll(".tabs, .top nav")) showMore(bar);
}

// Rows of links that go on beyond an edge fade out there.
function showMore(bar) {
  bar.toggleAttribute("data-before", bar.scrollLeft > 1);
  bar.toggleAttribute("data-after", bar.scrollLeft + bar.clientWidth < bar.scrollWidth - 1);
}

// Where one is stands in the middle of what can be seen of a row of links. The page itself stays where it is.
for (const here of document.querySelectorAll(".tabs [aria-current], .top nav [aria-current]")) {
  const bar = /** @type {HTMLElement} */ (here.closest("nav"));
  const [inner, outer] = [here.getBoundingClientRect(), bar.getBoundingClientRect()];
  bar.scrollLeft += inner.left + inner.width / 2 - (outer.left + outer.width / 2);
}
for (const bar of document.querySelectorAll(".tabs, .top nav")) {
  bar.addEventListener("scroll", () => showMore(bar), { passive: true });
}

// The part that an event of htmx names may be the one that was replaced: the whole page is looked through.
document.addEventListener("htmx:afterSwap", () => {
  showTimes();
  showScrolling();
});
showTimes();
addEventListener("resize", showScrolling);
showScrolling();

for (const form of document.querySelectorAll("form[data-upload]")) {
  import("./upload.js").then(({ enhance }) => enhance(form));
}
