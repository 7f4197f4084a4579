// One small face for both standards: what a lesson needs to remember and to report.

/** Look for the run-time the way the standards ask: up the parents, then up the opener's parents. */
function find(name) {
  for (const start of [window, window.opener]) {
    let at = start;
    for (let step = 0; at && step < 50; step += 1) {
      if (at[name]) return at[name];
      if (at.parent === at) break;
      at = at.parent;
    }
  }
  return null;
}

const clock = (seconds) => {
  const two = (n) => String(n).padStart(2, "0");
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
};

function scorm12(api) {
  const set = (element, value) => api.LMSSetValue(element, String(value));
  const get = (element) => api.LMSGetValue(element);
  let interactions = 0;
  return {
    start() {
      api.LMSInitialize("");
      interactions = Number(get("cmi.interactions._count")) || 0;
      if (get("cmi.core.lesson_status") === "not attempted") set("cmi.core.lesson_status", "incomplete");
    },
    learner: () => get("cmi.core.student_name"),
    location: () => get("cmi.core.lesson_location"),
    memory: () => get("cmi.suspend_data"),
    done: () => ["completed", "passed", "failed"].includes(get("cmi.core.lesson_status")),
    remember(location, memory) {
      set("cmi.core.lesson_location", location);
      set("cmi.suspend_data", memory);
      api.LMSCommit("");
    },
    progress() {},
    answer({ id, type, response, correct, right, seconds }) {
      const at = `cmi.interactions.${interactions}`;
      interactions += 1;
      set(`${at}.id`, id);
      set(`${at}.type`, type);
      set(`${at}.correct_responses.0.pattern`, correct);
      set(`${at}.student_response`, response);
      set(`${at}.result`, right ? "correct" : "wrong");
      set(`${at}.latency`, clock(seconds));
      set(`${at}.time`, new Date().toTimeString().slice(0, 8));
    },
    score(percent) {
      set("cmi.core.score.min", 0);
      set("cmi.core.score.max", 100);
      set("cmi.core.score.raw", percent);
    },
    complete(passed) {
      set("cmi.core.lesson_status", passed === null ? "completed" : passed ? "passed" : "failed");
      api.LMSCommit("");
    },
    leave(seconds, finished) {
      set("cmi.core.session_time", clock(seconds));
      set("cmi.core.exit", finished ? "" : "suspend");
      api.LMSFinish("");
    },
  };
}

function scorm2004(api) {
  const set = (element, value) => api.SetValue(element, String(value));
  const get = (element) => api.GetValue(element);
  let interactions = 0;
  return {
    start() {
      api.Initialize("");
      interactions = Number(get("cmi.interactions._count")) || 0;
      if (["unknown", "not attempted"].includes(get("cmi.completion_status"))) {
        set("cmi.completion_status", "incomplete");
      }
    },
    learner: () => get("cmi.learner_name"),
    location: () => get("cmi.location"),
    memory: () => get("cmi.suspend_data"),
    done: () => get("cmi.completion_status") === "completed",
    remember(location, memory) {
      set("cmi.location", location);
      set("cmi.suspend_data", memory);
      api.Commit("");
    },
    progress: (share) => set("cmi.progress_measure", share.toFixed(2)),
    answer({ id, type, response, correct, right, seconds, text }) {
      const at = `cmi.interactions.${interactions}`;
      interactions += 1;
      set(`${at}.id`, id);
      set(`${at}.type`, type);
      set(`${at}.timestamp`, new Date().toISOString().slice(0, 19));
      set(`${at}.description`, text);
      set(`${at}.correct_responses.0.pattern`, correct.split(",").join("[,]"));
      set(`${at}.learner_response`, response.split(",").join("[,]"));
      set(`${at}.result`, right ? "correct" : "incorrect");
      set(`${at}.latency`, `PT${seconds}S`);
    },
    score(percent) {
      set("cmi.score.min", 0);
      set("cmi.score.max", 100);
      set("cmi.score.raw", percent);
      set("cmi.score.scaled", (percent / 100).toFixed(2));
    },
    complete(passed) {
      set("cmi.progress_measure", "1");
      set("cmi.completion_status", "completed");
      if (passed !== null) set("cmi.success_status", passed ? "passed" : "failed");
      api.Commit("");
    },
    leave(seconds, finished) {
      set("cmi.session_time", `PT${seconds}S`);
      set("cmi.exit", finished ? "normal" : "suspend");
      if (finished) set("adl.nav.request", "continue");
      api.Terminate("");
    },
  };
}

/** The connection to the learning system, or null where the page is opened on its own. */
export function connect() {
  const newer = find("API_1484_11");
  if (newer) return scorm2004(newer);
  const older = find("API");
  return older ? scorm12(older) : null;
}
