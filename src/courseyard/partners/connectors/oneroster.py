"""OneRoster 1.2 (or 1.1) by its REST services: classes, enrolments with their people, line items and results.

Rows refer to others by identifier alone (an enrolment to a person): few of these are looked up one by one; where many
are unknown, all of their kind are listed first, on pages of their own. What rows mean: ``oneroster``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, timedelta
from typing import Any, ClassVar

from courseyard.errors import PartnerAnswerError, PartnerError, PartnerRefusedError
from courseyard.partners import oneroster, reading
from courseyard.partners.client import PartnerClient
from courseyard.partners.connector import Capabilities, Check, Config, Connector, Cursor, Option, Page, Scope, Stream
from courseyard.partners.oauth import client_credentials
from courseyard.partners.oneroster_api import ONE, SCOPES, OneRosterApi, Piece
from courseyard.partners.records import Course, Gone, Record, User

# References that are looked up one by one on a page; more of them are listed instead.
_LOOKUPS = 10
# Line items times students of a class: where there are more, it is not told what is still open.
_OPEN = 50_000
# Student systems load in batches, whose rows carry times from before they can be seen.
_OVERLAP = timedelta(hours=1)
# What is read, where, whether nothing goes without it, and what is lost.
_NEEDS = (
    ("classes", "Classes", "failed", "Without them there is no catalogue."),
    ("courses", "Courses", "warning", "Codes and subjects of courses will be missing."),
    ("enrollments", "Enrolments", "failed", "Without them nobody is enrolled."),
    ("users", "People", "failed", "Without them people can be matched by sourcedId only."),
    ("lineItems", "Line items", "warning", "Without them there is no progress."),
    ("results", "Results", "warning", "Without them there is no progress."),
    ("classes/{}/lineItems", "A class's line items", "warning", "Without them there is no progress."),
    ("classes/{}/results", "A class's results", "warning", "Without them there is no progress."),
    ("classes/{}/students", "A class's students", "warning", "What they have not handed in will be missing."),
)


class OneRoster(Connector):
    """A student information system or learning platform that offers OneRoster."""

    kind: ClassVar[str] = "oneroster"
    title: ClassVar[str] = "OneRoster (REST)"
    summary: ClassVar[str] = (
        "Classes, enrolments, line items and results from a school's system, by OneRoster 1.2 or 1.1."
    )
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "base_url",
            "Address of the service",
            kind="url",
            help="What comes before /ims/oneroster in the addresses that the partner gave you.",
        ),
        Option(
            "version",
            "Version",
            kind="choice",
            choices={"1.2": "OneRoster 1.2", "1.1": "OneRoster 1.1 with OAuth 2"},
            default="1.2",
        ),
        Option(
            "token_url",
            "Address of the token endpoint",
            kind="url",
            help="It may be of another host than the service. That host alone gets the client secret.",
        ),
        Option(
            "client_id", "Client ID", help="Of a client that the partner makes for Courseyard, with the right to read."
        ),
        Option("client_secret", "Client secret", kind="secret"),
        Option(
            "scopes",
            "OAuth scopes",
            required=False,
            help="Separated by spaces. Leave it empty for the standard's roster.readonly and gradebook.readonly; enter "
            "none where the partner knows no scopes.",
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        streams={Stream.CATALOGUE: "full", Stream.ENROLMENTS: "incremental", Stream.PROGRESS: "incremental"}
    )
    extra_fields: ClassVar[dict[str, tuple[str, ...]]] = {
        "course": ("courseTitle", "courseCode", "term", "startDate", "endDate", "school", "grades", "subjects"),
        "enrolment": ("sourcedId", "endDate", "school"),
        "module": ("scoreStatus", "textScore", "raw", "min", "max", "scoreScale", "dueDate", "category"),
    }  # fmt: skip

    def __init__(self, config: Config, client: PartnerClient) -> None:
        """See ``Connector``."""
        version = config.text("version") or "1.2"
        scopes = config.text("scopes")
        scope = "" if scopes.lower() == "none" else scopes or SCOPES[version]
        authorise = client_credentials(
            config.text("token_url"), config.text("client_id"), config.text("client_secret"), scope
        )
        super().__init__(config, client.authorised_by(authorise))
        self._api = OneRosterApi(self.client, version)
        # These spare calls: another process looks up again what it needs.
        self._known: dict[str, dict[str, Any]] = {kind: {} for kind in ONE}
        self._listed: set[str] = set()

    async def check(self) -> list[Check]:
        """See ``Connector``."""
        found: list[Check] = []
        errors: list[PartnerError] = []
        some_class: str | None = None
        for path, what, state, otherwise in _NEEDS:
            if "{" in path and some_class is None:
                continue
            try:
                piece = await self._api.piece(path.format(reading.segment(some_class or "")), 0, limit=1)
            except PartnerError as error:
                if error.retryable:
                    raise
                errors.append(error)
                refused = isinstance(error, PartnerRefusedError)
                remedy = "Have the partner grant the client its scope." if refused else "Check address and version."
                words = f"{what} {'may not' if refused else 'cannot'} be read."
                found.append(Check("failed" if state == "failed" else "warning", words, f"{otherwise} {remedy}"))
                continue
            if path == "classes" and piece.rows:
                some_class = reading.text(reading.field(piece.rows[0], "sourcedId"))
            found.append(Check("ok", f"{what} can be read{'' if piece.total is None else f' ({piece.total:,})'}."))
        if len(errors) == len(found):
            raise errors[0]
        return found

    async def fetch(self, stream: Stream, cursor: Cursor | None, scope: Scope) -> Page:
        """See ``Connector``."""
        match stream:
            case Stream.CATALOGUE:
                return await self._catalogue(cursor or _start())
            case Stream.ENROLMENTS:
                return await self._enrolments(cursor or _start(), scope)
            case Stream.PROGRESS:
                return await self._progress(cursor, scope)
            case _:
                return await super().fetch(stream, cursor, scope)

    async def _catalogue(self, cursor: Cursor) -> Page:
        if "load" in cursor:
            return await self._load(cursor)
        piece = await self._api.piece("classes", cursor["offset"])
        courses = {found for row in piece.rows if (found := oneroster.ref(row, "course"))}
        sessions = {found for row in piece.rows for found in _sessions(row)}
        if (loading := await self._join({"courses": courses, "academicSessions": sessions}, cursor)) is not None:
            return loading

        def understand(row: Any) -> list[Course | Gone]:
            course = self._known["courses"].get(oneroster.ref(row, "course") or "")
            terms = [self._known["academicSessions"].get(session) for session in _sessions(row)]
            return [oneroster.course_of(row, course, terms)]

        records, rejected = reading.understood(piece.rows, understand, "a class")
        # A row that was not understood may be of any class: then none counts as gone.
        place = _onward(cursor, piece, understood=not rejected)
        return Page(
            records,
            next=place if piece.next is not None else None,
            total=piece.total,
            rejected=rejected,
            complete=piece.next is None and place["whole"],
        )

    async def _enrolments(self, cursor: Cursor, scope: Scope) -> Page:
        if "load" in cursor:
            return await self._load(cursor)
        piece = await self._api.piece("enrollments", cursor["offset"], since=_since(scope))
        standing: list[Any] = []
        gone: list[Gone] = []
        rejected: list[tuple[Any, str]] = []
        for row in piece.rows:
            try:
                key = oneroster.enrolment_key(row)
            except ValueError as error:
                rejected.append((row, f"This is not an enrolment: {error}."))
                continue
            if not oneroster.is_student(row):
                continue
            if oneroster.is_deleted(row):
                gone.append(Gone(kind="enrolment", external_id=key, data_at=oneroster.changed_at(row)))
            else:
                standing.append(row)
        people = {found for row in standing if (found := oneroster.ref(row, "user"))}
        if (loading := await self._join({"users": people}, cursor)) is not None:
            return loading
        records: list[Record] = []
        for row in standing:
            who = oneroster.ref(row, "user") or ""
            records.append(oneroster.enrolment_of(row, self._known["users"].get(who) or User(external_id=who)))
        # Somebody who left and came back, or has two enrolments in a class, is still in it.
        still = {oneroster.enrolment_key(row) for row in standing}
        records += [record for record in gone if record.external_id not in still]
        place = _onward(cursor, piece, understood=not rejected)
        last = piece.next is None
        return Page(
            records,
            next=None if last else place,
            watermark=_watermark(place, scope) if last else None,
            total=piece.total,
            rejected=rejected,
            complete=last and place["whole"] and scope.since is None,
        )

    async def _progress(self, cursor: Cursor | None, scope: Scope) -> Page:
        """Class by class: what there is to do, for whom, what was done. Later runs first ask where anything changed."""
        if cursor is None:
            if scope.since is not None:
                cursor = _start() | {"phase": "lineItems", "classes": [], "items": []}
            else:
                cursor = _at_class({**_start(), "classes": None}, scope.after(None))
        match cursor["phase"]:
            case "lineItems" | "results":
                return await self._changed(cursor, scope)
            case "whose":
                return await self._whose(cursor, scope)
            case "class":
                return await self._class(cursor, scope)
            case _:
                return Page([], watermark=_watermark(cursor, scope))

    async def _changed(self, cursor: Cursor, scope: Scope) -> Page:
        """In which of the classes that are wanted line items or results changed."""
        phase = cursor["phase"]
        piece = await self._api.piece(phase, cursor["offset"], since=_since(scope))
        wanted = set(scope.courses)
        classes, items = set(cursor["classes"]), set(cursor["items"])
        for row in piece.rows:
            where, item = oneroster.ref(row, "class"), oneroster.ref(row, "lineItem")
            if where in wanted:
                classes.add(where)
            elif where is None and item:
                # 1.1 tells a result's line item only.
                items.add(item)
        place = _onward(cursor, piece) | {"classes": sorted(c for c in classes if c), "items": sorted(items)}
        if piece.next is None:
            place |= {"phase": "results" if phase == "lineItems" else "whose", "offset": 0, "first": None}
        return Page([], next=place)

    async def _whose(self, cursor: Cursor, scope: Scope) -> Page:
        items = cursor["items"]
        classes = set(cursor["classes"])
        for item in items[:_LOOKUPS]:
            where = oneroster.ref(await self._api.one("lineItems", item), "class")
            if where in set(scope.courses):
                classes.add(where)
        place = {**cursor, "items": items[_LOOKUPS:], "classes": sorted(classes)}
        if not place["items"]:
            place = _at_class(place, Scope(place["classes"]).after(None))
        return Page([], next=place)

    async def _class(self, cursor: Cursor, scope: Scope) -> Page:
        here = cursor["class"]
        path = f"classes/{reading.segment(here)}"
        records: list[Record] = []
        rejected: list[tuple[Any, str]] = []
        items, students = cursor["items"], cursor["students"]
        if items is None:
            rows = await self._api.whole(f"{path}/lineItems")
            items, deleted, newest = _line_items(rows, cursor["newest"])
            students = await self._students(path) if items or deleted else []
            if len(items) * len(students or ()) > _OPEN:
                students = None
            cursor = {**cursor, "newest": newest}
            records += [
                Gone(kind="module", external_id=f"{here}:{student}:{item}")
                for student in students or ()
                for item in deleted
            ]
        if not items:
            return Page(records, next=self._next_class(cursor, scope))

        piece = await self._api.piece(f"{path}/results", cursor["offset"])
        place = _onward(cursor, piece) | {"items": items, "students": students}
        names = list(items)
        seen = set(cursor["seen"])
        for row in piece.rows:
            item, student = oneroster.ref(row, "lineItem"), oneroster.ref(row, "student")
            if not item or not student:
                rejected.append((row, "This is not a result: it does not say whose it is, or of which line item."))
            elif item in items and not oneroster.is_deleted(row) and (students is None or student in students):
                scale = await self._scale(row, items[item])
                records.append(oneroster.module_of(f"{here}:{student}", item, items[item], row, scale))
                if students is not None:
                    seen.add(students.index(student) * len(names) + names.index(item))
        if piece.next is not None:
            return Page(records, next=place | {"seen": sorted(seen)}, rejected=rejected)
        if place["whole"] and students is not None:
            # What is yet to be done counts too: somebody with one result of ten is not through.
            records += [
                oneroster.module_of(f"{here}:{student}", item, items[item], None, None)
                for row, student in enumerate(students)
                for column, item in enumerate(names)
                if row * len(names) + column not in seen
            ]
        return Page(records, next=self._next_class(place, scope), rejected=rejected)

    def _next_class(self, cursor: Cursor, scope: Scope) -> Cursor:
        listed = scope if cursor["classes"] is None else Scope(cursor["classes"])
        return _at_class(cursor, listed.after(cursor["class"]))

    async def _students(self, path: str) -> list[str] | None:
        """Who is in a class; None where the client may not ask, so that only those with results are known."""
        try:
            rows = await self._api.whole(f"{path}/students")
        except PartnerRefusedError:
            return None
        found = (reading.text(reading.field(row, "sourcedId")) for row in rows if not oneroster.is_deleted(row))
        return list(dict.fromkeys(filter(None, found)))

    async def _scale(self, result: Any, item: Mapping[str, Any]) -> Any:
        """The score scale, where a result has words and no number."""
        identifier = oneroster.ref(result, "scoreScale") or item.get("scoreScale")
        words = reading.text(reading.field(result, "textScore"))
        if not identifier or not words or reading.number(reading.field(result, "score")) is not None:
            return None
        scales = self._known["scoreScales"]
        if identifier not in scales:
            scales[identifier] = await self._api.one("scoreScales", identifier)
        return scales[identifier]

    async def _join(self, wanted: Mapping[str, set[str]], cursor: Cursor) -> Page | None:
        """Know what rows refer to. Where that is much, a page that goes and lists it first."""
        for kind, identifiers in wanted.items():
            known = self._known[kind]
            missing = sorted(identifiers - known.keys())
            if len(missing) > _LOOKUPS and kind not in self._listed and kind not in cursor["loaded"]:
                return Page([], next={**cursor, "load": kind, "at": 0})
            for identifier in missing:
                row = await self._api.one(kind, identifier)
                known[identifier] = oneroster.user_of(identifier, row) if kind == "users" else row
        return None

    async def _load(self, cursor: Cursor) -> Page:
        kind = cursor["load"]
        piece = await self._api.piece(kind, cursor["at"])
        for row in piece.rows:
            identifier = reading.text(reading.field(row, "sourcedId"))
            if identifier:
                self._known[kind][identifier] = oneroster.user_of(identifier, row) if kind == "users" else row
        if piece.next is not None:
            return Page([], next={**cursor, "at": piece.next})
        self._listed.add(kind)
        rest = {name: value for name, value in cursor.items() if name not in ("load", "at")}
        return Page([], next={**rest, "loaded": [*cursor["loaded"], kind]})


def _start() -> Cursor:
    return {"offset": 0, "first": None, "loaded": [], "newest": None, "started": None, "whole": True}


def _onward(cursor: Cursor, piece: Piece, *, understood: bool = True) -> Cursor:
    """Where to go on after a piece, and what was seen so far.

    Raises:
        PartnerAnswerError: it is the same piece again.
    """
    first = reading.text(reading.field(piece.rows[0], "sourcedId")) if piece.rows else None
    if first and first == cursor["first"] and cursor["offset"]:
        raise PartnerAnswerError("The partner gives the same piece of a list again and again.")
    return {
        **cursor,
        "offset": piece.next or 0,
        "first": first,
        "loaded": [],
        "newest": _newest(cursor["newest"], piece.rows),
        "started": cursor["started"] or reading.iso(piece.answered_at),
        "whole": cursor["whole"] and piece.whole and understood,
    }


def _since(scope: Scope) -> str | None:
    return scope.since["since"] if scope.since is not None else None


def _newest(before: str | None, rows: Iterable[Any]) -> str | None:
    found = reading.latest(reading.moment(before), *(oneroster.changed_at(row) for row in rows))
    return reading.iso(found)


def _watermark(cursor: Cursor, scope: Scope) -> Cursor | None:
    """From when on to ask next time: the newest change that was seen, unless it is dated into the future."""
    newest, started = reading.moment(cursor["newest"]), reading.moment(cursor["started"])
    if newest is None or newest.year < 1970:
        return scope.since
    since = min(newest, started or scope.now or newest) - _OVERLAP
    return {"since": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")}


def _at_class(cursor: Cursor, course: str | None) -> Cursor:
    """At the start of a class; at the end where there is none."""
    fresh: Cursor = {"offset": 0, "first": None, "whole": True, "items": None, "students": None, "seen": []}
    return {**cursor, **fresh, "phase": "class" if course else "end", "class": course}


def _line_items(rows: Iterable[Any], newest: str | None) -> tuple[dict[str, Any], list[str], str | None]:
    """Line items by identifier, those that were deleted, and when the newest changed."""
    items: dict[str, Any] = {}
    deleted: list[str] = []
    rows = list(rows)
    for row in rows:
        identifier = reading.text(reading.field(row, "sourcedId"))
        if identifier and oneroster.is_deleted(row):
            deleted.append(identifier)
        elif identifier:
            items[identifier] = oneroster.line_item(row)
    return items, deleted, _newest(newest, rows)


def _sessions(row: Any) -> list[str]:
    found = (reading.text(reading.field(term, "sourcedId")) for term in reading.items(reading.field(row, "terms")))
    return list(filter(None, found))
