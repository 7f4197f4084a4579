"""The demo courses: their sources, and how they become packages.

Three small courses of our own: a SCORM 1.2 lesson with a scored quiz, a SCORM 1.2 course of several SCOs, and a
SCORM 2004 course whose sequencing lets the learner skip what a pre-test shows to be known.
"""

from __future__ import annotations

import io
import zipfile
from importlib import resources
from importlib.resources.abc import Traversable

COURSES = ("lifting", "workshop", "privacy")

# Same sources, same bytes: the digest of a demo package tells whether it is loaded already.
_STAMP = (2026, 1, 1, 0, 0, 0)


def build_courses() -> list[tuple[str, bytes]]:
    """Build every demo course: file name and zip, byte for byte the same at each call."""
    sources = resources.files(__name__) / "courses"
    shared = _files(sources / "shared")
    return [(f"{name}.zip", _zip(_files(sources / name) | shared)) for name in COURSES]


def _files(folder: Traversable) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _STAMP)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, files[name])
    return buffer.getvalue()


def partner_files() -> dict[str, bytes]:
    """What the demo's partner delivers: CSV files by name, and ``columns.json``, which says which column is which."""
    folder = resources.files(__name__) / "partner"
    return {file.name: file.read_bytes() for file in folder.iterdir()}
