"""A package's zip archive, checked before anything of it is unpacked.

What the central directory says is checked first; what is then read is counted again, as a directory can lie.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import threading
import unicodedata
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO

from courseyard.content.findings import Finding, condensed, finding, has_errors
from courseyard.errors import ContentError
from courseyard.limits import (
    COMPRESSION_RATIO_FROM_BYTES,
    MAX_COMPRESSION_RATIO,
    MAX_MANIFEST_BYTES,
    MAX_NAME_BYTES,
    MAX_PACKAGE_FILES,
    MAX_PATH_BYTES,
    MAX_UNPACKED_BYTES,
)

MANIFEST = "imsmanifest.xml"
_BLOCK = 256 * 1024
_JUNK = {".ds_store", "thumbs.db", "desktop.ini"}
_MAGIC = {
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\x1f\x8b": "a gzip file",
    b"%PDF": "a PDF document",
    b"<!DO": "a web page",
    b"<htm": "a web page",
    b"<?xm": "an XML file",
}
_OTHER_STANDARDS = {
    "cmi5.xml": "a cmi5 package",
    "tincan.xml": "an xAPI (Tin Can) package",
    "*.au": "an AICC package",
    "*.crs": "an AICC package",
    "h5p.json": "an H5P package",
    "moodle_backup.xml": "a backup of a Moodle course",
    "container.xml": "an electronic book (EPUB)",
    "[content_types].xml": "an Office document",
}
_UTF8_FLAG = 0x800
_UNIX = 3
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_OTHER_METHODS = {1: "Shrink", 6: "Implode", 9: "Deflate64", 93: "Zstandard", 95: "XZ", 99: "AES encryption"}
_RESERVED = re.compile(r"#[0-9]+$")
# The end record lies within the last 64 KiB, the wide one of zip64 right before it.
_END_SEARCH_BYTES = 66 * 1024
# An entry's record takes 46 bytes and its name; most names are far below 300 bytes.
_MAX_DIRECTORY_BYTES = MAX_PACKAGE_FILES * 400


class BadPackageError(ContentError):
    """The package cannot be used."""

    code = "bad-package"

    def __init__(self, findings: list[Finding]) -> None:
        """Carry the findings; the first error is the sentence for people."""
        worst = next((f for f in findings if f.severity == "error"), findings[0])
        super().__init__(worst.message, findings=[f.as_json() for f in findings])
        self.findings = findings


@dataclass(slots=True)
class Archive:
    """An open archive: names as in the package (root folder stripped) to its entries."""

    zip: zipfile.ZipFile
    entries: dict[str, zipfile.ZipInfo]
    manifest_name: str
    findings: list[Finding] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Archive:
        """Close the file at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.zip.close()

    @property
    def names(self) -> list[str]:
        """All file names, in the archive's order."""
        return list(self.entries)

    def manifest(self) -> bytes:
        """The manifest's bytes.

        Raises:
            BadPackageError: too large, or damaged.
        """
        return self.read(self.manifest_name, MAX_MANIFEST_BYTES)

    def read(self, name: str, limit: int) -> bytes:
        """One file, whole.

        Raises:
            BadPackageError: larger than ``limit`` bytes, or damaged.
        """
        return b"".join(self.blocks(name, limit))

    def blocks(self, name: str, limit: int = MAX_UNPACKED_BYTES) -> Iterator[bytes]:
        """One file in blocks, counted while it is read.

        Raises:
            BadPackageError: it is larger than its entry or ``limit`` says, or damaged.
        """
        info = self.entries[name]
        read = 0
        try:
            with self._opened(info) as file:
                while block := file.read(_BLOCK):
                    read += len(block)
                    if read > min(limit, info.file_size):
                        raise BadPackageError(
                            [finding("too-large", f"{name} has more than {limit:,} bytes.", file=name)]
                        )
                    yield block
        except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError) as error:
            raise BadPackageError([finding("damaged-zip", f"{name}: {error}.", file=name)]) from error
        except Exception as error:
            # zlib.error and lzma.LZMAError have no common base that zipfile promises.
            if type(error).__module__ in {"zlib", "lzma", "_lzma", "bz2"}:
                raise BadPackageError([finding("damaged-zip", f"{name}: {error}.", file=name)]) from error
            raise

    @contextmanager
    def _opened(self, info: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
        """One file, open. Several threads may read at once, but zipfile counts its open files without a lock."""
        with self._lock:
            file = self.zip.open(info)
        try:
            yield file
        finally:
            with self._lock:
                file.close()


def open_archive(path: Path) -> Archive:
    """Open and check a package's zip file.

    Raises:
        BadPackageError: it is no package that can be unpacked safely; carries every finding.
    """
    with path.open("rb") as file:
        if _directory_bytes(file) > _MAX_DIRECTORY_BYTES:
            raise BadPackageError([finding("too-many-files", f"{MAX_PACKAGE_FILES:,} are accepted.")])
    try:
        opened = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError, OverflowError) as error:
        raise BadPackageError([_what_else(path)]) from error
    try:
        return _checked(opened)
    except BaseException:
        opened.close()
        raise


def _directory_bytes(file: BinaryIO) -> int:
    """The size of the central directory as the end record states it: zipfile would read all of it into memory."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END_SEARCH_BYTES))
    tail = file.read(_END_SEARCH_BYTES)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        return 0
    stated = int(struct.unpack_from("<I", tail, at + 12)[0])
    wide = tail.rfind(b"PK\x06\x06", 0, at)
    if stated == 0xFFFFFFFF and wide >= 0 and len(tail) >= wide + 56:
        stated = int(struct.unpack_from("<Q", tail, wide + 40)[0])
    return min(stated, size)


def _what_else(path: Path) -> Finding:
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(b"PK"):
        return finding("damaged-zip", "Its end is missing.")
    for magic, what in _MAGIC.items():
        if head.lstrip()[:4].lower().startswith(magic.lower()):
            return finding("not-a-zip", f"It looks like {what}.")
    return finding("not-a-zip", "It is empty." if not head else "")


def _checked(opened: zipfile.ZipFile) -> Archive:
    findings: list[Finding] = []
    infos = [info for info in opened.infolist() if not _is_folder(info)]
    if len(infos) > MAX_PACKAGE_FILES:
        raise BadPackageError(
            [finding("too-many-files", f"It has {len(infos):,}; {MAX_PACKAGE_FILES:,} are accepted.")]
        )
    total = sum(info.file_size for info in infos)
    if total > MAX_UNPACKED_BYTES:
        raise BadPackageError([finding("too-large", f"Unpacked it would take {total:,} bytes.")])
    entries: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = _name(info, findings)
        if name is None:
            continue
        _check_entry(info, name, findings)
        if name in entries:
            findings.append(finding("duplicate-name", f"It is {name}.", file=name))
        entries[name] = info
    _note_similar(entries, findings)
    _drop_files_that_are_folders(entries, findings)
    if has_errors(findings):
        raise BadPackageError(condensed(findings))
    return _at_root(opened, entries, condensed(findings))


def _is_folder(info: zipfile.ZipInfo) -> bool:
    return info.is_dir() or (info.file_size == 0 and info.orig_filename.endswith("\\"))


def _name(info: zipfile.ZipInfo, findings: list[Finding]) -> str | None:
    """The entry's name with forward slashes; None for what is left out: junk, and names no store takes."""
    # zipfile has replaced the platform's separator already; orig_filename is what the archive holds.
    raw = info.orig_filename.split("\0", 1)[0]
    if not info.flag_bits & _UTF8_FLAG and not raw.isascii():
        raw = _unmarked(raw)
        findings.append(finding("odd-name", file=raw))
    if "\\" in raw:
        findings.append(finding("backslash-name", file=raw))
    name = unicodedata.normalize("NFC", raw.replace("\\", "/"))
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts:
        return None
    if parts[0] == "__MACOSX" or parts[-1].lower() in _JUNK or parts[-1].startswith("._"):
        findings.append(finding("junk-file", file=name))
        return None
    if _is_unusable(parts):
        findings.append(finding("unusable-name", file=name[:80]))
        return None
    return ("/" if name.startswith("/") else "") + "/".join(parts)


def _unmarked(name: str) -> str:
    """A name without the UTF-8 mark, as zipfile decoded it: many programs write UTF-8 all the same."""
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _is_unusable(parts: list[str]) -> bool:
    """File systems end at 255 bytes a name; the store keeps names that end in ``#`` and digits for itself."""
    if len("/".join(parts).encode()) > MAX_PATH_BYTES or any(len(part.encode()) > MAX_NAME_BYTES for part in parts):
        return True
    return bool(_RESERVED.search(parts[-1])) or any(unicodedata.category(c) in {"Cc", "Cs"} for c in "".join(parts))


def _check_entry(info: zipfile.ZipInfo, name: str, findings: list[Finding]) -> None:
    if name.startswith("/") or ".." in name.split("/") or name[1:2] == ":":
        findings.append(finding("unsafe-path", f"It is {name!r}.", file=name))
    if info.flag_bits & 0x1:
        findings.append(finding("encrypted", file=name))
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK or (info.create_system == _UNIX and kind not in (0, stat.S_IFREG)):
        findings.append(finding("special-file", file=name))
    if info.compress_type not in _METHODS:
        method = _OTHER_METHODS.get(info.compress_type, f"number {info.compress_type}")
        findings.append(finding("compression-method", f"It is {method}.", file=name))
    if info.file_size > COMPRESSION_RATIO_FROM_BYTES and info.file_size > MAX_COMPRESSION_RATIO * max(
        1, info.compress_size
    ):
        findings.append(
            finding("suspicious-compression", f"{info.file_size:,} bytes from {info.compress_size:,}.", file=name)
        )


def _note_similar(entries: dict[str, zipfile.ZipInfo], findings: list[Finding]) -> None:
    seen: dict[str, str] = {}
    for name in entries:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            findings.append(finding("similar-names", f"{other} and {name}.", file=name))


def _drop_files_that_are_folders(entries: dict[str, zipfile.ZipInfo], findings: list[Finding]) -> None:
    """A name cannot be both on a disk; the files in the folder are worth more."""
    folders = {"/".join(parts[:n]) for name in entries for parts in [name.split("/")] for n in range(1, len(parts))}
    for name in folders & entries.keys():
        findings.append(finding("unusable-name", "It is also the name of a folder.", file=name))
        del entries[name]


def _at_root(opened: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], findings: list[Finding]) -> Archive:
    """Find the manifest, and take the folder it lies in as the package's root."""
    manifests = sorted(
        (name for name in entries if name.rsplit("/", 1)[-1].lower() == MANIFEST),
        key=lambda n: (n.count("/"), not n.endswith(MANIFEST), n),
    )
    if not manifests:
        raise BadPackageError([_without_manifest(entries), *findings])
    found = manifests[0]
    folder, _, base = found.rpartition("/")
    if base != MANIFEST:
        findings.append(finding("manifest-case", f"It is {base}.", file=found))
    if folder:
        findings.append(finding("nested-root", f"The folder is {folder}.", file=found))
        prefix = f"{folder}/"
        inside = {name.removeprefix(prefix): info for name, info in entries.items() if name.startswith(prefix)}
        if len(inside) < len(entries):
            findings.append(finding("outside-files", f"There are {len(entries) - len(inside):,}."))
        entries = inside
    return Archive(opened, entries, base, findings)


def _without_manifest(entries: dict[str, zipfile.ZipInfo]) -> Finding:
    """What the archive is instead of a SCORM package, as far as its file names tell."""
    names = {name.rsplit("/", 1)[-1].lower() for name in entries}
    endings = {f"*.{name.rsplit('.', 1)[-1]}" for name in names}
    what = next((what for mark, what in _OTHER_STANDARDS.items() if mark in names | endings), None)
    if what is not None:
        return finding("other-standard", f"It is {what}.")
    if len(entries) == 1 and endings == {"*.zip"}:
        return finding("no-manifest", "The archive only holds another one; upload that.")
    if endings & {"*.html", "*.htm"}:
        return finding("no-manifest", "These are plain web pages; publish the course as SCORM instead.")
    return finding("no-manifest")
