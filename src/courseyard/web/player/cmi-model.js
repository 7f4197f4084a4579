// The data model of one SCO: get and set on a flat state. The twin of courseyard/datamodel/_model.py.
// @ts-check
import { createTypes } from "./cmi-types.js";

const INDEX = /\.([0-9]+)(?=\.|$)/g;
const CANONICAL = /^(?:0|[1-9][0-9]{0,6})$/;
const TARGET = /^adl\.nav\.request_valid\.(choice|jump)\.\{target=([^{}]+)\}$/;

/** A call that the data model answers with an error; `name` is a key of the table's `codes`. */
class Refusal extends Error {
  /** @param {string} name @param {string} [rule] */
  constructor(name, rule) {
    super(name);
    this.rule = rule || name;
  }
}

/** @param {string} name @param {string} [rule] @returns {never} */
function refuse(name, rule) {
  throw new Refusal(name, rule);
}

const splitLast = (element) => {
  const at = element.lastIndexOf(".");
  return at < 0 ? ["", element] : [element.slice(0, at), element.slice(at + 1)];
};

function parse(element) {
  const target = TARGET.exec(element);
  if (target) return { pattern: `adl.nav.request_valid.${target[1]}.{target}`, indexes: [] };
  const indexes = [];
  for (const found of element.matchAll(INDEX)) {
    const collection = element.slice(0, found.index);
    indexes.push({ collection, pattern: collection.replace(INDEX, ".n"), index: found[1] });
  }
  return { pattern: element.replace(INDEX, ".n"), indexes };
}

const asSet = (value, isSet) => (isSet ? value.split("[,]").sort().join("[,]") : value);

/**
 * @param {{ table: any, data: Record<string,string>, strict: boolean, valid?: any }} options
 *   valid: {continue, previous: boolean, choice, jump: ids}, what adl.nav.request_valid answers
 */
export function createModel({ table, data, strict, valid = {} }) {
  const { elements, collections, groups, codes } = table;
  const { check, canonical } = createTypes(table, strict);
  /** @type {Map<string, string>} */
  const state = new Map();
  /** @type {Map<string, number>} */
  const counts = new Map();
  /** @type {Map<string, Map<string, string>>} */
  const unique = new Map();
  const own = (object, key) => (Object.hasOwn(object, key) ? object[key] : undefined);
  const targets = { choice: valid.choice && new Set(valid.choice), jump: valid.jump && new Set(valid.jump) };

  const count = (collection) => counts.get(collection) || 0;
  const children = (pattern) => (own(collections, pattern) ? collections[pattern].children : own(groups, pattern));
  /** @param {{ indexes: any[] }} name */
  const access = ({ indexes: [at] }) => state.get(`${at.collection}.${at.index}._access`) ?? "rw";
  const typeOf = ({ indexes: [at] }) => (at && state.get(`${at.collection}.${at.index}.type`)) || "";

  const existing = ({ indexes }) => {
    for (const { collection, index } of indexes) {
      if (!CANONICAL.test(index) || Number(index) >= count(collection)) refuse("get_index");
    }
  };

  function keyword(name, base, word) {
    const list = children(name.pattern);
    if (word === "_children" && list) return existing(name), list.join(",");
    if (word === "_count" && own(collections, name.pattern)) return existing(name), String(count(base));
    const known = own(elements, name.pattern) || own(collections, name.pattern) || Object.hasOwn(groups, name.pattern);
    return refuse(!known ? "unknown" : word === "_children" ? "no_children" : "no_count");
  }

  function requestValid(element) {
    const target = TARGET.exec(element);
    const known = target ? targets[target[1]] : valid[splitLast(element)[1]];
    if (known === undefined || known === null) return null;
    return String(target ? known.has(target[2]) : Boolean(known));
  }

  /** Status by threshold, computed at once; null where no threshold is in force. */
  function judged(rule) {
    if (!rule || !state.get(rule.threshold)) return null;
    const measure = state.get(rule.measure);
    if (!measure) return "unknown";
    return Number(measure) >= Number(state.get(rule.threshold)) ? rule.reached : rule.below;
  }

  function read(element) {
    if (element === "") refuse("get");
    const [base, last] = splitLast(element);
    if (last === "_children" || last === "_count") return keyword(parse(base), base, last);
    const name = parse(element);
    const spec = own(elements, name.pattern) || refuse("unknown");
    if (spec.access === "wo") refuse("write_only");
    existing(name);
    if (spec.shared && !access(name).includes("r")) refuse("write_only");
    const value = name.pattern.startsWith("adl.nav.request_valid.")
      ? requestValid(element)
      : (judged(spec.judged) ?? state.get(element));
    return value ?? spec.default ?? (codes.unset ? refuse("unset") : "");
  }

  /** Records are made in order, each by its key where it has one. */
  function reachable(element, { indexes }) {
    for (const { collection, pattern, index } of indexes) {
      const { key, fixed } = collections[pattern];
      const isNew = Number(index) === count(collection);
      if (!CANONICAL.test(index) || Number(index) > count(collection) || (fixed && isNew)) refuse("set_index");
      if (key && isNew && element !== `${collection}.${index}.${key}`) {
        refuse("dependency", "id-first");
      }
    }
  }

  function interactionOf(name, spec) {
    const kind = typeOf(name);
    if (spec.needs && !kind) refuse("dependency", "type-first");
    const inner = name.indexes[1];
    const most = own(table.responses, kind)?.most ?? Infinity;
    if (inner && inner.pattern.endsWith(".correct_responses") && Number(inner.index) >= most) {
      refuse("set_index", "one-pattern");
    }
    return kind;
  }

  /** The collection within which the value must be unique, and whether it is compared as a set. */
  function family(name, spec, kind) {
    const rule = name.pattern.endsWith(".pattern") ? own(table.responses, kind) : spec;
    return rule?.unique ? { within: name.indexes.at(-1).collection, isSet: rule.distinct } : null;
  }

  function judge(element, written) {
    if (element === "") refuse("set");
    const [base, last] = splitLast(element);
    if (last === "_children") refuse(children(parse(base).pattern) ? "keyword" : "unknown");
    if (last === "_count") refuse(own(collections, parse(base).pattern) ? "keyword" : "unknown");
    const name = parse(element);
    const spec = own(elements, name.pattern) || refuse("unknown");
    if (name.pattern === "cmi._version") refuse("keyword");
    if (spec.access === "ro") refuse("read_only");
    reachable(element, name);
    if (spec.shared && !access(name).includes("w")) refuse("read_only");
    const kind = interactionOf(name, spec);
    const value = canonical(spec, written, kind);
    const verdict = check(spec, value, kind);
    if (verdict.refused) refuse(verdict.refused, verdict.rule);
    if (spec.once && (state.get(element) ?? value) !== value) refuse("duplicate", "set-once");
    const among = family(name, spec, kind);
    const holder = among && unique.get(among.within)?.get(asSet(value, among.isSet));
    if (holder && holder !== element) refuse("duplicate", "unique");
    return { name, spec, value, rule: verdict.rule };
  }

  function store(element, name, spec, value) {
    const among = spec && family(name, spec, typeOf(name));
    if (among) {
      const holders = unique.get(among.within) || new Map();
      unique.set(among.within, holders);
      const before = asSet(state.get(element) ?? "", among.isSet);
      if (holders.get(before) === element) holders.delete(before);
      holders.set(asSet(value, among.isSet), element);
    }
    for (const { collection, index } of name.indexes) {
      if (CANONICAL.test(index)) counts.set(collection, Math.max(count(collection), Number(index) + 1));
    }
    if (spec?.shared && value === "") state.delete(element); // an emptied store is uninitialised again
    else state.set(element, value);
  }

  const guarded = (call) => {
    try {
      return call();
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      return { value: "", code: codes[refusal.message], rule: refusal.rule };
    }
  };

  for (const [element, value] of Object.entries(data)) {
    const name = parse(element);
    store(element, name, own(elements, name.pattern), String(value));
  }

  return {
    /** @param {string} element @returns {{ value: string, code: number, rule: string }} */
    get: (element) => guarded(() => ({ value: read(element), code: 0, rule: "" })),

    /**
     * `value` of the answer is what the element holds now; `rule` with code 0 is a finding: kept, with a remark.
     * @param {string} element @param {string} written @returns {{ value: string, code: number, rule: string }}
     */
    set: (element, written) =>
      guarded(() => {
        const { name, spec, value, rule } = judge(element, written);
        const whole = spec.append ? (state.get(element) ?? "") + value : value;
        store(element, name, spec, whole);
        return { value: whole, code: 0, rule };
      }),
  };
}
