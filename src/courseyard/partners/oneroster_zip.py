"""A zip of OneRoster's CSV files: which of them it holds, whole or changes alone, and their rows. Pure: bytes in, rows
out.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from lzma import LZMAError
from typing import Any

from courseyard.errors import PartnerAnswerError
from courseyard.limits import MAX_PARTNER_FILE_BYTES
from courseyard.partners import reading
from courseyard.partners.tabular import BadRow, rows

# The standard has two dozen files.
_MAX_MEMBERS = 1_000

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


@dataclass(slots=True)
class ZipSet:
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


def unpacked(name: str, told_at: datetime, data: bytes) -> ZipSet:
    """Open a zip.

    Raises:
        PartnerAnswerError: it is none, is damaged, or holds nothing of OneRoster's.
    """
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
    found = ZipSet(name, told_at, file, members)
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
