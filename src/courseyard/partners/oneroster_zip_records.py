"""The rows of a OneRoster zip as our records, with what they refer to in it and in the ones before it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from sys import intern
from typing import Any

import msgspec

from courseyard.errors import PartnerAnswerError
from courseyard.partners import oneroster, reading
from courseyard.partners.connector import Stream
from courseyard.partners.oneroster_zip import ZipSet
from courseyard.partners.records import Gone, Record, User
from courseyard.partners.tabular import BadRow

# Class or line item, and person.
Pair = tuple[str, str]
# A record, or what could not be understood, with the reason.
Item = Record | tuple[Any, str]


@dataclass(slots=True)
class Known:
    """What rows refer to, by identifier: of zips up to the one that is read."""

    courses: dict[str, Any] = field(default_factory=dict)
    sessions: dict[str, Any] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    # Line item to its class and what ``module_of`` reads.
    items: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    # Enrolment by its own id to class and student.
    inside: dict[str, Pair] = field(default_factory=dict)
    # What an enrolment was before the last zip says something else of it: another class or person, or no student.
    left: dict[str, set[Pair]] = field(default_factory=dict)
    deleted_items: set[str] = field(default_factory=set)
    # Result by its own id to line item and student; a person may have more than one of a line item.
    results: dict[str, Pair] = field(default_factory=dict)
    # Line items and students of which a result is deleted, and the rows of the others by their ids.
    others: dict[Pair, dict[str, Any]] = field(default_factory=dict)
    _inside: set[Pair] | None = None
    _done: set[Pair] | None = None

    def learn(self, opened: ZipSet, name: str) -> None:
        """Take in what a file of a zip holds, in the order of the zips; one that cannot be read tells nothing here."""
        if name == "enrollments":
            # What earlier zips changed was told with them.
            self.left = {}
        # One that cannot be read is told where the file is the stream's own.
        with suppress(PartnerAnswerError):
            for row in opened.read(name):
                if not isinstance(row, BadRow):
                    self._take(name, row[1])

    def look_out(self, opened: ZipSet) -> None:
        """Note, before anything is taken in, which results the last zip deletes, so that others of the same line item
        and person are kept to be told instead.
        """
        with suppress(PartnerAnswerError):
            for row in opened.read("results"):
                if not isinstance(row, BadRow) and oneroster.is_deleted(row[1]):
                    self.others[_pair(row[1], "lineItem", "student")] = {}

    def is_inside(self, course: str, student: str) -> bool:
        """Whether somebody is in a class, by another enrolment than one that was deleted."""
        if self._inside is None:
            self._inside = set(self.inside.values())
        return (course, student) in self._inside

    def is_done(self, item: str, student: str) -> bool:
        """Whether a result stands."""
        if self._done is None:
            self._done = set(self.results.values())
        return (item, student) in self._done

    def students(self) -> dict[str, dict[str, None]]:
        """Who is in each class."""
        found: dict[str, dict[str, None]] = {}
        for course, student in self.inside.values():
            if course and student:
                found.setdefault(course, {})[student] = None
        return found

    def _take(self, name: str, row: dict[str, Any]) -> None:
        """Take a row in, or out where it is deleted."""
        identifier = reading.text(row.get("sourcedId"))
        if identifier is None:
            return
        deleted = oneroster.is_deleted(row)
        match name:
            case "courses":
                self.courses[identifier] = row
            case "academicSessions":
                self.sessions[identifier] = row
            case "users":
                self.users[identifier] = oneroster.user_of(identifier, row)
            case "lineItems" if deleted:
                self.deleted_items.add(identifier)
            case "lineItems":
                self.deleted_items.discard(identifier)
                self.items[identifier] = (oneroster.ref(row, "class") or "", oneroster.line_item(row))
            case "enrollments":
                before = self.inside.pop(identifier, None)
                if oneroster.is_student(row) and not deleted:
                    self.inside[identifier] = _pair(row, "class", "user")
                if before is not None and before != self.inside.get(identifier):
                    self.left.setdefault(identifier, set()).add(before)
            case "results":
                pair = _pair(row, "lineItem", "student")
                others = self.others.get(self.results.pop(identifier, pair))
                if others is not None:
                    others.pop(identifier, None)
                if not deleted:
                    self.results[identifier] = pair
                    if pair in self.others:
                        self.others[pair][identifier] = row


def _pair(row: dict[str, Any], what: str, whose: str) -> Pair:
    # Of a million results the names are kept once.
    return intern(oneroster.ref(row, what) or ""), intern(oneroster.ref(row, whose) or "")


def _classes(current: ZipSet, known: Known) -> Iterator[Item]:
    def understand(row: dict[str, Any]) -> list[Record]:
        terms = [known.sessions.get(term["sourcedId"]) for term in row.get("terms", ())]
        course = oneroster.course_of(row, known.courses.get(oneroster.ref(row, "course") or ""), terms)
        return [_dated(course, current)]

    return _each(current, "classes", understand)


def _enrolments(current: ZipSet, known: Known) -> Iterator[Item]:
    whole = current.mode("enrollments") == "bulk"

    def understand(row: dict[str, Any]) -> list[Record]:
        oneroster.enrolment_key(row)
        deleted, student = oneroster.is_deleted(row), oneroster.is_student(row)
        # A whole set says who is gone by not naming them.
        before = known.left.get(reading.text(row.get("sourcedId")) or "", set()) if not whole else set()
        ended = before | ({_pair(row, "class", "user")} if deleted and student else set())
        found: list[Record] = [
            _dated(Gone(kind="enrolment", external_id=f"{course}:{who}", data_at=oneroster.changed_at(row)), current)
            for course, who in sorted(ended)
            # Somebody may have been enrolled in the class more than once.
            if course and who and not known.is_inside(course, who)
        ]
        if student and not deleted:
            who = oneroster.ref(row, "user") or ""
            found.append(_dated(oneroster.enrolment_of(row, known.users.get(who) or User(external_id=who)), current))
        return found

    return _each(current, "enrollments", understand)


def _progress(current: ZipSet, known: Known) -> Iterator[Item]:
    """What was done, then what is yet to be done: somebody with one result of ten is not through."""
    students = known.students()

    def understand_result(row: dict[str, Any]) -> list[Record]:
        item, student = oneroster.ref(row, "lineItem"), oneroster.ref(row, "student")
        if not item or not student:
            raise ValueError("it does not say whose it is, or of which line item")
        if item in known.deleted_items:
            return []
        if item not in known.items:
            raise ValueError("its line item is not known")
        course, facts = known.items[item]
        if not course or student not in students.get(course, {student: None}):
            return []
        result: Any = row
        if oneroster.is_deleted(row):
            result = next(reversed(known.others.get((item, student), {}).values()), None)
            if result is None and known.is_done(item, student):
                # A whole set tells the one that stands itself.
                return []
        module = oneroster.module_of(f"{course}:{student}", item, facts, result, None)
        return [_dated(msgspec.structs.replace(module, data_at=oneroster.changed_at(row)), current)]

    def understand_item(row: dict[str, Any]) -> list[Record]:
        item, course = oneroster.key_of(row), oneroster.ref(row, "class")
        if not course:
            raise ValueError("it does not say of which class it is")
        there = students.get(course, {})
        if oneroster.is_deleted(row):
            return [Gone(kind="module", external_id=f"{course}:{student}:{item}") for student in there]
        return [
            oneroster.module_of(f"{course}:{student}", item, oneroster.line_item(row), None, None)
            for student in there
            if not known.is_done(item, student)
        ]

    yield from _each(current, "results", understand_result)
    yield from _each(current, "lineItems", understand_item)


# What a zip tells of each stream, and what of it could not be understood.
READERS = {Stream.CATALOGUE: _classes, Stream.ENROLMENTS: _enrolments, Stream.PROGRESS: _progress}


def _each(current: ZipSet, name: str, understand: Callable[[dict[str, Any]], list[Record]]) -> Iterator[Item]:
    """The records of each row of a file, and what could not be understood; a ValueError says why."""
    place = f"{current.name}, {name}.csv"
    if current.promised(name):
        yield {"file": current.name}, f"{place}: the manifest names it, and it is not there."
    try:
        for found in current.read(name):
            if isinstance(found, BadRow):
                yield {"file": current.name, "row": found.number, "text": found.text}, f"{place}: {found.reason}."
                continue
            number, row = found
            try:
                yield from understand(row)
            except ValueError as error:
                yield {"file": current.name, "row": number, "record": row}, f"{place}, row {number}: {error}."
    except PartnerAnswerError as error:
        yield {"file": current.name}, f"{place}: {error.detail}"


def _dated(record: Any, current: ZipSet) -> Any:
    """A zip tells how things stood when it was made: its rows overrule those of an earlier one, whatever their dates.

    Whole sets leave the dates of their rows empty, and may be made long before they are brought here.
    """
    return msgspec.structs.replace(record, data_at=reading.latest(record.data_at, current.told_at))
