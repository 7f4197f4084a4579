// The API object that a SCO finds as window.API (SCORM 1.2) or window.API_1484_11 (SCORM 2004).
// @ts-check
import { createModel } from "./cmi-model.js";

/**
 * What the API tells the page. All are optional and synchronous.
 * @typedef {object} Listeners
 * @property {(element: string, value: string) => void} [change]
 *   an accepted SetValue, with the value that the element holds now; never called in browse and review mode.
 *   If it throws, SetValue answers "false" with the general error: what cannot be kept is not accepted.
 * @property {() => (boolean|void)} [commit]  Commit. false (or throwing): the SCO is told "false".
 * @property {(end: { request: string, exit: string }) => (boolean|void)} [terminate]
 *   Terminate/LMSFinish, once. `request`: adl.nav.request as the SCO left it ("_none_" without one, always so in
 *   SCORM 1.2); `exit`: cmi.exit or cmi.core.exit ("" without one). false (or throwing): Terminate fails, the
 *   session goes on and may be ended again.
 * @property {(element: string, rule: string) => void} [finding]  a value kept that the standard would not take;
 *   `rule` is a key of table.leniencies, or "length"
 * @property {(name: string, args: string[], result: string, error: string, at: number) => void} [call]
 *   every call in order, for the log; `at` is what `now` gave when it came in
 *
 * @typedef {object} Options
 * @property {"1.2"|"2004"} standard
 * @property {Record<string, any>} table  the standard's table, parsed (datamodel/tables/*.json)
 * @property {Record<string, string>} data  flat initial values, read-only ones included ("cmi.learner_id", …)
 * @property {"normal"|"browse"|"review"} [mode]
 * @property {boolean} [strict]  exactly the standard, without the table's leniencies
 * @property {{ continue?: boolean, previous?: boolean, choice?: string[], jump?: string[] }} [valid]
 *   answers adl.nav.request_valid; what is absent reads "unknown". The View's `valid` fits.
 * @property {() => number} [now]
 * @property {Listeners} [on]
 */

/** States of the communication (RTE 3.1.6 of SCORM 2004). */
const PHASES = { before: "before", running: "running", after: "after" };

/** Names of the eight functions by standard, in one order. */
const NAMES = {
  "1.2": ["LMSInitialize", "LMSFinish", "LMSGetValue", "LMSSetValue", "LMSCommit", "LMSGetLastError", "LMSGetErrorString", "LMSGetDiagnostic"],
  2004: ["Initialize", "Terminate", "GetValue", "SetValue", "Commit", "GetLastError", "GetErrorString", "GetDiagnostic"],
};

const DIAGNOSTIC_LIMIT = 254;

/**
 * Arguments as browsers handed them to the Java LMSs that content was written for: numbers and booleans become
 * text, nothing becomes the empty text.
 * @param {unknown} value
 */
const text = (value) => (value === undefined || value === null ? "" : String(value));

/**
 * Make a fresh API object; one per delivery of a SCO.
 * @param {Options} options
 * @returns {Record<string, any>} the object to hang on the window, with the functions of its standard and `version`
 */
export function createApi({ standard, table, data, mode = "normal", strict = false, valid, now = Date.now, on = {} }) {
  const { codes, errors } = table;
  const model = createModel({ table, data, strict, valid });
  let phase = PHASES.before;
  let last = 0;
  let about = "";
  let request = "_none_";
  let exit = "";

  /** @param {number} code @param {string} [detail] @param {string} [result] */
  const answer = (code, detail = "", result = code ? "false" : "true") => {
    last = code;
    about = detail;
    return result;
  };

  /** @param {(() => (boolean|void)) | undefined} listener */
  const agreed = (listener) => {
    try {
      return !listener || listener() !== false;
    } catch (failure) {
      about = String(failure);
      return false;
    }
  };

  /** The error of a call that needs a running session, or 0. @param {string} call */
  const outside = (call) => (phase === PHASES.running ? 0 : codes[`${call}_${phase}`]);

  /** @param {unknown} argument */
  const isEmpty = (argument) => (strict ? argument === "" : text(argument) === "");

  const initialize = (argument) => {
    if (!isEmpty(argument)) return answer(codes.argument);
    if (phase === PHASES.running) return answer(codes.initialize_twice);
    if (phase === PHASES.after) return answer(codes.initialize_after);
    phase = PHASES.running;
    return answer(0);
  };

  const terminate = (argument) => {
    if (!isEmpty(argument)) return answer(codes.argument);
    const wrong = outside("terminate");
    if (wrong) return answer(wrong);
    phase = PHASES.after; // before the page is told: it may take the frame away, and its unload comes back here
    if (agreed(() => on.terminate?.({ request, exit }))) return answer(0);
    phase = PHASES.running;
    return answer(codes.terminate, about);
  };

  const getValue = (element) => {
    const wrong = outside("get");
    if (wrong) return answer(wrong, "", "");
    const { value, code, rule } = model.get(text(element));
    return answer(code, code ? `${text(element)}: ${rule}` : "", value);
  };

  const keep = (element, value) => {
    if (element === "adl.nav.request") request = value;
    if (element === "cmi.exit" || element === "cmi.core.exit") exit = value;
    return mode !== "normal" || agreed(() => on.change?.(element, value));
  };

  const setValue = (element, value) => {
    const wrong = outside("set");
    if (wrong) return answer(wrong);
    const name = text(element);
    const set = model.set(name, text(value));
    if (set.code) return answer(set.code, `${name}: ${set.rule}`);
    if (set.rule) on.finding?.(name, set.rule);
    return keep(name, set.value) ? answer(0) : answer(codes.keep, about);
  };

  const commit = (argument) => {
    if (!isEmpty(argument)) return answer(codes.argument);
    const wrong = outside("commit");
    if (wrong) return answer(wrong);
    return agreed(on.commit) ? answer(0) : answer(codes.commit, about);
  };

  const getLastError = () => String(last);
  const errorText = (code) => (Object.hasOwn(errors, code) ? errors[code] : "");
  const getErrorString = (code) => errorText(text(code));
  const getDiagnostic = (code) => {
    const asked = text(code);
    const detail = about && (asked === "" || asked === String(last)) ? about : "";
    return (detail || errorText(asked === "" ? String(last) : asked)).slice(0, DIAGNOSTIC_LIMIT);
  };

  /** @param {string} name @param {(...args: any[]) => string} call */
  const logged = (name, call) => (...args) => {
    const at = now();
    const result = call(...args);
    on.call?.(name, args.map(text), result, String(last), at);
    return result;
  };

  const calls = [initialize, terminate, getValue, setValue, commit, getLastError, getErrorString, getDiagnostic];
  const api = { version: "1.0" };
  NAMES[standard].forEach((name, place) => (api[name] = logged(name, calls[place])));
  return api;
}
