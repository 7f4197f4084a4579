"""Where package files lie: a local folder, S3-compatible storage, or memory, behind one small interface.

obstore serves all three with one API; it refuses to overwrite when asked to create, and streams both ways.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import obstore
from obstore.store import LocalStore, MemoryStore, from_url

from courseyard.errors import NotFoundError, SetupError

# S3 wants parts of 5 MiB at least; larger ones only cost memory.
_PART_BYTES = 5 * 1024 * 1024
_STORE_HINT = "Check free disk space and rights of the data directory, or the store's address and keys."


@dataclass(frozen=True, slots=True)
class Stored:
    """A file in the store, opened for reading: its size and its bytes, or the asked part of them."""

    size: int
    start: int
    end: int
    blocks: AsyncIterator[bytes]


class PackageFiles(Protocol):
    """What the product needs of a store. Keys are ``packages/<version>/<path>``."""

    async def put(self, key: str, blocks: Iterable[bytes]) -> int:
        """Write a new file; the number of bytes. Fails if it is there already."""

    async def open(self, key: str, span: tuple[int, int | None] | None = None) -> Stored:
        """Open a file, or the bytes from ``span[0]`` to ``span[1]`` (exclusive; None = the end) of it."""

    async def delete_prefix(self, prefix: str) -> None:
        """Remove all files under a prefix; none is no error."""

    async def written_at(self, prefix: str) -> datetime | None:
        """When the newest file under a prefix was written; None where there is none."""

    async def check(self) -> None:
        """Write, read and remove a small file."""


class ObjectStore:
    """The one adapter, over obstore."""

    def __init__(self, store: Any, folder: Path | None = None) -> None:
        """Wrap a store of obstore; ``folder`` is where a local one lies."""
        self._store = store
        self._folder = folder

    async def put(self, key: str, blocks: Iterable[bytes]) -> int:
        """Write a new file in parts.

        Raises:
            SetupError: the store does not take it (full, no rights, unreachable).
        """
        source = iter(blocks)
        head = await asyncio.to_thread(_first_part, source)
        size = sum(map(len, head))

        def counted() -> Iterator[bytes]:
            nonlocal size
            yield from head
            for block in source:
                size += len(block)
                yield block

        try:
            if size < _PART_BYTES:
                # One request instead of three; most files of a course are small.
                await obstore.put_async(self._store, key, b"".join(head), mode="create", use_multipart=False)
            else:
                await obstore.put_async(self._store, key, counted(), chunk_size=_PART_BYTES, use_multipart=True)
        except (obstore.exceptions.BaseError, OSError) as error:
            raise SetupError(f"The package store did not take a file: {_short(error)}", hint=_STORE_HINT) from error
        return size

    async def open(self, key: str, span: tuple[int, int | None] | None = None) -> Stored:
        """Open a file for streaming.

        Raises:
            NotFoundError: there is no such file.
        """
        try:
            if span is None:
                found = await obstore.get_async(self._store, key)
            else:
                head = await obstore.head_async(self._store, key)
                end = head["size"] if span[1] is None else min(span[1], head["size"])
                if span[0] >= end:
                    return Stored(head["size"], span[0], span[0], _nothing())
                found = await obstore.get_async(self._store, key, options={"range": (span[0], end)})
        except (FileNotFoundError, ValueError) as error:
            raise NotFoundError(f"There is no file {key.rsplit('/', 1)[-1]} in this package.") from error
        except obstore.exceptions.BaseError as error:
            raise SetupError(f"The package store does not answer: {_short(error)}", hint=_STORE_HINT) from error
        start, end = found.range
        return Stored(found.meta["size"], start, end, _bytes(found))

    async def delete_prefix(self, prefix: str) -> None:
        """Remove all files under a prefix.

        Raises:
            SetupError: the store does not do it (no rights, unreachable).
        """
        try:
            async for batch in obstore.list(self._store, prefix=prefix):
                await obstore.delete_async(self._store, [entry["path"] for entry in batch])
            if self._folder is not None:
                # A killed write leaves a part that the local store itself does not list.
                await asyncio.to_thread(shutil.rmtree, self._folder / prefix, ignore_errors=True)
        except (obstore.exceptions.BaseError, OSError) as error:
            raise SetupError(f"The package store does not delete: {_short(error)}", hint=_STORE_HINT) from error

    async def written_at(self, prefix: str) -> datetime | None:
        """When the newest file under a prefix was written.

        Raises:
            SetupError: the store does not answer.
        """
        if self._folder is not None:
            return await asyncio.to_thread(_changed_at, self._folder / prefix)
        newest = None
        try:
            async for batch in obstore.list(self._store, prefix=prefix):
                times = [entry["last_modified"] for entry in batch]
                newest = max([*times, newest] if newest else times, default=None)
        except (obstore.exceptions.BaseError, OSError) as error:
            raise SetupError(f"The package store does not answer: {_short(error)}", hint=_STORE_HINT) from error
        return newest

    async def check(self) -> None:
        """Write, read and remove a small file.

        Raises:
            SetupError: one of the three did not work.
        """
        key = "check/courseyard"
        await self.delete_prefix("check")
        await self.put(key, [b"ok"])
        await self.delete_prefix("check")


def store_prefix(version_id: str) -> str:
    """Where the files of a version lie in the store."""
    return f"packages/{version_id}"


def open_store(address: str | None, data: Path) -> ObjectStore:
    """The store of an installation: an address like ``s3://bucket/prefix``, else the folder ``DATA/packages``.

    Raises:
        SetupError: the address cannot be read or the folder cannot be made.
    """
    try:
        if address is None:
            folder = data.absolute() / "packages"
            folder.mkdir(parents=True, exist_ok=True)
            return ObjectStore(LocalStore(prefix=folder, automatic_cleanup=True), folder)
        if address == "memory:///":
            return ObjectStore(MemoryStore())
        return ObjectStore(from_url(address))
    except (obstore.exceptions.BaseError, OSError, ValueError) as error:
        raise SetupError(
            f"The package store cannot be opened: {_short(error)}",
            hint="Check COURSEYARD_PACKAGE_STORE (for example s3://bucket/prefix) or the data directory's rights.",
        ) from error


def _changed_at(folder: Path) -> datetime | None:
    """When something in a folder last changed; parts of files that the store does not list count too."""
    times = []
    for path in (folder, *folder.rglob("*")):
        with suppress(FileNotFoundError):
            times.append(path.stat().st_mtime)
    return datetime.fromtimestamp(max(times), UTC) if times else None


def _first_part(blocks: Iterator[bytes]) -> list[bytes]:
    """As many blocks as fill a part, or all there are. Reads and unpacks: not for the event loop."""
    taken, size = [], 0
    for block in blocks:
        taken.append(block)
        size += len(block)
        if size >= _PART_BYTES:
            break
    return taken


async def _bytes(found: Any) -> AsyncIterator[bytes]:
    async for block in found.stream():
        yield bytes(block)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


def _short(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
