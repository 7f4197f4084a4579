"""A multipart upload, streamed to a file while it comes in: memory use does not depend on its size."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from courseyard.errors import InvalidInputError, MalformedBodyError, TooLargeError
from courseyard.limits import ABANDONED_AFTER, GIB, MAX_UPLOAD_BYTES, MIB

# What multipart adds around the file: part headers and a few small form fields.
_ENVELOPE_BYTES = 64 * 1024
_PREFIX = "upload-"
_MAX_HEADER_BYTES = 8 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came in, ``size`` bytes of it. It is gone when the request is done."""

    path: Path
    file_name: str
    size: int

    def check_size(self, most: int, hint: str) -> None:
        """Before it is read: whether a page takes so much.

        Raises:
            TooLargeError: it is larger than ``most`` bytes.
        """
        if self.size > most:
            raise TooLargeError(f"'{self.file_name}' is larger than {most // MIB} MiB.", hint=hint)


@asynccontextmanager
async def receive_file(request: Request, folder: Path, field: str = "file") -> AsyncIterator[Upload]:
    """Take the file part called ``field`` of a multipart request; other parts are passed over.

    Raises:
        MalformedBodyError: no multipart, or a broken one, or the sender went away.
        InvalidInputError: there is no such file in it.
        TooLargeError: more than MAX_UPLOAD_BYTES.
    """
    parts = _Parts(_boundary(request), field)
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > MAX_UPLOAD_BYTES + _ENVELOPE_BYTES:
        raise _too_large()
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=_PREFIX, suffix=".zip") as target:
        size = await _stream(request, parts, target)
        await asyncio.to_thread(target.flush)
        if parts.file_name is None or not parts.complete:
            errors = [{"field": field, "message": "A file is required."}]
            raise InvalidInputError(f"There is no file called '{field}' in the request.", errors=errors)
        yield Upload(Path(target.name), parts.file_name, size)


def remove_abandoned_uploads(folder: Path, now: datetime) -> None:
    """Remove what uploads left that ended with the server's own death."""
    for path in folder.glob(f"{_PREFIX}*"):
        with suppress(FileNotFoundError):
            if now.timestamp() - path.stat().st_mtime > ABANDONED_AFTER.total_seconds():
                path.unlink()


async def _stream(request: Request, parts: _Parts, target: IO[bytes]) -> int:
    """Write the file as it comes in; its size."""
    size = 0
    try:
        async for chunk in request.stream():
            parts.feed(chunk)
            data = parts.take()
            size += len(data)
            if size > MAX_UPLOAD_BYTES:
                raise _too_large()
            if data:
                await asyncio.to_thread(target.write, data)
    except MultipartParseError as error:
        raise MalformedBodyError("The multipart body is broken.") from error
    except ClientDisconnect as error:
        raise MalformedBodyError("The upload was broken off.") from error
    return size


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise MalformedBodyError("The request is no multipart/form-data with a boundary.")
    return boundary


class _Parts:
    """Follows the parser through the parts and keeps the bytes of the one file that is wanted."""

    def __init__(self, boundary: bytes, field: str) -> None:
        self.file_name: str | None = None
        self.complete = False
        self._field = field.encode()
        self._wanted = False
        self._data = bytearray()
        self._name = bytearray()
        self._value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
            },
        )

    def feed(self, chunk: bytes) -> None:
        """Read on."""
        self._parser.write(chunk)

    def take(self) -> bytes:
        """The bytes of the file since the last call."""
        data = bytes(self._data)
        self._data.clear()
        return data

    def _on_part_begin(self) -> None:
        self._headers = {}
        self._wanted = False

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._grow(self._name, data[start:end])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._grow(self._value, data[start:end])

    def _on_header_end(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"filename")
        if options.get(b"name") == self._field and name and self.file_name is None:
            # Some browsers sent whole paths; only the last part is a name.
            self.file_name = PurePosixPath(name.decode("utf-8", "replace").replace("\\", "/")).name[:255] or "upload"
            self._wanted = True

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._wanted:
            self._data += data[start:end]

    def _on_part_end(self) -> None:
        self.complete = self.complete or self._wanted
        self._wanted = False

    @staticmethod
    def _grow(part: bytearray, data: bytes) -> None:
        part += data
        if len(part) > _MAX_HEADER_BYTES:
            raise MalformedBodyError("A part of the multipart body has headers without end.")


def _too_large() -> TooLargeError:
    return TooLargeError(
        f"The file is larger than {MAX_UPLOAD_BYTES // GIB} GiB.",
        hint="Shrink its videos, or host them elsewhere and link to them.",
    )
