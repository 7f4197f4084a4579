"""CSV and JSON files of any make, uploaded or from a folder or S3, read through a column mapping."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar

import msgspec

from courseyard.errors import PartnerAnswerError
from courseyard.partners.client import PartnerClient
from courseyard.partners.columns import ColumnMapping, KindMapping, TableKind, preview, read_mapping, record_of
from courseyard.partners.connector import Capabilities, Check, Config, Connector, Cursor, Option, Page, Scope, Stream
from courseyard.partners.records import Record
from courseyard.partners.sources import SOURCE_OPTIONS, Source, SourceFile, matches, source_of
from courseyard.partners.suggesting import suggest
from courseyard.partners.tabular import BadRow, Row, array_paths, rows

_ROWS_PER_PAGE = 2_000
# A file whose first rows, so many at least, are not understood, none of them, is rejected as one.
_HOPELESS = 50
_KINDS: dict[Stream, TableKind] = {
    Stream.CATALOGUE: "course",
    Stream.ENROLMENTS: "enrolment",
    Stream.PROGRESS: "module",
    Stream.CREDENTIALS: "credential",
}
_PATTERNS: dict[TableKind, str] = {
    "course": "course*",
    "enrolment": "enrol*",
    "module": "progress*",
    "credential": "credential*, certificate*",
}


class Files(Connector):
    """Files that somebody leaves for us.

    The watermark and the cursor hold the files by name with a digest of their etag and of the columns: a file is read
    again when one of the two changed. A file that cannot be read at all is rejected as a whole and does not keep the
    next ones from being read.
    """

    kind = "files"
    title = "CSV or JSON files"
    summary = "Courses, enrolments, progress and credentials from files, uploaded or from a folder or S3 storage."
    options: ClassVar = (
        *SOURCE_OPTIONS,
        Option(
            "content",
            "What a file holds",
            "choice",
            choices={
                "delta": "What is new or changed; every new file is read, the oldest first",
                "snapshot": "Everything; only the newest file of each kind is read, and what it lacks is gone",
            },
            default="delta",
        ),
        Option(
            "course_files", "Files with courses", default="course*", required=False, help="As in enrol*.csv, *.json."
        ),
        Option("enrolment_files", "Files with enrolments", default="enrol*", required=False),
        Option("module_files", "Files with progress", default="progress*", required=False),
        Option("credential_files", "Files with credentials", default="credential*, certificate*", required=False),
        Option(
            "columns",
            "Columns",
            "lines",
            required=False,
            help="Which column is which, as JSON; kinds that are not in it are not read. See docs/partners/files.md.",
        ),
    )
    capabilities = Capabilities(dict.fromkeys(Stream, "full"))
    extra_fields: ClassVar = {"module": ("raw", "min", "max")}

    def __init__(self, config: Config, client: PartnerClient) -> None:
        """Nothing is opened yet."""
        super().__init__(config, client)
        # The file that the last page ended in, so that the next one need not read it from its start.
        self._at_hand: tuple[list[Any], int, Iterator[Row | BadRow]] | None = None

    async def check(self) -> list[Check]:
        """List the files and try the mapping on the newest of each kind."""
        mapping = self._mapping()
        source = source_of(self.config)
        files = await source.list()
        found = [Check("ok", f"The place can be read; it holds {len(files)} file{'' if len(files) == 1 else 's'}.")]
        if not files:
            found = [Check("warning", "The place can be read, but there is no file in it.", "Leave one there.")]
        if not mapping:
            found.append(Check("failed", "No columns are set up.", "Say on the provider's page which column is which."))
        for stream, kind in _KINDS.items():
            matching = self._matching(kind, files)
            if kind in mapping:
                found.append(await self._try(source, stream, matching, mapping))
            elif matching:
                found += await self._suggestion(source, stream, matching[-1].name)
        return found

    async def fetch(self, stream: Stream, cursor: Cursor | None, scope: Scope) -> Page:
        """Up to 2,000 rows of one file."""
        kind = _KINDS[stream]
        mapping = self._mapping()
        if kind not in mapping:
            return Page([], watermark=scope.since)
        source = source_of(self.config)
        if cursor is None:
            cursor = self._plan(kind, mapping[kind], await source.list(), scope.since)
        if not cursor["todo"]:
            return Page([], watermark={"files": cursor["seen"]})
        file, at = cursor["todo"][0], cursor["row"]
        name, modified = file[0], datetime.fromisoformat(file[2])
        records: list[Record] = []
        rejected: list[tuple[Any, str]] = []
        count = 0
        try:
            pending, at = await self._rows(source, file, at, mapping[kind])
            for row in islice(pending, _ROWS_PER_PAGE):
                count += 1
                if isinstance(row, BadRow):
                    rejected.append(_rejection(name, row.number, row.text, row.reason))
                    continue
                try:
                    records.append(record_of(kind, mapping[kind], row.values, modified))
                except ValueError as error:
                    rejected.append(_rejection(name, row.number, row.values, str(error)))
            if at == 0 and not records and len(rejected) > _HOPELESS:
                reason = rejected[0][1]
                rejected.clear()
                raise PartnerAnswerError(f"none of {count} rows is understood, the columns are others ({reason})")
            self._at_hand = (file, at + count, pending)
        except PartnerAnswerError as error:
            rejected.append(({"file": name}, f"{name}: {error.detail}"))
            count = 0
        seen, bad = cursor["seen"], cursor["bad"] + len(rejected)
        if count == _ROWS_PER_PAGE:
            following: Cursor | None = {**cursor, "row": at + count, "bad": bad}
        else:
            self._at_hand = None
            seen = {**seen, name: file[1]}
            todo = cursor["todo"][1:]
            following = {"todo": todo, "row": 0, "bad": bad, "seen": seen} if todo else None
        return Page(
            records,
            next=following,
            watermark={"files": seen} if following is None else None,
            data_at=modified,
            rejected=rejected,
            # A row that was not understood may be of anybody: then nobody counts as gone.
            complete=following is None and self.config.text("content") == "snapshot" and not bad,
        )

    def _mapping(self) -> ColumnMapping:
        return read_mapping(self.config.values.get("columns"))

    def _matching(self, kind: TableKind, files: list[SourceFile]) -> list[SourceFile]:
        listed = self.config.text(f"{kind}_files") or _PATTERNS[kind]
        return [file for file in files if matches(file.name, listed)]

    def _plan(self, kind: TableKind, mapping: KindMapping, files: list[SourceFile], since: Cursor | None) -> Cursor:
        """What is to be read: of the files that match those that are new or changed, or all when the columns are."""
        before = (since or {}).get("files", {})
        matching = self._matching(kind, files)
        if self.config.text("content") == "snapshot":
            matching = matching[-1:]
        listed = [[file.name, _digest(file, mapping), file.modified_at.isoformat()] for file in matching]
        seen = {name: etag for name, etag, _ in listed if before.get(name) == etag}
        return {"todo": [file for file in listed if file[0] not in seen], "row": 0, "bad": 0, "seen": seen}

    async def _rows(
        self, source: Source, file: list[Any], at: int, mapping: KindMapping
    ) -> tuple[Iterator[Row | BadRow], int]:
        """The rows of a file from a place in it, and that place: the start, if another version has come meanwhile."""
        if self._at_hand is not None and self._at_hand[:2] == (file, at):
            return self._at_hand[2], at
        if at and not any(f.name == file[0] and _digest(f, mapping) == file[1] for f in await source.list()):
            at = 0
        pending = rows(await source.read(file[0]), mapping.path)
        # A million rows take seconds: not on the event loop.
        await asyncio.to_thread(deque, islice(pending, at), 0)
        return pending, at

    async def _try(self, source: Source, stream: Stream, files: list[SourceFile], mapping: ColumnMapping) -> Check:
        kind = _KINDS[stream]
        if not files:
            return Check(
                "warning", f"No file matches for the {stream}.", "Check the names of the files in the settings."
            )
        name = files[-1].name
        try:
            shown = preview(kind, mapping[kind], rows(await source.read(name), mapping[kind].path))
        except PartnerAnswerError as error:
            return Check("failed", f"{name} cannot be read.", error.detail)
        bad = [row for row in shown if row.record is None]
        what = (
            f"{stream.capitalize()}: {len(shown) - len(bad)} of the first {len(shown)} rows of {name} are understood."
        )
        if not bad:
            return Check("ok", what)
        return Check("failed" if len(bad) == len(shown) else "warning", what, f"Row {bad[0].number}: {bad[0].problem}")

    async def _suggestion(self, source: Source, stream: Stream, name: str) -> list[Check]:
        kind = _KINDS[stream]
        try:
            data = await source.read(name)
            path = next(iter(array_paths(data)), "") if data[:1] == b"{" else ""
            columns = msgspec.json.encode({kind: suggest(kind, rows(data, path), path)}).decode()
        except PartnerAnswerError:
            return []
        what = f"{stream.capitalize()}: the columns of {name} are not set up; this is suggested."
        return [Check("warning", what, columns)]


def _rejection(name: str, number: int, told: Any, problem: str) -> tuple[Any, str]:
    return {"file": name, "row": number, "record": told}, f"{name}, row {number}: {problem}"


def _digest(file: SourceFile, mapping: KindMapping) -> str:
    """What changes with the file, and with what is read from it."""
    read = file.etag.encode() + msgspec.json.encode(mapping)
    return hashlib.blake2b(read, digest_size=6).hexdigest()
