"""Prerequisites of SCORM 1.2 items (CAM 1.2 section 2.3.2.5.1): a small language of AICC. Pure.

``A`` holds when A is passed or completed; ``A = "incomplete"`` and ``A <> failed`` compare its status; ``&``, ``|`` and
``~`` are and, or, not; ``2*{A, B, C}`` wants two of the three; parentheses group. ``&`` binds stronger than ``|``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

# The books allow 200 characters; a bound keeps a made-up script from taking time or the stack.
MAX_LENGTH = 4_000
_MAX_DEPTH = 50

_DONE = frozenset({"passed", "completed"})
# By their first letter, as AICC wrote them and as old tools still do.
_STATUSES = {
    "p": "passed",
    "c": "completed",
    "f": "failed",
    "i": "incomplete",
    "b": "browsed",
    "n": "not attempted",
}
_TOKEN = re.compile(
    r"""\s*(?: (?P<sign><>|[&|~=(){},*]) | (?P<quoted>"[^"]*"|'[^']*') | (?P<name>[^\s&|~=<>(){},*"']+) )""", re.VERBOSE
)


class PrerequisitesError(ValueError):
    """The script does not follow the language; says what is wrong."""


@dataclass(frozen=True, slots=True)
class Status:
    """An item's status compared: ``wanted`` None asks whether the item is done."""

    item: str
    wanted: str | None = None
    differs: bool = False


@dataclass(frozen=True, slots=True)
class AtLeast:
    """So many of the parts hold: all for ``&``, one for ``|``, as many as a set says."""

    count: int
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Expression


Expression = Status | AtLeast | Not


def parse(script: str) -> Expression:
    """Read a script.

    Raises:
        PrerequisitesError: it is malformed, or can never hold.
    """
    if len(script) > MAX_LENGTH:
        raise PrerequisitesError(f"it is longer than {MAX_LENGTH:,} characters")
    reader = _Reader(script)
    expression = reader.alternatives(0)
    if reader.kind:
        raise PrerequisitesError(f"{reader.text!r} stands where an operator or the end was expected")
    return expression


def usable(script: str, item: str, known: Collection[str]) -> Expression:
    """Read an item's script that can be enforced: one that names only other items of the course, ``known``.

    Raises:
        PrerequisitesError: it is malformed, or would keep the item locked for good.
    """
    expression = parse(script)
    for name in items_of(expression):
        if name not in known:
            raise PrerequisitesError(f"there is no item {name!r}")
        if name == item:
            raise PrerequisitesError("the item waits for itself")
    return expression


def holds(expression: Expression, status_of: Callable[[str], str]) -> bool:
    """Whether it is met. ``status_of`` gives the SCORM 1.2 lesson status of an item."""
    if isinstance(expression, Not):
        return not holds(expression.part, status_of)
    if isinstance(expression, AtLeast):
        return sum(holds(part, status_of) for part in expression.parts) >= expression.count
    status = status_of(expression.item)
    if expression.wanted is None:
        return status in _DONE
    return (status == expression.wanted) != expression.differs


def items_of(expression: Expression) -> Iterator[str]:
    """The identifiers it names."""
    if isinstance(expression, Not):
        yield from items_of(expression.part)
    elif isinstance(expression, AtLeast):
        for part in expression.parts:
            yield from items_of(part)
    else:
        yield expression.item


class _Reader:
    """Recursive descent, one token ahead. ``kind`` is empty at the end."""

    def __init__(self, script: str) -> None:
        self._script = script.rstrip()
        self._at = 0
        self.kind = self.text = ""
        self._step()

    def alternatives(self, depth: int) -> Expression:
        """Parts joined by ``|``."""
        parts = [self._all(depth)]
        while self._took("|"):
            parts.append(self._all(depth))
        return parts[0] if len(parts) == 1 else AtLeast(1, tuple(parts))

    def _all(self, depth: int) -> Expression:
        parts = [self._one(depth)]
        while self._took("&"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else AtLeast(len(parts), tuple(parts))

    def _one(self, depth: int) -> Expression:
        if depth > _MAX_DEPTH:
            raise PrerequisitesError(f"it is nested more than {_MAX_DEPTH} deep")
        if self._took("~"):
            return Not(self._one(depth + 1))
        if self._took("("):
            inner = self.alternatives(depth + 1)
            self._need(")")
            return inner
        if self.kind != "name":
            raise PrerequisitesError(f"an item was expected{f' before {self.text!r}' if self.text else ' at the end'}")
        name = self._step()
        if self._took("*"):
            return self._set(name, depth + 1)
        return self._compared(name)

    def _set(self, number: str, depth: int) -> Expression:
        if not (number.isascii() and number.isdecimal()):
            raise PrerequisitesError(f"{number!r} is no number of items")
        self._need("{")
        parts = [self.alternatives(depth)]
        while self._took(","):
            parts.append(self.alternatives(depth))
        self._need("}")
        if int(number) > len(parts):
            raise PrerequisitesError(f"it wants {number} of {len(parts)}")
        return AtLeast(int(number), tuple(parts))

    def _compared(self, item: str) -> Expression:
        differs = self.kind == "sign" and self.text == "<>"
        if not (differs or (self.kind == "sign" and self.text == "=")):
            return Status(item)
        self._step()
        if self.kind == "quoted":
            words = self._step()[1:-1]
        else:
            words = ""
            while self.kind == "name":  # "not attempted" may stand without quotes
                words += self._step() + " "
        wanted = _STATUSES.get(words.strip().lower()[:1])
        if wanted is None or not wanted.startswith(words.strip().lower().replace("_", " ")):
            raise PrerequisitesError(f"{words.strip()!r} is no status")
        return Status(item, wanted, differs)

    def _took(self, sign: str) -> bool:
        if self.kind != "sign" or self.text != sign:
            return False
        self._step()
        return True

    def _need(self, sign: str) -> None:
        if not self._took(sign):
            raise PrerequisitesError(f"'{sign}' is missing{f' before {self.text!r}' if self.text else ' at the end'}")

    def _step(self) -> str:
        """Go on to the next token; the text of the one that was read."""
        before = self.text
        if self._at >= len(self._script):
            self.kind = self.text = ""
            return before
        found = _TOKEN.match(self._script, self._at)
        if found is None:
            raise PrerequisitesError(f"{self._script[self._at :][:20]!r} cannot be read")
        self.kind, self._at = str(found.lastgroup), found.end()
        self.text = found[self.kind]
        return before
