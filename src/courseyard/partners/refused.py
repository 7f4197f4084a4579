"""Whom a partner refused to be asked about, kept in a stream's watermark, so that the next run asks again. Pure.

A stream that asks about those who moved since the last run would not come back to somebody whom the partner refused in
that run: their move is older than the watermark by then. What is refused is one person in a course, or one of the lists
of a course. A person is asked about again, moved or not; a list is read from the watermark of the run that last could
read it. What is refused for ever thus costs each run one call, and makes none a full one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from courseyard.partners.connector import Cursor

# What a watermark holds at most. Of more, that gives way which was refused before already: the nightly comparison
# asks about everybody.
_MOST = 500

# The name of the list of a course's people.
ROSTER = "roster"

# In plain JSON, {"course", "user"} or {"course", "list", "since"}.
Entry = dict[str, Any]


class Refused:
    """What the last run was refused, as its watermark says; what this run is refused is collected in its cursor."""

    def __init__(self, mark: Cursor | None) -> None:
        """``mark``: a watermark with ``since``, in whatever form the partner is asked with; None for a first run."""
        self._mark = mark
        self._before: dict[tuple[str, ...], Entry] = {_key(e): e for e in (mark or {}).get("refused", ())}

    def people(self, course: str) -> list[str]:
        """Who is to be asked about in this course, whether they moved or not."""
        return [e["user"] for e in self._before.values() if e["course"] == course and "user" in e]

    def since(self, course: str, name: str = ROSTER) -> Any:
        """From when on this list of the course is to be read; None for all of it."""
        entry = self._before.get((course, "list", name), self._mark)
        return entry["since"] if entry else None

    def with_person(self, so_far: Sequence[Entry], course: str, user: str) -> list[Entry]:
        """What this run was refused so far, and this person."""
        return self._kept([*so_far, {"course": course, "user": user}])

    def with_list(self, so_far: Sequence[Entry], course: str, name: str = ROSTER) -> list[Entry]:
        """What this run was refused so far, and this list; with the roster those who were to be asked about again."""
        people = [{"course": course, "user": user} for user in self.people(course) if name == ROSTER]
        return self._kept([*so_far, {"course": course, "list": name, "since": self.since(course, name)}, *people])

    def mark(self, since: Any, so_far: Sequence[Entry]) -> Cursor | None:
        """The watermark of a run that has come to its end; ``since`` is None where the partner tells no time, so that
        what the last run was asked for is asked for again.
        """
        start = {"since": since} if since is not None else {"since": self._mark["since"]} if self._mark else None
        return start | {"refused": list(so_far)} if start and so_far else start

    def _kept(self, entries: list[Entry]) -> list[Entry]:
        each = {_key(entry): entry for entry in entries}
        return [each[key] for key in sorted(each, key=lambda key: key in self._before)][:_MOST]


def _key(entry: Entry) -> tuple[str, ...]:
    return (entry["course"], "user", entry["user"]) if "user" in entry else (entry["course"], "list", entry["list"])
