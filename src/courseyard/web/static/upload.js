// The upload with a progress bar: bytes on their way first, then what the server does with them.

export function enhance(form) {
  const bar = form.querySelector("progress");
  const say = form.querySelector("[role=status]");
  const wrong = form.querySelector("[role=alert]");
  const button = form.querySelector("button");
  const input = form.querySelector("input[type=file]");
  const drop = form.querySelector(".drop");
  let sending = false;

  // A file dropped beside the area would replace the page and with it what is under way.
  for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
  for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, () => drop.toggleAttribute("data-over", true));
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.removeAttribute("data-over"));
  drop.addEventListener("drop", (event) => {
    if (event.dataTransfer.files.length === 1) input.files = event.dataTransfer.files;
  });
  window.addEventListener("beforeunload", (event) => sending && event.preventDefault());

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const file = input.files[0];
    if (!file || sending) return;
    sending = true;
    wrong.hidden = true;
    bar.hidden = false;
    button.disabled = true;
    const request = new XMLHttpRequest();
    request.upload.addEventListener("progress", (step) => {
      if (!step.lengthComputable) return;
      bar.max = step.total;
      bar.value = step.loaded;
      say.textContent = `${Math.round((100 * step.loaded) / step.total)} % of ${megabytes(step.total)} sent`;
    });
    request.upload.addEventListener("load", () => {
      bar.removeAttribute("value");
      say.textContent = "Sent. Reading it …";
    });
    request.addEventListener("load", () => finish(request));
    request.addEventListener("error", () => refuse({ detail: "The connection broke off.", hint: "Check the network and try again." }));
    request.open("POST", form.dataset.upload);
    request.setRequestHeader("Accept", "application/json");
    const body = new FormData();
    body.append("file", file);
    request.send(body);
  });

  function finish(request) {
    sending = false;
    let answer = {};
    try {
      answer = JSON.parse(request.responseText);
    } catch {
      answer = { detail: `The server answered with status ${request.status}.`, hint: "Try again." };
    }
    if (request.status === 201) {
      say.textContent = "Done.";
      window.location.assign(form.dataset.then ?? `/packages/${answer.id}?done=uploaded`);
    } else {
      refuse(answer);
    }
  }

  function refuse(problem) {
    sending = false;
    bar.hidden = true;
    button.disabled = false;
    say.textContent = "";
    const findings = problem.findings ?? [];
    const told = findings.length ? ["Nothing was imported.", problem.hint] : [problem.detail ?? problem.title, problem.hint];
    wrong.replaceChildren(line("p", told.filter(Boolean).join(" ")));
    if (findings.length) {
      const list = document.createElement("ul");
      for (const finding of findings) {
        const place = [finding.file, finding.line].filter(Boolean).join(", line ");
        list.append(line("li", [place && `${place}:`, finding.message, finding.hint].filter(Boolean).join(" ")));
      }
      wrong.append(list);
    }
    wrong.hidden = false;
    wrong.focus();
  }
}

function line(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

function megabytes(bytes) {
  return `${(bytes / 1048576).toFixed(bytes < 10485760 ? 1 : 0)} MB`;
}
