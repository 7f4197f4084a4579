// Small behaviours of the app's pages. Everything here improves a page that works without it.

// Times come in UTC and are shown in the viewer's own zone and language.
const shortTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
function showTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const when = new Date(element.dateTime);
    if (Number.isNaN(when.getTime())) continue;
    element.textContent = shortTime.format(when);
    element.title = when.toString();
  }
}

// A button that loses something asks first.
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Press Ctrl-C";
  }
});

document.addEventListener("htmx:afterSwap", (event) => showTimes(event.detail.target));
showTimes(document);

for (const form of document.querySelectorAll("form[data-upload]")) {
  import("./upload.js").then(({ enhance }) => enhance(form));
}
