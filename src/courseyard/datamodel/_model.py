"""The data model of one SCO as its API object sees it: GetValue and SetValue on a flat state.

State is a plain dict of element → text in order of setting. The browser's cmi-model.js is the twin of this
module; a differential test keeps the two equal. Surprise: SetValue of adl.data.n.store with an empty text makes
the store uninitialised again (later reads answer 403), as ADL's cases ask.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ._status import judged
from ._tables import table
from ._types import canonical, check

_INDEX = re.compile(r"\.([0-9]+)(?=\.|\Z)")
_CANONICAL = re.compile(r"0|[1-9][0-9]{0,6}")
_TARGET = re.compile(r"adl\.nav\.request_valid\.(choice|jump)\.\{target=([^{}]+)\}")
_KEYWORDS = ("_children", "_count")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a call: refused with an error number, or kept and worth telling (kind "finding")."""

    element: str
    kind: Literal["refused", "finding"]
    code: int
    rule: str
    message: str


class Applied(NamedTuple):
    """Outcome of a commit: what changed, in order, and what was refused or kept with a remark."""

    changed: list[tuple[str, str]]
    problems: list[Problem]


class _Name(NamedTuple):
    pattern: str
    indexes: tuple[tuple[str, str, str], ...]  # (collection, its pattern, index as written), outermost first


class _Accepted(NamedTuple):
    name: _Name
    spec: Mapping[str, Any]
    value: str
    rule: str


class _RefusalError(Exception):
    """A call that the data model answers with an error; `name` is a key of the table's `codes`."""

    def __init__(self, name: str, rule: str = "") -> None:
        super().__init__(name)
        self.name = name
        self.rule = rule or name


def _parse(element: str) -> _Name:
    if target := _TARGET.fullmatch(element):
        return _Name(f"adl.nav.request_valid.{target[1]}.{{target}}", ())
    indexes = tuple(
        (element[: found.start()], _INDEX.sub(".n", element[: found.start()]), found[1])
        for found in _INDEX.finditer(element)
    )
    return _Name(_INDEX.sub(".n", element), indexes)


class Model:
    """Get and set on a flat state.

    `valid` answers adl.nav.request_valid: {"continue": bool, "previous": bool, "choice": ids, "jump": ids};
    what is absent reads "unknown".
    """

    def __init__(
        self,
        standard: str,
        state: Mapping[str, str],
        *,
        strict: bool = False,
        valid: Mapping[str, Any] | None = None,
    ) -> None:
        self.table = table(standard)
        self.strict = strict
        self.valid = valid or {}
        self.state: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._unique: dict[str, dict[str, str]] = {}
        for element, value in state.items():
            name = _parse(element)
            shared = bool(self.table.elements.get(name.pattern, {}).get("shared"))
            self._store(element, name, value, shared=shared)

    # -- reading -------------------------------------------------------------------------------------------

    def get(self, element: str) -> tuple[str, int]:
        """Value and error number of GetValue (RTE 3.1.4.1 of SCORM 2004, LMSGetValue of 1.2)."""
        try:
            return self._get(element), 0
        except _RefusalError as refusal:
            return "", self.table.codes[refusal.name]

    def _get(self, element: str) -> str:
        if element == "":
            raise _RefusalError("get")
        base, _, last = element.rpartition(".")
        if last in _KEYWORDS:
            return self._keyword(_parse(base), base, last)
        name = _parse(element)
        spec = self.table.elements.get(name.pattern)
        if spec is None:
            raise _RefusalError("unknown")
        if spec["access"] == "wo":
            raise _RefusalError("write_only")
        self._existing(name)
        if spec.get("shared") and "r" not in self._shared_access(name):
            raise _RefusalError("write_only")
        value = self._value(element, name, spec)
        if value is None:
            if self.table.codes["unset"]:
                raise _RefusalError("unset")
            return ""
        return value

    def _value(self, element: str, name: _Name, spec: Mapping[str, Any]) -> str | None:
        if name.pattern.startswith("adl.nav.request_valid."):
            return self._request_valid(element)
        return judged(spec, self.state) or self.state.get(element, spec.get("default"))

    def _request_valid(self, element: str) -> str | None:
        if target := _TARGET.fullmatch(element):
            known = self.valid.get(target[1])
            return None if known is None else _truth(target[2] in known)
        known = self.valid.get(element.rpartition(".")[2])
        return None if known is None else _truth(bool(known))

    def _keyword(self, name: _Name, base: str, keyword: str) -> str:
        children = self._children(name.pattern)
        if keyword == "_children" and children:
            self._existing(name)
            return ",".join(children)
        if keyword == "_count" and name.pattern in self.table.collections:
            self._existing(name)
            return str(self._counts.get(base, 0))
        known = name.pattern in self.table.elements or self._is_branch(name.pattern)
        raise _RefusalError("unknown" if not known else "no_children" if keyword == "_children" else "no_count")

    def _children(self, pattern: str) -> list[str] | None:
        collection = self.table.collections.get(pattern)
        children: list[str] | None = collection.get("children") if collection else self.table.groups.get(pattern)
        return children

    def _is_branch(self, pattern: str) -> bool:
        return pattern in self.table.collections or pattern in self.table.groups

    def _existing(self, name: _Name) -> None:
        for collection, _, index in name.indexes:
            if not _CANONICAL.fullmatch(index) or int(index) >= self._counts.get(collection, 0):
                raise _RefusalError("get_index")

    def _shared_access(self, name: _Name) -> str:
        collection, _, index = name.indexes[0]
        return self.state.get(f"{collection}.{index}._access", "rw")

    # -- writing -------------------------------------------------------------------------------------------

    def set(self, element: str, value: str) -> Problem | None:
        """SetValue. None: kept. A finding: kept, with a remark. Else refused with the standard's error number."""
        return self._set(element, value, as_call=True)

    def check(self, element: str, value: str) -> Problem | None:
        """What `set` would answer, without setting."""
        try:
            accepted = self._judge(element, value)
        except _RefusalError as refusal:
            return self._problem(element, refusal.name, refusal.rule)
        return self._finding(element, accepted.rule) if accepted.rule else None

    def apply(self, changes: Iterable[Sequence[str]]) -> Applied:
        """Take the accepted changes of a browser, in order: [[element, value], …]. Never raises on bad values."""
        changed: list[tuple[str, str]] = []
        problems: list[Problem] = []
        for element, value in changes:
            problem = self._set(element, value, as_call=False)
            if problem is None or problem.kind == "finding":
                changed.append((element, self.state.get(element, "")))
            if problem is not None:
                problems.append(problem)
        return Applied(changed, problems)

    def _set(self, element: str, value: str, *, as_call: bool) -> Problem | None:
        try:
            found = self._judge(element, value)
        except _RefusalError as refusal:
            return self._problem(element, refusal.name, refusal.rule)
        appended = as_call and found.spec.get("append")
        whole = self.state.get(element, "") + found.value if appended else found.value
        self._store(element, found.name, whole, shared=bool(found.spec.get("shared")))
        return self._finding(element, found.rule) if found.rule else None

    def _judge(self, element: str, value: str) -> _Accepted:
        if element == "":
            raise _RefusalError("set")
        base, _, last = element.rpartition(".")
        if last in _KEYWORDS:
            raise _RefusalError(self._keyword_set(_parse(base).pattern, last))
        name = _parse(element)
        spec = self.table.elements.get(name.pattern)
        if spec is None:
            raise _RefusalError("unknown")
        if name.pattern == "cmi._version":
            raise _RefusalError("keyword")
        if spec["access"] == "ro":
            raise _RefusalError("read_only")
        self._reachable(element, name)
        if spec.get("shared") and "w" not in self._shared_access(name):
            raise _RefusalError("read_only")
        interaction = self._interaction(name, spec)
        value = canonical(self.table, spec, value, interaction)
        verdict = check(self.table, spec, value, strict=self.strict, interaction=interaction)
        if verdict.refused:
            raise _RefusalError(verdict.refused, verdict.rule)
        self._not_double(element, value, name, spec, interaction)
        return _Accepted(name, spec, value, verdict.rule)

    def _keyword_set(self, pattern: str, keyword: str) -> str:
        known = self._children(pattern) if keyword == "_children" else pattern in self.table.collections
        return "keyword" if known else "unknown"

    def _reachable(self, element: str, name: _Name) -> None:
        """Records are made in order, each by its key where it has one (RTE 3.1.5, 4.1.1.3)."""
        for collection, pattern, index in name.indexes:
            count = self._counts.get(collection, 0)
            rule = self.table.collections[pattern]
            if not _CANONICAL.fullmatch(index) or int(index) > count - bool(rule.get("fixed")):
                raise _RefusalError("set_index")
            key = rule.get("key")
            if int(index) == count and key and element != f"{collection}.{index}.{key}":
                raise _RefusalError("dependency", "id-first")

    def _interaction(self, name: _Name, spec: Mapping[str, Any]) -> str:
        """The type of the interaction that a response belongs to; refuses where it must be known and is not."""
        if not name.indexes:
            return ""
        collection, _, index = name.indexes[0]
        kind = self.state.get(f"{collection}.{index}.type", "")
        if "needs" in spec and not kind:
            raise _RefusalError("dependency", "type-first")
        inner = name.indexes[1] if len(name.indexes) > 1 else None
        most = self.table.responses.get(kind, {}).get("most")
        if inner and most and inner[1].endswith(".correct_responses") and int(inner[2]) >= most:
            raise _RefusalError("set_index", "one-pattern")
        return kind

    def _not_double(self, element: str, value: str, name: _Name, spec: Mapping[str, Any], interaction: str) -> None:
        if spec.get("once") and self.state.get(element, value) != value:
            raise _RefusalError("duplicate", "set-once")
        family = self._family(name, interaction)
        if family is None:
            return
        holder = self._unique.get(family[0], {}).get(_same(value, family[1]))
        if holder is not None and holder != element:
            raise _RefusalError("duplicate", "unique")

    def _family(self, name: _Name, interaction: str) -> tuple[str, bool] | None:
        """The collection within which the value must be unique, and whether it is compared as a set."""
        spec = self.table.elements.get(name.pattern, {})
        rule = self.table.responses.get(interaction, {}) if name.pattern.endswith(".pattern") else spec
        if not rule.get("unique"):
            return None
        return name.indexes[-1][0], bool(rule.get("distinct"))

    def _store(self, element: str, name: _Name, value: str, *, shared: bool = False) -> None:
        interaction = self.state.get(f"{name.indexes[0][0]}.{name.indexes[0][2]}.type", "") if name.indexes else ""
        if family := self._family(name, interaction):
            holders = self._unique.setdefault(family[0], {})
            before = self.state.get(element)
            if before is not None and holders.get(_same(before, family[1])) == element:
                del holders[_same(before, family[1])]
            holders[_same(value, family[1])] = element
        for collection, _, index in name.indexes:
            if _CANONICAL.fullmatch(index):
                self._counts[collection] = max(self._counts.get(collection, 0), int(index) + 1)
        if shared and value == "":
            self.state.pop(element, None)
        else:
            self.state[element] = value

    # -- words ---------------------------------------------------------------------------------------------

    def _problem(self, element: str, name: str, rule: str) -> Problem:
        code = self.table.codes[name]
        return Problem(element, "refused", code, rule, f"{element or 'no element'}: {self.table.errors[str(code)]}")

    def _finding(self, element: str, rule: str) -> Problem:
        leniency = self.table.raw["leniencies"].get(rule)
        if leniency is None:
            spm = self.table.elements[_parse(element).pattern].get("spm")
            limit = f" of {spm:,} characters" if spm else ""
            return Problem(
                element,
                "finding",
                0,
                rule,
                f"{element}: longer than the standard's limit{limit}; kept in full",
            )
        return Problem(
            element,
            "finding",
            0,
            rule,
            f"{element}: kept although the standard forbids it: {leniency['why']}",
        )


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _same(value: str, as_set: bool) -> str:
    return "[,]".join(sorted(value.split("[,]"))) if as_set else value


def validate(
    standard: str, element: str, value: str, state: Mapping[str, str], *, strict: bool = False
) -> Problem | None:
    """Judge one SetValue against a state. For many calls on one SCO keep a `Model`."""
    return Model(standard, state, strict=strict).check(element, value)
