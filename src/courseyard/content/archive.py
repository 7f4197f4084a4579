"""A package's zip archive, checked before anything of it is unpacked.

What the central directory says is checked first; what is then read is counted again, as a directory can lie.
"""

from __future__ import annotations

import stat
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import TracebackType

from courseyard.content.findings import Finding, finding, has_errors
from courseyard.errors import ContentError
from courseyard.limits import (
    COMPRESSION_RATIO_FROM_BYTES,
    MAX_COMPRESSION_RATIO,
    MAX_MANIFEST_BYTES,
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
    "cmi5.xml": "cmi5",
    "tincan.xml": "xAPI (Tin Can)",
    "course.au": "AICC",
    "course.crs": "AICC",
    "h5p.json": "H5P",
}


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
            with self.zip.open(info) as file:
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


def open_archive(path: Path) -> Archive:
    """Open and check a package's zip file.

    Raises:
        BadPackageError: it is no package that can be unpacked safely; carries every finding.
    """
    try:
        opened = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError, OverflowError) as error:
        raise BadPackageError([_what_else(path)]) from error
    try:
        return _checked(opened)
    except BaseException:
        opened.close()
        raise


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
    infos = [info for info in opened.infolist() if not info.is_dir()]
    if len(infos) > MAX_PACKAGE_FILES:
        raise BadPackageError(
            [finding("too-many-files", f"It has {len(infos):,}; {MAX_PACKAGE_FILES:,} are accepted.")]
        )
    total = sum(info.file_size for info in infos)
    if total > MAX_UNPACKED_BYTES:
        raise BadPackageError([finding("too-large", f"Unpacked it would take {total:,} bytes.")])
    entries: dict[str, zipfile.ZipInfo] = {}
    seen: dict[str, str] = {}
    for info in infos:
        name = _name(info, findings)
        if name is None:
            continue
        _check_entry(info, name, findings)
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            findings.append(finding("duplicate-name", f"{seen[folded]} and {name}.", file=name))
            continue
        seen[folded] = name
        entries[name] = info
    if has_errors(findings):
        raise BadPackageError(_condensed(findings))
    return _at_root(opened, entries, _condensed(findings))


def _name(info: zipfile.ZipInfo, findings: list[Finding]) -> str | None:
    """The entry's name with forward slashes; None for what operating systems leave behind."""
    # zipfile has replaced the platform's separator already; orig_filename is what the archive holds.
    raw = info.orig_filename.split("\0", 1)[0]
    if "\\" in raw:
        findings.append(finding("backslash-name", file=raw))
    if not info.flag_bits & 0x800 and not raw.isascii():
        findings.append(finding("odd-name", file=raw))
    name = unicodedata.normalize("NFC", raw.replace("\\", "/"))
    parts = PurePosixPath(name).parts
    if parts and (parts[0] == "__MACOSX" or parts[-1].lower() in _JUNK or parts[-1].startswith("._")):
        findings.append(finding("junk-file", file=name))
        return None
    return name


def _check_entry(info: zipfile.ZipInfo, name: str, findings: list[Finding]) -> None:
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or (len(name) > 1 and name[1] == ":") or "" in parts or "." in parts:
        findings.append(finding("unsafe-path", f"It is {name!r}.", file=name))
    if len(name.encode()) > MAX_PATH_BYTES or any(ord(c) < 32 or ord(c) == 127 for c in name):
        findings.append(finding("unsafe-path", "It is too long or has control characters.", file=name[:80]))
    if info.flag_bits & 0x1:
        findings.append(finding("encrypted", file=name))
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.create_system == 3 and kind not in (0, stat.S_IFREG):
        findings.append(finding("special-file", file=name))
    if info.file_size > COMPRESSION_RATIO_FROM_BYTES and info.file_size > MAX_COMPRESSION_RATIO * max(
        1, info.compress_size
    ):
        findings.append(
            finding("suspicious-compression", f"{info.file_size:,} bytes from {info.compress_size:,}.", file=name)
        )


def _condensed(findings: list[Finding], most: int = 20) -> list[Finding]:
    """At most so many findings per code; a thousand alike tell no more."""
    counts: dict[str, int] = {}
    kept = []
    for one in findings:
        counts[one.code] = counts.get(one.code, 0) + 1
        if counts[one.code] <= most:
            kept.append(one)
    return kept + [finding(code, f"… and {count - most:,} more.") for code, count in counts.items() if count > most]


def _at_root(opened: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], findings: list[Finding]) -> Archive:
    """Find the manifest, and take the folder it lies in as the package's root."""
    manifests = sorted(
        (name for name in entries if name.rsplit("/", 1)[-1].lower() == MANIFEST), key=lambda n: (n.count("/"), n)
    )
    if not manifests:
        lower = {name.rsplit("/", 1)[-1].lower() for name in entries}
        other = next((what for file, what in _OTHER_STANDARDS.items() if file in lower), None)
        raise BadPackageError(
            [finding("other-standard", f"It is {other}.") if other else finding("no-manifest"), *findings]
        )
    found = manifests[0]
    folder, _, base = found.rpartition("/")
    if base != MANIFEST:
        findings.append(finding("manifest-case", f"It is {base}.", file=found))
    if folder:
        findings.append(finding("nested-root", f"The folder is {folder}.", file=found))
        prefix = f"{folder}/"
        entries = {name.removeprefix(prefix): info for name, info in entries.items() if name.startswith(prefix)}
    return Archive(opened, entries, base, findings)
