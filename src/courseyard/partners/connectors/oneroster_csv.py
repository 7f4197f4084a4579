"""OneRoster CSV, 1.1 and 1.2: zip files that somebody leaves for us, each file in them whole (bulk) or with what
changed (delta), as their manifest says.

Rows of one file refer to others by identifier, and a file of changes holds the changed rows alone: what is not in a
zip is looked for in the ones before it, back to the last one that held the file whole.
"""

from __future__ import annotations

import asyncio
import hashlib
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from io import BytesIO
from itertools import islice
from lzma import LZMAError
from sys import intern
from typing import Any, ClassVar

import msgspec

from courseyard.errors import PartnerAnswerError
from courseyard.limits import MAX_PARTNER_FILE_BYTES
from courseyard.partners import oneroster, reading
from courseyard.partners.client import PartnerClient
from courseyard.partners.connector import Capabilities, Check, Config, Connector, Cursor, Option, Page, Scope, Stream
from courseyard.partners.records import Gone, Record, User
from courseyard.partners.sources import SOURCE_OPTIONS, Source, SourceFile, source_of
from courseyard.partners.tabular import BadRow, rows

_RECORDS_A_PAGE = 2_000
# Zips that are looked back into for what a set of changes refers to.
_LOOK_BACK = 60
# The standard has two dozen files.
_MAX_MEMBERS = 1_000

# What each stream is made of, the file that is its list first, and what that refers to.
_MAIN: dict[Stream, tuple[str, ...]] = {
    Stream.CATALOGUE: ("classes",),
    Stream.ENROLMENTS: ("enrollments",),
    Stream.PROGRESS: ("results", "lineItems"),
}
_REFERS: dict[Stream, tuple[str, ...]] = {
    Stream.CATALOGUE: ("courses", "academicSessions"),
    Stream.ENROLMENTS: ("users", "enrollments"),
    Stream.PROGRESS: ("lineItems", "enrollments", "results"),
}
_COLUMNS = {
    name.lower(): name
    for name in (
        "sourcedId", "status", "dateLastModified", "title", "grades", "subjects", "courseCode", "classCode",
        "classType", "location", "startDate", "endDate", "beginDate", "role", "primary", "givenName", "familyName",
        "preferredGivenName", "preferredFamilyName", "preferredFirstName", "preferredLastName", "identifier",
        "userMasterIdentifier", "email", "resultValueMin", "resultValueMax", "dueDate", "scoreStatus", "score",
        "textScore", "scoreDate", "incomplete", "inProgress", "late", "missing",
    )
}  # fmt: skip
_LISTS = {"grades", "subjects"}
_FILES = {
    name.lower(): name
    for name in ("manifest", "academicSessions", "classes", "courses", "enrollments", "lineItems", "results", "users")
}
_REFERENCES = {
    f"{name}SourcedId".lower(): name
    for name in ("class", "course", "school", "user", "category", "lineItem", "student")
}

_Item = Record | tuple[Any, str]


@dataclass(slots=True)
class _Set:
    """One zip: its files by the standard's names, and for each whether it is ``bulk`` or ``delta``."""

    name: str
    told_at: datetime
    file: zipfile.ZipFile
    members: dict[str, zipfile.ZipInfo]
    modes: dict[str, str] = field(default_factory=dict)
    version: str | None = None

    def mode(self, name: str) -> str:
        """``bulk``, ``delta``, or ``absent``. One that the manifest does not name says of nothing that it is gone."""
        if name not in self.members:
            return "absent"
        mode = self.modes.get(name, "delta" if self.modes else "bulk")
        return "bulk" if mode == "bulk" else "delta"

    def promised(self, name: str) -> bool:
        """Whether the manifest names a file that is not there."""
        return name not in self.members and self.modes.get(name) in ("bulk", "delta")

    def read(self, name: str) -> Iterator[tuple[int, dict[str, Any]] | BadRow]:
        """The rows of a file with their numbers, in the shape of the REST service.

        Raises:
            PartnerAnswerError: the file cannot be read.
        """
        info = self.members.get(name)
        if info is None:
            return
        for row in rows(_content(self.file, info)):
            yield row if isinstance(row, BadRow) else (row.number, _shaped(row.values))


@dataclass(slots=True)
class _Known:
    """What rows refer to, by identifier: of zips up to the one that is read."""

    courses: dict[str, Any] = field(default_factory=dict)
    sessions: dict[str, Any] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    # Line item to its class and what ``module_of`` reads.
    items: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    # Enrolment by its own id to class and student.
    inside: dict[str, tuple[str, str]] = field(default_factory=dict)
    deleted_items: set[str] = field(default_factory=set)
    # Line item and student of each result that stands.
    results: set[tuple[str, str]] = field(default_factory=set)
    _keys: set[str] | None = None

    def learn(self, name: str, row: dict[str, Any]) -> None:
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
            case "enrollments" if deleted:
                self.inside.pop(identifier, None)
            case "enrollments" if oneroster.is_student(row):
                self.inside[identifier] = (oneroster.ref(row, "class") or "", oneroster.ref(row, "user") or "")
            case "results":
                # Of a million results the names are kept once.
                pair = intern(oneroster.ref(row, "lineItem") or ""), intern(oneroster.ref(row, "student") or "")
                (self.results.discard if deleted else self.results.add)(pair)

    def is_inside(self, enrolment: str) -> bool:
        """Whether somebody is in a class, by another enrolment than one that was deleted."""
        if self._keys is None:
            self._keys = {f"{course}:{student}" for course, student in self.inside.values()}
        return enrolment in self._keys

    def students(self) -> dict[str, dict[str, None]]:
        """Who is in each class."""
        found: dict[str, dict[str, None]] = {}
        for course, student in self.inside.values():
            if course and student:
                found.setdefault(course, {})[student] = None
        return found


class OneRosterCsv(Connector):
    """Zip files in the OneRoster CSV format.

    The watermark holds the zips that were read, by name with a digest of their etag. Of several new ones, reading
    starts at the last that is whole. A zip that cannot be read is rejected and does not keep the next ones from being
    read.
    """

    kind: ClassVar[str] = "oneroster_csv"
    title: ClassVar[str] = "OneRoster (CSV)"
    summary: ClassVar[str] = "Classes, enrolments, line items and results from OneRoster CSV zips, 1.1 or 1.2."
    options: ClassVar[tuple[Option, ...]] = (
        *SOURCE_OPTIONS,
        Option("files", "Zip files", default="*.zip", required=False, help="As in roster-*.zip."),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        streams={Stream.CATALOGUE: "full", Stream.ENROLMENTS: "full", Stream.PROGRESS: "full"}
    )
    extra_fields: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "course": ("courseTitle", "courseCode", "term", "startDate", "endDate", "school", "grades", "subjects"),
        "enrolment": ("sourcedId", "endDate", "school"),
        "module": ("scoreStatus", "textScore", "raw", "min", "max", "dueDate", "category"),
    }

    def __init__(self, config: Config, client: PartnerClient) -> None:
        """Nothing is opened yet."""
        super().__init__(config, client)
        # Where the last page ended, so that the next one need not read its zip from the start.
        self._at_hand: tuple[str, list[Any], int, Iterator[_Item]] | None = None
        self._opened: tuple[SourceFile, _Set] | None = None

    async def check(self) -> list[Check]:
        """See ``Connector``."""
        source = source_of(self.config)
        zips = self._zips(await source.list())
        if not zips:
            return [Check("warning", "The place can be read, but there is no zip file in it.", "Leave one there.")]
        found = [Check("ok", f"The place can be read; it holds {len(zips)} zip files.")]
        try:
            newest = await self._open(source, zips[-1])
        except PartnerAnswerError as error:
            return [*found, Check("failed", f"{zips[-1].name} cannot be read.", error.detail)]
        version = f"OneRoster {newest.version}" if newest.version else "without a manifest"
        held = [f"{name} ({newest.mode(name)})" for name in sorted(newest.members)]
        found.append(Check("ok", f"{newest.name}: {version}.", ", ".join(held)))
        for stream, (name, *_) in _MAIN.items():
            if newest.mode(name) == "absent":
                found.append(Check("warning", f"It holds no {name}.csv.", f"There will be nothing in {stream}."))
        return found

    async def fetch(self, stream: Stream, cursor: Cursor | None, scope: Scope) -> Page:
        """Up to 2,000 records of one zip."""
        if stream not in _MAIN:
            return await super().fetch(stream, cursor, scope)
        source = source_of(self.config)
        if cursor is None:
            cursor = await self._plan(source, stream, scope.since)
        if not cursor["todo"]:
            return Page([], watermark={"files": cursor["seen"]})
        (name, digest, mode), at = cursor["todo"][0], cursor["at"]
        items: list[_Item] = []
        told_at = None
        try:
            pending, told_at, at = await self._items(source, stream, name, digest, at)
            items = await asyncio.to_thread(lambda: list(islice(pending, _RECORDS_A_PAGE)))
            self._at_hand = (stream, [name, digest], at + len(items), pending)
        except PartnerAnswerError as error:
            items = [({"file": name}, f"{name}: {error.detail}")]
        records = [item for item in items if not isinstance(item, tuple)]
        rejected = [item for item in items if isinstance(item, tuple)]
        bad, seen, todo = cursor["bad"] + len(rejected), cursor["seen"], cursor["todo"]
        whole = cursor["whole"] or mode == "bulk"
        if len(items) == _RECORDS_A_PAGE:
            following: Cursor | None = {**cursor, "at": at + len(items), "bad": bad}
        else:
            self._at_hand = None
            seen, todo = {**seen, name: digest}, todo[1:]
            following = {"todo": todo, "at": 0, "bad": bad, "whole": whole, "seen": seen} if todo else None
        return Page(
            records,
            next=following,
            watermark=None if following else {"files": seen},
            data_at=told_at,
            rejected=rejected,
            # A row that was not understood may be of anybody: then nobody counts as gone.
            complete=following is None and whole and not bad,
        )

    def _zips(self, files: list[SourceFile]) -> list[SourceFile]:
        pattern = (self.config.text("files") or "*.zip").lower()
        return [file for file in files if fnmatchcase(file.name.lower(), pattern)]

    async def _plan(self, source: Source, stream: Stream, since: Cursor | None) -> Cursor:
        """Which zips to read: of those that are new or changed the last that is whole, and what came after it."""
        before = (since or {}).get("files", {})
        zips = self._zips(await source.list())
        digests = {file.name: _digest(file) for file in zips}
        todo: list[list[str]] = []
        for file in reversed(zips):
            if before.get(file.name) == digests[file.name]:
                continue
            mode = await self._mode(source, stream, file)
            todo.insert(0, [file.name, digests[file.name], mode])
            if mode == "bulk":
                break
        waiting = {name for name, _, _ in todo}
        seen = {name: digest for name, digest in digests.items() if name not in waiting}
        return {"todo": todo, "at": 0, "bad": 0, "whole": False, "seen": seen}

    async def _open(self, source: Source, file: SourceFile) -> _Set:
        if self._opened is None or self._opened[0] != file:
            data = await source.read(file.name)
            self._opened = file, await asyncio.to_thread(_unpacked, file.name, file.modified_at, data)
        return self._opened[1]

    async def _mode(self, source: Source, stream: Stream, file: SourceFile) -> str:
        try:
            opened = await self._open(source, file)
        except PartnerAnswerError:
            # What is wrong with it is told when its turn comes.
            return "delta"
        return "bulk" if all(opened.mode(name) == "bulk" for name in _MAIN[stream]) else "delta"

    async def _items(
        self, source: Source, stream: Stream, name: str, digest: str, at: int
    ) -> tuple[Iterator[_Item], datetime, int]:
        """What a zip tells of a stream, from a place on; from the start, if another version has come meanwhile."""
        zips = self._zips(await source.list())
        place = next((place for place, file in enumerate(zips) if file.name == name), None)
        if place is None:
            raise PartnerAnswerError("The file is not there any more.")
        told_at = zips[place].modified_at
        if self._at_hand is not None and self._at_hand[:3] == (stream, [name, digest], at):
            return self._at_hand[3], told_at, at
        if _digest(zips[place]) != digest:
            at = 0
        current = await self._open(source, zips[place])
        known = await self._look_back(source, zips[: place + 1], _REFERS[stream])
        pending = _READERS[stream](current, known)
        # A million rows take seconds: not on the event loop.
        await asyncio.to_thread(deque, islice(pending, at), 0)
        return pending, told_at, at

    async def _look_back(self, source: Source, zips: list[SourceFile], names: tuple[str, ...]) -> _Known:
        """What these files hold after the last zip: as the last one that has it whole, with the changes since."""
        wanted = set(names)
        layers: list[tuple[_Set, list[str]]] = []
        for file in reversed(zips[-_LOOK_BACK:]):
            if not wanted:
                break
            try:
                opened = await self._open(source, file)
            except PartnerAnswerError:
                continue
            layers.append((opened, [name for name in names if name in wanted and opened.mode(name) != "absent"]))
            wanted -= {name for name in names if opened.mode(name) == "bulk"}
        known = _Known()
        for opened, present in reversed(layers):
            for name in present:
                await asyncio.to_thread(_learn, known, opened, name)
        return known


def _learn(known: _Known, opened: _Set, name: str) -> None:
    try:
        for row in opened.read(name):
            if not isinstance(row, BadRow):
                known.learn(name, row[1])
    except PartnerAnswerError:
        # It is told where the file is the stream's own.
        return


def _classes(current: _Set, known: _Known) -> Iterator[_Item]:
    def understand(row: dict[str, Any]) -> list[Record]:
        terms = [known.sessions.get(term["sourcedId"]) for term in row.get("terms", ())]
        course = oneroster.course_of(row, known.courses.get(oneroster.ref(row, "course") or ""), terms)
        return [_dated(course, current)]

    return _each(current, "classes", understand)


def _enrolments(current: _Set, known: _Known) -> Iterator[_Item]:
    def understand(row: dict[str, Any]) -> list[Record]:
        key = oneroster.enrolment_key(row)
        if not oneroster.is_student(row):
            return []
        if oneroster.is_deleted(row):
            # Somebody may have been enrolled in the class more than once.
            if known.is_inside(key):
                return []
            return [_dated(Gone(kind="enrolment", external_id=key, data_at=oneroster.changed_at(row)), current)]
        who = oneroster.ref(row, "user") or ""
        return [_dated(oneroster.enrolment_of(row, known.users.get(who) or User(external_id=who)), current)]

    return _each(current, "enrollments", understand)


def _progress(current: _Set, known: _Known) -> Iterator[_Item]:
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
        result = None if oneroster.is_deleted(row) else row
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
            if (item, student) not in known.results
        ]

    yield from _each(current, "results", understand_result)
    yield from _each(current, "lineItems", understand_item)


_READERS = {Stream.CATALOGUE: _classes, Stream.ENROLMENTS: _enrolments, Stream.PROGRESS: _progress}


def _each(current: _Set, name: str, understand: Callable[[dict[str, Any]], list[Record]]) -> Iterator[_Item]:
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


def _dated(record: Any, current: _Set) -> Any:
    """A zip tells how things stood when it was made: its rows overrule those of an earlier one, whatever their dates.

    Whole sets leave the dates of their rows empty, and may be made long before they are brought here.
    """
    return msgspec.structs.replace(record, data_at=reading.latest(record.data_at, current.told_at))


def _unpacked(name: str, told_at: datetime, data: bytes) -> _Set:
    try:
        file = zipfile.ZipFile(BytesIO(data))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise PartnerAnswerError("It is no zip file, or it is cut off.") from error
    infos = file.infolist()
    if len(infos) > _MAX_MEMBERS:
        raise PartnerAnswerError(f"It holds {len(infos):,} files, and OneRoster has two dozen.")
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        folder, _, base = info.filename.rpartition("/")
        stem, _, ending = base.lower().rpartition(".")
        # Macs add a folder with files of the same names, which hold something else.
        if ending == "csv" and stem in _FILES and "__macosx" not in folder.lower():
            members.setdefault(_FILES[stem], info)
    found = _Set(name, told_at, file, members)
    manifest = members.pop("manifest", None)
    told: dict[str, str] = {}
    for row in rows(_content(file, manifest)) if manifest else ():
        if not isinstance(row, BadRow):
            values = {column.lower(): reading.text(value) or "" for column, value in row.values.items()}
            told[values.get("propertyname", "").lower()] = values.get("value", "")
    found.version = told.get("oneroster.version")
    found.modes = {
        _FILES[stem]: mode.lower()
        for entry, mode in told.items()
        if entry.startswith("file.") and (stem := entry.removeprefix("file.")) in _FILES
    }
    if not members and not found.modes:
        raise PartnerAnswerError("It holds none of OneRoster's files.")
    return found


def _content(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        with file.open(info) as opened:
            data = opened.read(MAX_PARTNER_FILE_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError, ValueError, LZMAError) as error:
        # RuntimeError: it is encrypted, or packed in a way that is not known (NotImplementedError).
        raise PartnerAnswerError("It is damaged, encrypted, or packed in an unknown way.") from error
    if len(data) > MAX_PARTNER_FILE_BYTES:
        raise PartnerAnswerError(f"It is larger than {MAX_PARTNER_FILE_BYTES // 2**20} MiB when unpacked.")
    return data


def _shaped(values: Mapping[str, Any]) -> dict[str, Any]:
    """A row as the REST service would tell it; empty values and unknown columns are left out."""
    row: dict[str, Any] = {}
    for column, value in values.items():
        name, told = column.lower(), reading.text(value)
        if told is None:
            continue
        if name in _REFERENCES:
            row[_REFERENCES[name]] = {"sourcedId": told}
        elif name == "termsourcedids":
            row["terms"] = [{"sourcedId": term.strip()} for term in told.split(",") if term.strip()]
        elif name in _LISTS:
            row[name] = told.split(",")
        elif name in _COLUMNS:
            row[_COLUMNS[name]] = told
    return row


def _digest(file: SourceFile) -> str:
    return hashlib.blake2b(file.etag.encode(), digest_size=6).hexdigest()
