// Speaks with the server: one POST per request, the token renewed from the answers.
// @ts-check

/** The server refused, or could not be reached (status 0). */
export class Refusal extends Error {
  /** @param {number} status @param {{ code?: string, title?: string, detail?: string, hint?: string, prerequisites?: any[] }} [problem] */
  constructor(status, problem = {}) {
    super([problem.detail || problem.title, problem.hint].filter(Boolean).join(" "));
    this.status = status;
    this.code = problem.code || "";
    // Courses at partners that come first.
    this.first = problem.prerequisites || [];
  }

  /** Whether the same request may succeed later. */
  get passes() {
    return [0, 401, 408, 425, 429].includes(this.status) || this.status >= 500 || this.code === "commit-gap";
  }

  get isStale() {
    return this.code === "stale-epoch";
  }
}

/** The launch link is the address of the page: …/play/TOKEN */
export function createSession() {
  const [, base, launch] = /(.*\/play\/)([^/]*)$/.exec(location.pathname) || [];
  /** @type {any} */
  const session = {
    launch,
    base: new URL(base || "/", location.href),
    token: "",

    /**
     * @param {string} name @param {any} body
     * @param {{ token?: string, keepalive?: boolean, seconds?: number }} [options]
     */
    async post(name, body, { token = session.token, keepalive = false, seconds = 20 } = {}) {
      const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
      const signal = AbortSignal.timeout(seconds * 1000);
      const text = typeof body === "string" ? body : JSON.stringify(body);
      let answer, found;
      try {
        answer = await fetch(new URL(`api/${name}`, session.base), { method: "POST", headers, body: text, keepalive, signal });
        found = await answer.json();
      } catch {
        throw new Refusal(answer && !answer.ok ? answer.status : 0);
      }
      if (!answer.ok) throw new Refusal(answer.status, found);
      if (found.token && token === session.token) session.token = found.token;
      if (found.relaunch) session.remember(found.relaunch);
      return found;
    },

    /** A reload of the page must work when the first link has expired. @param {string} relaunch */
    remember(relaunch) {
      session.launch = relaunch;
      history.replaceState(null, "", new URL(relaunch, session.base));
    },

    async open() {
      const found = await session.post("open", { launch: session.launch }, { token: "", seconds: 40 });
      session.token = found.token;
      return Object.assign(session, { attempt: found.attempt, epoch: found.epoch, facts: found });
    },

    /** @param {any} body */
    ask: (name, body) => session.post(name, { attempt: session.attempt, epoch: session.epoch, ...body }, { seconds: 40 }),
  };
  return session;
}
