"""From an uploaded zip to a course: files in the store, rows in the database, all or nothing."""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from courseyard.content.archive import Archive, BadPackageError, open_archive
from courseyard.content.findings import Finding, finding, has_errors
from courseyard.content.manifest import read_manifest
from courseyard.content.media import media_type
from courseyard.content.metadata import read_metadata_file
from courseyard.content.store import PackageFiles, store_prefix
from courseyard.db import Database, Queries
from courseyard.errors import CourseyardError, NotFoundError
from courseyard.limits import MAX_MANIFEST_BYTES

Document = dict[str, Any]
Progress = Callable[[int, int], None]

# Rows of package_files go in batches of this size: one statement each, parameters well below the protocol's limit.
_ROWS_AT_ONCE = 1_000

# Storage over the network answers in tens of milliseconds; a course of thousands of files should not wait for each.
_FILES_AT_ONCE = 6


@dataclass(frozen=True, slots=True)
class CheckedPackage:
    """A package that can run: what its manifest says and what was found."""

    document: Document
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class ImportedPackage:
    """A package version that now stands in the database."""

    id: str
    version_id: str
    number: int
    title: str
    edition: str
    activities: int
    findings: list[Finding]


def check_package(path: Path) -> CheckedPackage:
    """Read a package without keeping anything of it.

    Raises:
        BadPackageError: it cannot run; carries all findings.
    """
    with open_archive(path) as archive:
        return _check(archive)


async def import_package(
    db: Database,
    store: PackageFiles,
    path: Path,
    *,
    file_name: str,
    package_id: str | None = None,
    title: str | None = None,
    created_by: str | None = None,
    progress: Progress = lambda _done, _total: None,
) -> ImportedPackage:
    """Import a package, or a new version of one; attempts that run stay on the version they began with.

    ``progress`` is told how many of how many files lie in the store.

    Raises:
        BadPackageError: it cannot run; nothing was kept.
        NotFoundError: there is no package ``package_id``.
        SetupError: store or database did not take it; nothing was kept.
    """
    archive = await asyncio.to_thread(open_archive, path)
    with archive:
        checked = await asyncio.to_thread(_check, archive)
        digest = await asyncio.to_thread(_digest, path)
        version_id = str(uuid.uuid4())
        prefix = store_prefix(version_id)
        await db.run("packages.note_files", version_id=version_id)
        try:
            files = await _store_files(store, archive, prefix, progress)
            async with db.transaction() as tx:
                return await _keep(tx, checked, files, version_id, file_name, digest, package_id, title, created_by)
        except BaseException:
            await asyncio.shield(_remove_files(db, store, version_id))
            raise


async def delete_package(db: Database, store: PackageFiles, package_id: str) -> None:
    """Delete a package with everything that hangs on it, its files too.

    Raises:
        NotFoundError: there is no such package.
    """
    versions = await db.all("packages.versions", package_id=package_id)
    if not await db.run("packages.delete", package_id=package_id):
        raise NotFoundError("There is no such package.")
    for version in versions:
        await _remove_files(db, store, version["id"])


async def _remove_files(db: Database, store: PackageFiles, version_id: str) -> None:
    await store.delete_prefix(store_prefix(version_id))
    with suppress(CourseyardError):  # the note may stay: it is settled when leftovers are looked for
        await db.run("packages.settle_files", version_id=version_id)


def activities(document: Document) -> Iterator[Document]:
    """The items of the default organisation that can be opened, in order."""
    organization = next(
        (o for o in document["organizations"] if o["identifier"] == document["default_organization"]),
        document["organizations"][0],
    )
    stack = [organization]
    while stack:
        item = stack.pop()
        if item.get("href"):
            yield item
        stack.extend(reversed(item.get("children", [])))


def edition_name(document: Document) -> str:
    """The standard as people write it."""
    return "1.2" if document["standard"] == "1.2" else f"2004 {document['edition']} Edition"


def _check(archive: Archive) -> CheckedPackage:
    reading = read_manifest(archive.manifest(), files=archive.entries.keys())
    findings = archive.findings + reading.findings
    if reading.document is None or has_errors(findings):
        raise BadPackageError(findings)
    if reading.metadata_file is not None:
        findings += _add_description(archive, reading.metadata_file, reading.document)
    return CheckedPackage(reading.document, findings)


def _add_description(archive: Archive, file: str, document: Document) -> list[Finding]:
    """Complete the document by the description that the manifest only points to; a bad one is no reason to refuse."""
    if file not in archive.entries:
        return [finding("bad-metadata-file", "It is not in the package.", file=file)]
    if archive.entries[file].file_size > MAX_MANIFEST_BYTES:
        return [finding("bad-metadata-file", "It is too large.", file=file)]
    described, findings = read_metadata_file(archive.read(file, MAX_MANIFEST_BYTES), file)
    if described:
        document["metadata"] = described
    return findings


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _store_files(store: PackageFiles, archive: Archive, prefix: str, progress: Progress) -> list[tuple[str, int]]:
    """Store every file, some at a time.

    A write that has begun goes on in the store even if nobody waits for it: whatever happens, those under way are
    awaited, so that the caller can clean up behind them.
    """
    sizes: dict[str, int] = {}
    waiting = iter(archive.names)
    failures: list[BaseException] = []

    async def work() -> None:
        for name in waiting:
            try:
                sizes[name] = await store.put(f"{prefix}/{name}", archive.blocks(name))
                progress(len(sizes), len(archive.entries))
            except Exception as error:
                failures.append(error)
            if failures:
                return

    workers = asyncio.gather(*(work() for _ in range(_FILES_AT_ONCE)))
    try:
        await asyncio.shield(workers)
    except asyncio.CancelledError as error:
        failures.append(error)
        await workers
    if failures:
        raise failures[0]
    return [(name, sizes[name]) for name in archive.names]


async def _keep(
    tx: Queries,
    checked: CheckedPackage,
    files: list[tuple[str, int]],
    version_id: str,
    file_name: str,
    digest: str,
    package_id: str | None,
    title: str | None,
    created_by: str | None,
) -> ImportedPackage:
    document = checked.document
    parts = list(activities(document))
    facts = _public_facts(document, parts)
    if package_id is None:
        row = await tx.one(
            "packages.create", title=title or document["title"] or file_name, created_by=created_by, **facts
        )
    else:
        row = await tx.one("packages.renew", package_id=package_id, title=title, **facts)
    if row is None:
        raise NotFoundError("There is no such package.", hint="It may have been deleted; upload it as a new one.")
    version = await tx.one(
        "packages.add_version",
        id=version_id,
        package_id=row["id"],
        standard=document["standard"],
        edition=document["edition"],
        document=document,
        findings=json.dumps([f.as_json() for f in checked.findings]),
        file_name=file_name,
        sha256=digest,
        file_count=len(files),
        total_bytes=sum(size for _, size in files),
        activity_count=len(parts),
    )
    await tx.run("packages.settle_files", version_id=version_id)
    for start in range(0, len(files), _ROWS_AT_ONCE):
        batch = files[start : start + _ROWS_AT_ONCE]
        await tx.run(
            "packages.add_files",
            version_id=version_id,
            paths=[name for name, _ in batch],
            sizes=[size for _, size in batch],
            types=[media_type(name) for name, _ in batch],
        )
    return ImportedPackage(
        id=row["id"],
        version_id=version_id,
        number=version["number"] if version else 1,
        title=row["title"],
        edition=edition_name(document),
        activities=len(parts),
        findings=checked.findings,
    )


def _public_facts(document: Document, parts: list[Document]) -> dict[str, Any]:
    metadata = document.get("metadata", {})
    return {
        "description": metadata.get("description"),
        "version": edition_name(document),
        "launch_path": parts[0]["href"],
        "duration_minutes": metadata.get("duration_minutes"),
        "passing_score": _passing_score(parts),
        "metadata": {k: v for k, v in metadata.items() if k in {"language", "keywords"}},
    }


def _passing_score(parts: list[Document]) -> int | None:
    """The score in percent that the first part with a mastery score asks for; None where none does."""
    for part in parts:
        mastery = str(part.get("mastery_score", ""))
        if mastery.replace(".", "", 1).isdigit() and float(mastery) <= 100:
            return round(float(mastery))
        primary = part.get("sequencing", {}).get("objectives", {}).get("primary", {})
        if primary.get("satisfied_by_measure"):
            return max(0, round(100 * float(primary.get("min_normalized_measure", 1.0))))
    return None
