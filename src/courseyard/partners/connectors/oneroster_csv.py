"""OneRoster CSV, 1.1 and 1.2: zip files that somebody leaves for us, each file in them whole (bulk) or with what
changed (delta), as their manifest says.

Rows of one file refer to others by identifier, and a file of changes holds the changed rows alone: what is not in a
zip is looked for in the ones before it, back to the last one that held the file whole.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any, ClassVar

from courseyard.errors import PartnerAnswerError
from courseyard.partners.client import PartnerClient
from courseyard.partners.connector import Capabilities, Check, Config, Connector, Cursor, Option, Page, Scope, Stream
from courseyard.partners.oneroster_zip import ZipSet, unpacked
from courseyard.partners.oneroster_zip_records import READERS, Item, Known
from courseyard.partners.sources import SOURCE_OPTIONS, Source, SourceFile, source_of

_RECORDS_A_PAGE = 2_000
# Zips that are looked back into for what a set of changes refers to.
_LOOK_BACK = 60

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
        self._at_hand: tuple[str, list[Any], int, Iterator[Item]] | None = None
        self._opened: tuple[SourceFile, ZipSet] | None = None

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
        items: list[Item] = []
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

    async def _open(self, source: Source, file: SourceFile) -> ZipSet:
        if self._opened is None or self._opened[0] != file:
            data = await source.read(file.name)
            self._opened = file, await asyncio.to_thread(unpacked, file.name, file.modified_at, data)
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
    ) -> tuple[Iterator[Item], datetime, int]:
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
        pending = READERS[stream](current, known)
        # A million rows take seconds: not on the event loop.
        await asyncio.to_thread(deque, islice(pending, at), 0)
        return pending, told_at, at

    async def _look_back(self, source: Source, zips: list[SourceFile], names: tuple[str, ...]) -> Known:
        """What these files hold after the last zip: as the last one that has it whole, with the changes since."""
        wanted = set(names)
        layers: list[tuple[ZipSet, list[str]]] = []
        for file in reversed(zips[-_LOOK_BACK:]):
            if not wanted:
                break
            try:
                opened = await self._open(source, file)
            except PartnerAnswerError:
                continue
            layers.append((opened, [name for name in names if name in wanted and opened.mode(name) != "absent"]))
            wanted -= {name for name in names if opened.mode(name) == "bulk"}
        known = Known()
        if "results" in names and layers and layers[0][0].mode("results") == "delta":
            await asyncio.to_thread(known.look_out, layers[0][0])
        for opened, present in reversed(layers):
            for name in present:
                await asyncio.to_thread(known.learn, opened, name)
        return known


def _digest(file: SourceFile) -> str:
    return hashlib.blake2b(file.etag.encode(), digest_size=6).hexdigest()
