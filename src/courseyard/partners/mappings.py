"""Mappings: what of ours a partner's course counts as; set by hand, in bulk, or from suggestions that people confirm.

What a mapping does is done in the database (``partner_mapped_v1``, ``credit_completions_v1``,
``mapping_relations_v1``); here it is kept.
"""

from __future__ import annotations

import asyncio
import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from courseyard.db import Database
from courseyard.errors import InvalidInputError, NotFoundError
from courseyard.limits import (
    MAX_MAPPING_LINES,
    MAX_OFFERED,
    SUGGESTED_COURSES,
    SUGGESTION_FLOOR,
    SUGGESTIONS_PER_COURSE,
)
from courseyard.partners.likeness import Titles

TYPES: dict[str, str] = {
    "equivalent": "The two are the same: who is enrolled at the partner is enrolled here too, and a completion on "
    "either side counts for the other.",
    "credit": "The partner's course counts here: who is enrolled at the partner is enrolled here too, and a completion "
    "at the partner completes ours, but not the other way.",
    "prerequisite": "The partner's course comes first: who is enrolled in ours sees it named there, and cannot begin "
    "ours before it is completed at the partner.",
    "elective": "The partner's course is offered in addition: who is enrolled in ours sees it named there, and nothing "
    "is enrolled, completed or held back by it.",
}

TARGETS: dict[str, str] = {"package": "Package", "course": "Course", "program": "Program"}


@dataclass(frozen=True, slots=True)
class Link:
    """A partner's course and what of ours it is to be mapped to; ``kind`` is one of ``TARGETS``."""

    course: str
    kind: str
    target: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Which mappings: None is any. ``pattern``: for the titles on both sides."""

    provider_id: str | None = None
    partner_course_id: str | None = None
    mapping_type: str | None = None
    active: bool | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A target whose title is like the course's; ``score`` from 0 to 1."""

    kind: str
    target: str
    title: str
    score: float


@dataclass(frozen=True, slots=True)
class Pasted:
    """What came of pasted lines: how many mappings stand by them, and the lines that are not understood, with why."""

    done: int
    wrong: Sequence[tuple[str, str]]


class Mappings:
    """Reads and changes mappings."""

    def __init__(self, db: Database) -> None:
        """Keep the database."""
        self._db = db

    async def find(self, chosen: Filter, limit: int, offset: int) -> list[dict[str, Any]]:
        """A page of mappings by the partner's course; each row also carries the ``total``."""
        return await self._find(chosen, None, limit, offset)

    async def get(self, mapping_id: str) -> dict[str, Any]:
        """One mapping.

        Raises:
            NotFoundError: there is none.
        """
        rows = await self._find(Filter(), mapping_id, 1, 0)
        if not rows:
            raise NotFoundError("There is no such mapping.")
        return rows[0]

    async def add(self, links: Sequence[Link], mapping_type: str, by: str | None) -> list[tuple[str, bool]]:
        """Map courses; per mapping its id and whether it is new. One that stands takes the type and is active again.

        Raises:
            InvalidInputError: no such type or kind of target.
            NotFoundError: no such course, or no such target.
        """
        return await self._add([(link, mapping_type) for link in links], by)

    async def change(self, ids: Sequence[str], *, mapping_type: str | None = None, active: bool | None = None) -> int:
        """Change type or activity of these mappings; how many there were. What was enrolled by them stays."""
        if mapping_type is not None:
            _check_type(mapping_type)
        return await self._db.run("mappings.change", ids=list(ids), mapping_type=mapping_type, active=active)

    async def delete(self, ids: Sequence[str]) -> int:
        """Delete these mappings; how many there were. What was enrolled or credited by them stays."""
        return await self._db.run("mappings.delete", ids=list(ids))

    async def choices(self) -> list[dict[str, Any]]:
        """Everything of ours that may be mapped to, at most some thousands."""
        return await self._db.all("mappings.choices", limit=MAX_OFFERED)

    async def courses(self, provider_id: str | None = None) -> list[dict[str, Any]]:
        """Partners' courses that may be mapped, at most some thousands."""
        return await self._db.all("mappings.courses", provider_id=provider_id, limit=MAX_OFFERED)

    async def paste(self, text: str, mapping_type: str, provider_id: str | None, by: str | None) -> Pasted:
        """Map by lines of CSV: the partner's course, our target, and if need be the type.

        A course is meant by its key at the partner, its code, its title or our id; a target by its title or id, with
        ``package:``, ``course:`` or ``program:`` before it where one title means several. What is understood is done.

        Raises:
            InvalidInputError: too many lines, or no such type.
        """
        _check_type(mapping_type)
        lines = _lines(text)
        if len(lines) > MAX_MAPPING_LINES:
            raise InvalidInputError(f"There are more than {MAX_MAPPING_LINES:,} lines.", hint="Paste them in parts.")
        courses = await self._named(
            "mappings.courses_named", {fields[0] for _, fields in lines}, provider_id=provider_id
        )
        targets = await self._named("mappings.targets_named", {_kind_and_name(fields[1])[1] for _, fields in lines})
        links: list[tuple[Link, str]] = []
        wrong: list[tuple[str, str]] = []
        for line, (course, target, told) in lines:
            try:
                links.append((_link(course, target, courses, targets), _check_type(told or mapping_type)))
            except InvalidInputError as error:
                wrong.append((line, error.detail))
        return Pasted(len(await self._add(links, by)), wrong)

    async def suggestions(
        self, provider_id: str | None, offset: int
    ) -> tuple[list[tuple[dict[str, Any], list[Suggestion]]], int]:
        """Courses without a mapping with targets whose titles are like theirs, and how many are without one at all.

        Looks at ``SUGGESTED_COURSES`` courses from ``offset`` on; those that nothing is like are left out.
        """
        courses = await self._db.all(
            "mappings.unmapped", provider_id=provider_id, limit=SUGGESTED_COURSES, offset=offset
        )
        total = courses[0]["total"] if courses else 0
        choices = {f"{row['kind']}:{row['id']}": row for row in await self.choices() if row["active"]}
        found: dict[str, list[Suggestion]] = defaultdict(list)
        for course_id, key, score in await self._alike(courses, choices):
            if key in choices:
                row = choices[key]
                found[course_id].append(Suggestion(row["kind"], row["id"], row["title"], score))
        shown = []
        for course in courses:
            best = sorted(found[course["id"]], key=lambda s: (-s.score, s.title, s.target))[:SUGGESTIONS_PER_COURSE]
            if best:
                shown.append((course, best))
        return shown, total

    async def dismiss(self, links: Sequence[Link], by: str | None) -> None:
        """Let suggestions go; they do not come back."""
        if links:
            await self._db.run("mappings.dismiss", suggestions=[_document(_check_kind(link)) for link in links], by=by)

    async def _alike(
        self, courses: Sequence[Mapping[str, Any]], choices: Mapping[str, Mapping[str, Any]]
    ) -> list[tuple[str, str, float]]:
        """Course, target and likeness of all that are alike: measured by the database where it can, else here."""
        ids = [course["id"] for course in courses]
        there = await self._db.one("mappings.has_trigrams")
        if there and there["there"]:
            rows = await self._db.all("mappings.likeness", courses=ids, floor=SUGGESTION_FLOOR)
            return [(row["course"], f"{row['kind']}:{row['target']}", row["score"]) for row in rows]
        let_go = {
            (row["course"], f"{row['kind']}:{row['target']}")
            for row in await self._db.all("mappings.dismissed", courses=ids)
        }
        alike = await asyncio.to_thread(_alike, courses, {key: row["title"] for key, row in choices.items()})
        return [found for found in alike if found[:2] not in let_go]

    async def _find(self, chosen: Filter, mapping_id: str | None, limit: int, offset: int) -> list[dict[str, Any]]:
        return await self._db.all(
            "mappings.find", id=mapping_id, provider_id=chosen.provider_id,
            partner_course_id=chosen.partner_course_id, mapping_type=chosen.mapping_type, active=chosen.active,
            search=chosen.pattern, limit=limit, offset=offset,
        )  # fmt: skip

    async def _add(self, links: Sequence[tuple[Link, str]], by: str | None) -> list[tuple[str, bool]]:
        wanted: dict[Link, str] = {}
        for link, mapping_type in links:
            _check_kind(link)
            wanted[link] = _check_type(mapping_type)
        if not wanted:
            return []
        documents = [_document(link) | {"type": mapping_type} for link, mapping_type in wanted.items()]
        async with self._db.transaction() as tx:
            await tx.one("mappings.lock")
            rows = await tx.all("mappings.add", mappings=documents, metadata={"made_by": by})
        return [(row["id"], row["created"]) for row in rows]

    async def _named(self, query: str, names: set[str], **more: Any) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in await self._db.all(query, names=sorted(names), **more):
            found[row["name"]].append(row)
        return found


def _alike(courses: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> list[tuple[str, str, float]]:
    index = Titles(titles)
    return [(c["id"], key, score) for c in courses for key, score in index.like(c["title"], SUGGESTION_FLOOR)]


def _lines(text: str) -> list[tuple[str, tuple[str, str, str]]]:
    """Lines with their fields, separated by what the first line has: tab, semicolon or comma; headings are left out."""
    lines = [line for line in text.replace("\0", "").splitlines() if line.strip()]
    separator = next((mark for mark in "\t;," if lines and mark in lines[0]), ",")
    found = []
    for line in lines:
        fields = [field.strip() for field in next(csv.reader([line], delimiter=separator, skipinitialspace=True))]
        course, target, told = [*fields, "", "", ""][:3]
        if (course.lower(), target.lower()) not in _HEADINGS:
            found.append((line, (course, target, told.lower())))
    return found


_HEADINGS = {("partner course", "target"), ("course", "target"), ("key", "target")}


def _kind_and_name(target: str) -> tuple[str | None, str]:
    kind, mark, name = target.partition(":")
    return (kind.strip().lower(), name.strip()) if mark and kind.strip().lower() in TARGETS else (None, target)


def _link(
    course: str, target: str, courses: Mapping[str, list[dict[str, Any]]], targets: Mapping[str, list[dict[str, Any]]]
) -> Link:
    if not course or not target:
        raise InvalidInputError("A line needs two fields: the partner's course and the target.")
    found = _surest(courses.get(course, []), f"No course of a partner is called '{course}'.", f"'{course}'")
    kind, name = _kind_and_name(target)
    offered = [row for row in targets.get(name, []) if kind is None or row["kind"] == kind]
    goal = _surest(offered, f"Nothing here is called '{target}'.", f"'{target}'")
    return Link(found["id"], goal["kind"], goal["id"])


def _surest(rows: Sequence[dict[str, Any]], none: str, name: str) -> dict[str, Any]:
    if not rows:
        raise InvalidInputError(none)
    best = min(row["sureness"] for row in rows)
    surest = {row["id"]: row for row in rows if row["sureness"] == best}
    if len(surest) > 1:
        raise InvalidInputError(f"{name} may mean {len(surest)} different ones; use the id, or choose the provider.")
    return next(iter(surest.values()))


def _check_type(mapping_type: str) -> str:
    if mapping_type not in TYPES:
        raise InvalidInputError(
            f"There is no mapping type '{mapping_type[:50]}'.", hint=f"Choose of {', '.join(TYPES)}."
        )
    return mapping_type


def _check_kind(link: Link) -> Link:
    if link.kind not in TARGETS:
        raise InvalidInputError(f"There is no target '{link.kind[:50]}'.", hint=f"Choose of {', '.join(TARGETS)}.")
    return link


def _document(link: Link) -> dict[str, str]:
    return {"course": link.course, "kind": link.kind, "target": link.target}
