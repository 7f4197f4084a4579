"""Where partners leave files: uploads, a folder of this machine, or S3-compatible storage, behind one small interface.

What lies there is written by strangers: a folder is read below one that the operator named, links are never followed,
and sizes and numbers of files are bounded.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

import obstore
from obstore import exceptions as refused
from obstore.store import from_url

from courseyard.errors import PartnerAnswerError, PartnerRefusedError, PartnerUnreachableError
from courseyard.limits import (
    MAX_PARTNER_FILE_BYTES,
    MAX_PARTNER_FILES,
    PARTNER_FILE_SETTLE_SECONDS,
    PARTNER_TIMEOUT_SECONDS,
)
from courseyard.partners.connector import Config, Option

_FOLDER_HINT = "Check the name of the folder in the provider's settings, and that Courseyard may read it."
_S3_HINT = "Check bucket, prefix, region, endpoint and keys in the provider's settings."
_BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file. ``name`` is its path below the location, with ``/``; ``size`` in bytes.

    ``etag`` changes whenever the content does; it is opaque and compares only with the same source's.
    """

    name: str
    size: int
    modified_at: datetime
    etag: str


class Source(ABC):
    """A place with files."""

    @abstractmethod
    async def list(self) -> list[SourceFile]:
        """All files, the oldest first; hidden ones (a part of the path begins with a dot) are left out.

        Raises:
            PartnerError: the place cannot be read, or holds too many.
        """

    @abstractmethod
    async def read(self, name: str) -> bytes:
        """A file's content.

        Raises:
            PartnerError: it is gone, is larger than accepted, or cannot be read.
        """

    @abstractmethod
    async def write(self, name: str, data: bytes | Path) -> None:
        """Put a file there whole or not at all, in place of one of the same name.

        ``data``: its content, or a file of this machine, which is copied block by block.

        Raises:
            PartnerError: the name leads elsewhere, or the place does not take it.
        """

    @abstractmethod
    async def delete(self, name: str) -> None:
        """Take a file away; one that is not there may be told or not.

        Raises:
            PartnerError: the name leads elsewhere, is no file's, or the place does not let go of it.
        """


SOURCE_OPTIONS: tuple[Option, ...] = (
    Option(
        "source",
        "Where the files are",
        "choice",
        choices={"upload": "Uploaded here", "folder": "A folder on this server", "s3": "S3-compatible storage"},
        default="upload",
        help="Uploaded files are kept; the others are looked through at each sync.",
    ),
    Option(
        "location",
        "Folder or address",
        required=False,
        help="The folder's path below the one that COURSEYARD_PARTNER_FOLDER names, or s3://bucket/prefix.",
    ),
    Option("s3_endpoint", "S3 endpoint", "url", required=False, help="Only for storage other than Amazon's."),
    Option("s3_region", "S3 region", required=False, help="For example eu-central-1."),
    Option(
        "s3_key_id",
        "S3 access key",
        required=False,
        help="It needs the rights to list and to read. Without one, the server's own AWS credentials are used.",
    ),
    Option("s3_secret_key", "S3 secret key", "secret", required=False),
)


def source_of(config: Config) -> Source:
    """The place that ``SOURCE_OPTIONS`` set up. Beside them the product gives ``upload_location``, where it puts what
    is uploaded for this provider, and ``partner_folder``, below which folders may be read.

    Raises:
        PartnerError: it is not set up, or leads where it may not.
    """
    kind = config.text("source") or "upload"
    location = config.text("location")
    if kind == "upload":
        return open_source(config.text("upload_location"))
    if kind == "folder":
        allowed = config.text("partner_folder")
        if not allowed:
            raise PartnerRefusedError(
                "This server reads no folders.", hint="Have its operator set COURSEYARD_PARTNER_FOLDER."
            )
        return open_source(location, within=Path(allowed), settle=timedelta(seconds=PARTNER_FILE_SETTLE_SECONDS))
    if not location.startswith("s3://"):
        raise PartnerAnswerError("The address of the storage is not of the form s3://bucket/prefix.", hint=_S3_HINT)
    names = {"s3_endpoint": "endpoint", "s3_region": "region", "s3_key_id": "access_key_id"}
    s3 = {ours: config.text(name) for name, ours in names.items() if config.text(name)}
    if "endpoint" in s3 and "access_key_id" not in s3:
        # The server's own credentials are for where its operator sends them, not for any address entered here.
        raise PartnerRefusedError("Storage at an endpoint of its own needs a key of its own.", hint=_S3_HINT)
    if config.text("s3_secret_key"):
        s3["secret_access_key"] = config.text("s3_secret_key")
    return open_source(location, s3=s3)


def matches(name: str, patterns: str) -> bool:
    """Whether a file's name is meant by one of the patterns (``enrol*.csv, *.json``), whatever the case."""
    return any(fnmatchcase(name.lower(), pattern.strip().lower()) for pattern in patterns.split(",") if pattern.strip())


def open_source(
    location: str,
    *,
    within: Path | None = None,
    settle: timedelta = timedelta(0),
    s3: dict[str, str] | None = None,
) -> Source:
    """A folder, or ``s3://bucket/prefix``.

    ``within``: the folder may not lie outside of this one; a relative location counts from it. Without, the location is
    trusted and made when it is absent. ``settle``: files changed this recently are left out, since somebody may still
    be writing them. ``s3``: ``endpoint``, ``region``, ``access_key_id``, ``secret_access_key``; what is not given comes
    from the environment, in AWS's usual names.

    Raises:
        PartnerError: the location leads outside, is not there, or cannot be understood.
    """
    if location.startswith("s3://"):
        wait = timedelta(seconds=PARTNER_TIMEOUT_SECONDS)
        options: dict[str, Any] = {
            "config": s3 or {},
            # The endpoint's scheme decides; Amazon's own is always https.
            "client_options": {"connect_timeout": wait, "read_timeout": wait, "allow_http": True},
            "retry_config": {"max_retries": 4, "retry_timeout": 2 * wait},
        }
        try:
            store = from_url(location, **options)
        except (refused.BaseError, ValueError) as error:
            raise PartnerAnswerError("The address of the storage cannot be understood.", hint=_S3_HINT) from error
        return _Bucket(store)
    if not location and within is None:
        raise PartnerAnswerError("No place for the files is set up.", hint=_FOLDER_HINT)
    try:
        if within is None:
            folder = Path(location)
            folder.mkdir(parents=True, exist_ok=True)
            return _Folder(folder.resolve(strict=True), (), settle)
        allowed = within.resolve(strict=True)
        folder = (allowed / location).resolve(strict=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise PartnerUnreachableError("There is no such folder.", hint=_FOLDER_HINT) from error
    if not folder.is_relative_to(allowed):
        raise PartnerRefusedError("This folder lies outside of the one that may be read.", hint=_FOLDER_HINT)
    return _Folder(allowed, folder.relative_to(allowed).parts, settle)


class _Folder(Source):
    """A folder, reached step by step from ``root`` without following a link, also one that is put there meanwhile."""

    def __init__(self, root: Path, below: tuple[str, ...], settle: timedelta) -> None:
        self._root = root
        self._below = below
        self._settle = settle

    async def list(self) -> list[SourceFile]:
        return await asyncio.to_thread(_files, self._root, self._below, datetime.now(UTC) - self._settle)

    async def read(self, name: str) -> bytes:
        return await asyncio.to_thread(self._read, name)

    async def write(self, name: str, data: bytes | Path) -> None:
        await asyncio.to_thread(self._write, name, data)

    async def delete(self, name: str) -> None:
        await asyncio.to_thread(self._delete, name)

    def _delete(self, name: str) -> None:
        parts = _parts(name)
        with _told(f"The file {name}", _FOLDER_HINT), _opened(self._root, self._below + parts[:-1]) as folder:
            if not stat.S_ISREG(os.stat(parts[-1], dir_fd=folder, follow_symlinks=False).st_mode):
                raise PartnerRefusedError(f"{name} is no file.")
            os.unlink(parts[-1], dir_fd=folder)

    def _read(self, name: str) -> bytes:
        parts = _parts(name)
        with _told(f"The file {name}", _FOLDER_HINT), _opened(self._root, self._below + parts[:-1]) as folder:
            # Without O_NONBLOCK, opening a named pipe waits for somebody to write into it.
            handle = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            with open(handle, "rb", buffering=0) as file:  # noqa: PTH123  # a handle, not a path
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise PartnerRefusedError(f"{name} is no file.")
                content = bytearray()
                while block := file.read(_BLOCK):
                    content += block
                    _not_too_large(name, len(content))
        return bytes(content)

    def _write(self, name: str, data: bytes | Path) -> None:
        parts = _parts(name)
        _not_too_large(name, _size(data))
        with _told(f"The file {name}", _FOLDER_HINT):
            folder = self._root.joinpath(*self._below, *parts[:-1])
            folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=folder, prefix=".")
            try:
                with open(handle, "wb") as file:  # noqa: PTH123  # a handle, not a path
                    if isinstance(data, Path):
                        with data.open("rb") as content:
                            shutil.copyfileobj(content, file, _BLOCK)
                    else:
                        file.write(data)
                    file.flush()
                    os.fsync(handle)
                Path(temporary).replace(folder / parts[-1])
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise


class _Bucket(Source):
    """Objects under a prefix."""

    def __init__(self, store: Any) -> None:
        self._store = store

    async def list(self) -> list[SourceFile]:
        found: list[SourceFile] = []
        with _told("The storage", _S3_HINT):
            async for batch in obstore.list(self._store):
                for entry in batch:
                    name = str(entry["path"])
                    if not any(part.startswith(".") for part in name.split("/")):
                        etag = entry["e_tag"] or f"{entry['last_modified'].timestamp()}-{entry['size']}"
                        found.append(SourceFile(name, entry["size"], entry["last_modified"], etag))
                _not_too_many(found)
        return _in_order(found)

    async def read(self, name: str) -> bytes:
        content = bytearray()
        with _told(f"The file {name}", _S3_HINT):
            answer = await obstore.get_async(self._store, "/".join(_parts(name)))
            _not_too_large(name, answer.meta["size"])
            async for block in answer.stream():
                content += block
                _not_too_large(name, len(content))
        return bytes(content)

    async def write(self, name: str, data: bytes | Path) -> None:
        _not_too_large(name, await asyncio.to_thread(_size, data))
        with _told(f"The file {name}", _S3_HINT):
            await obstore.put_async(self._store, "/".join(_parts(name)), data)

    async def delete(self, name: str) -> None:
        with _told(f"The file {name}", _S3_HINT):
            await obstore.delete_async(self._store, "/".join(_parts(name)))


def _files(root: Path, below: tuple[str, ...], newest: datetime) -> list[SourceFile]:
    found: list[SourceFile] = []
    with _told("The folder", _FOLDER_HINT), _opened(root, below) as top:
        for folder, folders, names, handle in os.fwalk(".", dir_fd=top, onerror=_raise):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                try:
                    facts = os.stat(name, dir_fd=handle, follow_symlinks=False)
                except FileNotFoundError:
                    # Moved away by whoever left it there.
                    continue
                changed = datetime.fromtimestamp(facts.st_mtime, UTC)
                if stat.S_ISREG(facts.st_mode) and not name.startswith(".") and changed <= newest:
                    path = PurePosixPath(folder, name).as_posix()
                    etag = f"{facts.st_mtime_ns:x}-{facts.st_size:x}-{facts.st_ino:x}"
                    found.append(SourceFile(path, facts.st_size, changed, etag))
            _not_too_many(found)
    return _in_order(found)


@contextmanager
def _opened(root: Path, parts: tuple[str, ...]) -> Iterator[int]:
    """A handle of a folder below ``root``; each step must be a folder and no link."""
    how = os.O_RDONLY | os.O_DIRECTORY
    handle = os.open(root, how)
    try:
        for part in parts:
            inner = os.open(part, how | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _told(what: str, hint: str) -> Iterator[None]:
    """Turn the refusals of disk and storage into the partner's; their own texts may hold keys and inner addresses."""
    try:
        yield
    except (refused.PermissionDeniedError, refused.UnauthenticatedError, PermissionError) as error:
        raise PartnerRefusedError(f"{what} may not be reached with these rights.") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PartnerAnswerError(f"{what} is not there.", hint="It may have been moved or deleted.") from error
    except (refused.BaseError, OSError, ValueError) as error:
        raise PartnerUnreachableError(f"{what} cannot be reached ({type(error).__name__}).", hint=hint) from error


def _parts(name: str) -> tuple[str, ...]:
    parts = tuple(name.split("/"))
    if any(part in {"", ".", ".."} or "\\" in part or "\0" in part for part in parts):
        raise PartnerRefusedError("This is not the name of a file here.", hint="Use a name without folders above it.")
    return parts


def _size(data: bytes | Path) -> int:
    return data.stat().st_size if isinstance(data, Path) else len(data)


def _not_too_large(name: str, size: int) -> None:
    if size > MAX_PARTNER_FILE_BYTES:
        raise PartnerAnswerError(
            f"{name} is larger than {MAX_PARTNER_FILE_BYTES // 2**20} MiB.", hint="Split the file into several."
        )


def _not_too_many(found: list[SourceFile]) -> None:
    if len(found) > MAX_PARTNER_FILES:
        raise PartnerAnswerError(
            f"There are more than {MAX_PARTNER_FILES:,} files.", hint="Move the older ones to another place."
        )


def _in_order(found: list[SourceFile]) -> list[SourceFile]:
    return sorted(found, key=lambda file: (file.modified_at, file.name))


def _raise(error: OSError) -> None:
    raise error
