// Is this text a value of that type? The twin of courseyard/datamodel/_types.py, on the same table.
// @ts-check

/**
 * @typedef {{ refused: ""|"type"|"range", rule: string }} Verdict  rule names what was broken, also where the value is kept
 * @typedef {Record<string, any>} Table  one of datamodel/tables/*.json
 */

/** @type {Verdict} */
const FINE = { refused: "", rule: "" };
/** @type {Verdict} */
const WRONG = { refused: "type", rule: "type" };

/** @param {string} rule @returns {Verdict} */
const kept = (rule) => ({ refused: "", rule });

/** @type {Map<string, RegExp>} */
const compiled = new Map();

/** @param {string} form @param {string} value */
function fits(form, value) {
  let regexp = compiled.get(form);
  if (!regexp) compiled.set(form, (regexp = new RegExp(`^(?:${form})$`)));
  return regexp.test(value);
}

/**
 * @param {Table} table
 * @param {boolean} strict  without the named leniencies
 * @returns {{ check: (spec: any, value: string, interaction: string) => Verdict,
 *             canonical: (spec: any, value: string, interaction: string) => string }}
 */
export function createTypes(table, strict) {
  /** Codes of ISO 639-2 and 639-1, grouped by first letter in the table. */
  const languages = new Set();
  for (const [first, [twos, ones]] of Object.entries(table.languages || {})) {
    for (const rest of [...(twos.match(/../g) || []), ...ones]) languages.add(first + rest);
  }

  /** null: does not fit; "": fits; else the leniency that let it in. */
  const match = (spec, value) => {
    if (spec.form && fits(spec.form, value)) return "";
    if (strict) return null;
    return (spec.lenient || []).find((name) => table.leniencies[name].form && fits(table.leniencies[name].form, value)) ?? null;
  };

  /** @returns {Verdict} */
  const tooLong = () => ({ refused: strict && table.over_length === "refuse" ? "type" : "", rule: "length" });

  const isLanguage = (tag) => {
    if (!fits(table.types.language.form, tag)) return false;
    const first = tag.split("-", 1)[0].toLowerCase();
    return languages.has(first) || fits("[ix]|q[a-t][a-z]", first);
  };

  const formed = (spec, value) => {
    const rule = match(spec, value);
    return rule === null ? WRONG : rule ? kept(rule) : FINE;
  };

  const localized = (value, spm) => {
    let text = value;
    if (value.startsWith("{lang=")) {
      const end = value.indexOf("}");
      const tag = value.slice(6, end);
      if (end < 0 || !tag || !isLanguage(tag)) return WRONG;
      text = value.slice(end + 1);
    }
    return spm && text.length > spm ? tooLong() : FINE;
  };

  const item = (name, part) => {
    const spec = table.items[name];
    const verdict = formed(spec, part);
    if (verdict.refused) return verdict;
    if (name === "range" && part.includes("[:]")) {
      const [low, high] = part.split("[:]");
      if (low && high && Number(low) > Number(high)) return WRONG;
    }
    return !verdict.rule && spec.spm && part.length > spec.spm ? tooLong() : verdict;
  };

  const pair = (rule, part) => {
    const halves = part.split("[.]");
    if (halves.length !== 2 || part === "[.]") return WRONG;
    if (rule.pair === "both") return worst(halves.map((half) => item(rule.item, half)), false);
    return halves[0] ? item(rule.item, halves[0]) : FINE;
  };

  const worst = (verdicts, tooMany) =>
    verdicts.find((v) => v.refused) || verdicts.find((v) => v.rule) || (tooMany ? kept("length") : FINE);

  /** The pattern after its leading {case_matters=…}{order_matters=…}; null where one is neither true nor false. */
  const withoutFlags = (value, allowed) => {
    for (let flag; (flag = /^\{(case_matters|order_matters)=([^}]*)\}/.exec(value)) && allowed.includes(flag[1]); ) {
      if (flag[2] !== "true" && flag[2] !== "false") return null;
      value = value.slice(flag[0].length);
    }
    return value;
  };

  const part = (rule, text, pattern) => {
    if (rule.pair) return pair(rule, text);
    if (rule.localized) return localized(text, rule.item_spm);
    const name = (pattern && rule.pattern_item) || rule.item;
    if (name) return item(name, text);
    return rule.item_spm && text.length > rule.item_spm ? tooLong() : FINE;
  };

  const kinds = {
    text: () => FINE,
    vocabulary: (spec, value, kind) => ((spec.values || kind.values || []).includes(value) ? FINE : formed(kind, value)),
    form: (spec, value, kind) => formed(kind, value),
    number(spec, value, kind) {
      if (value === "" && kind.blank) return FINE;
      const verdict = formed(kind, value);
      if (verdict.refused) return verdict;
      const number = Number(value);
      if (!Number.isFinite(number)) return WRONG;
      const [low, high] = spec.range || [];
      if ((low ?? number) <= number && number <= (high ?? number)) return verdict;
      return kind.beyond && !strict && number >= low ? kept(kind.beyond) : { refused: "range", rule: "range" };
    },
    language: (spec, value) => (value === "" || isLanguage(value) ? FINE : WRONG),
    localized: (spec, value) => localized(value, spec.spm),
    response(spec, value, kind, interaction) {
      const rule = table.responses[interaction];
      if (!rule) return FINE; // SCORM 1.2 does not ask for the type first; without it any text may be an answer
      if (rule.values) return rule.values.includes(value) ? FINE : WRONG;
      const text = kind.pattern ? withoutFlags(value, rule.flags || []) : value;
      if (text === null) return WRONG;
      if (rule.separator && text === "" && !rule.localized) return FINE;
      const parts = rule.separator ? text.split(rule.separator) : [text];
      if (rule.distinct && new Set(parts).size !== parts.length) return WRONG;
      return worst(parts.map((p) => part(rule, p, kind.pattern)), rule.spm && parts.length > rule.spm);
    },
  };

  const check = (spec, value, interaction) => {
    if (value.length > table.cap) return { refused: "type", rule: "cap" };
    const kind = table.types[spec.type];
    const verdict = kinds[kind.kind](spec, value, kind, interaction);
    const over = spec.spm && kind.kind !== "localized" && value.length > spec.spm;
    return over && !verdict.refused && !verdict.rule ? tooLong() : verdict;
  };

  /** A long-fill-in answer with its delimiters in one order and the default ones left out, as ADL's cases read it back. */
  const canonical = (spec, value, interaction) => {
    const kind = table.types[spec.type];
    if (kind.kind !== "response" || !table.responses[interaction]?.canonical) return value;
    const found = {};
    const form = kind.pattern ? /^\{(case_matters|lang)=([^}]*)\}/ : /^\{(lang)=([^}]*)\}/;
    for (let part; (part = form.exec(value)) && !(part[1] in found); value = value.slice(part[0].length)) {
      found[part[1]] = part[2] === "en" || part[2] === "false" ? "" : part[0];
    }
    return (found.case_matters || "") + (found.lang || "") + value;
  };

  return { check, canonical };
}
