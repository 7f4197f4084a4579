// A lesson is a row of <section> steps; some hold a question. Remembers the step and the answers, reports the result.
import { connect } from "./scorm.js";

const lesson = document.querySelector("main");
const steps = [...lesson.querySelectorAll("section")];
const questions = [...lesson.querySelectorAll("fieldset")];
const passMark = Number(lesson.dataset.pass || 0);
const began = Date.now();
const lms = connect();
const answers = {};
let at = 0;
let finished = false;
let shownAt = Date.now();

const element = (tag, text, attributes = {}) => {
  const made = Object.assign(document.createElement(tag), attributes);
  made.textContent = text;
  return made;
};

const back = element("button", "Back", { type: "button", className: "quiet" });
const next = element("button", "Next", { type: "button" });
const count = element("p", "", { className: "count" });
const bar = element("progress", "", { max: steps.length, value: 1 });
bar.setAttribute("aria-label", "Progress in this lesson");
const controls = element("nav", "", { className: "controls" });
controls.setAttribute("aria-label", "Lesson");
controls.append(back, count, next);
document.body.prepend(bar);
lesson.after(controls);

const seconds = (since) => Math.max(0, Math.round((Date.now() - since) / 1000));
const question = (step) => step.querySelector("fieldset");
const score = () => Math.round((100 * questions.filter((q) => answers[q.id]?.right).length) / questions.length);
const open = () => questions.filter((q) => !answers[q.id]);

function remember() {
  lms?.remember(steps[at].id, JSON.stringify(answers));
}

function reveal(fieldset) {
  const given = answers[fieldset.id];
  if (!given) return;
  for (const input of fieldset.querySelectorAll("input")) {
    input.checked = given.response.split(",").includes(input.value);
    input.disabled = true;
    const correct = fieldset.dataset.correct.split(",").includes(input.value);
    if (correct) input.parentElement.classList.add("correct");
    else if (input.checked) input.parentElement.classList.add("wrong");
  }
  fieldset.querySelector("button")?.remove();
  const verdict = fieldset.querySelector(".verdict");
  verdict.textContent = `${given.right ? "That is right." : "Not quite."} ${fieldset.dataset.because}`;
}

function check(fieldset) {
  const chosen = [...fieldset.querySelectorAll("input:checked")].map((input) => input.value);
  const verdict = fieldset.querySelector(".verdict");
  if (!chosen.length) {
    verdict.textContent = "Choose an answer first.";
    return;
  }
  const response = chosen.sort().join(",");
  const correct = fieldset.dataset.correct;
  answers[fieldset.id] = { response, right: response === correct };
  lms?.answer({
    id: fieldset.id,
    type: "choice",
    response,
    correct,
    right: response === correct,
    seconds: seconds(shownAt),
    text: fieldset.querySelector("legend").textContent.trim(),
  });
  reveal(fieldset);
  remember();
  draw();
}

function result() {
  const place = steps[at].querySelector("[data-result]");
  if (!place) return;
  if (open().length) {
    place.textContent = `${open().length} question${open().length > 1 ? "s are" : " is"} still open: go back and answer.`;
    return;
  }
  const percent = score();
  const passed = percent >= passMark;
  place.textContent = passed
    ? `You reached ${percent} %. Passed: well done!`
    : `You reached ${percent} %; ${passMark} % are needed. Read the lesson again and take another try.`;
  if (!lms?.done()) {
    lms?.score(percent);
    lms?.complete(passed);
  }
}

function draw() {
  steps.forEach((step, i) => { step.hidden = i !== at; });
  bar.value = at + 1;
  count.textContent = `${at + 1} of ${steps.length}`;
  back.disabled = at === 0;
  const last = at === steps.length - 1;
  next.textContent = last ? "Finish" : "Next";
  next.disabled = finished || (last && open().length > 0) || Boolean(question(steps[at]) && !answers[question(steps[at]).id]);
}

function show(index, focus = true) {
  at = Math.min(Math.max(index, 0), steps.length - 1);
  shownAt = Date.now();
  lms?.progress((at + 1) / steps.length);
  remember();
  if (at === steps.length - 1) {
    result();
    if (!questions.length && !lms?.done()) lms?.complete(null);
  }
  draw();
  if (focus) steps[at].querySelector("h2").focus();
}

function leave(done) {
  if (finished) return;
  finished = true;
  lms?.leave(seconds(began), done);
  draw();
  if (done) count.textContent = "Finished. You can leave this lesson now.";
}

for (const step of steps) step.querySelector("h2").tabIndex = -1;
for (const fieldset of questions) {
  const button = element("button", "Check my answer", { type: "button" });
  button.addEventListener("click", () => check(fieldset));
  const verdict = element("p", "", { className: "verdict" });
  verdict.setAttribute("role", "status");
  fieldset.append(button, verdict);
}
back.addEventListener("click", () => show(at - 1));
next.addEventListener("click", () => (at === steps.length - 1 ? leave(true) : show(at + 1)));
window.addEventListener("pagehide", () => leave(false));

lms?.start();
try {
  Object.assign(answers, JSON.parse(lms?.memory() || "{}"));
} catch {
  // What another version of this lesson remembered is of no use here.
}
questions.forEach(reveal);
const name = lms?.learner();
for (const place of document.querySelectorAll("[data-learner]")) {
  if (name) place.textContent = name.includes(",") ? name.split(",")[1].trim() : name;
}
show(steps.findIndex((step) => step.id === lms?.location()), false);
document.body.dataset.ready = "true";
