"""Files of packages: by signed prefix, in parts where asked (video), kept by caches: a version never changes."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from courseyard.content.media import media_type
from courseyard.content.store import PackageFiles, Stored, store_prefix
from courseyard.db import Database
from courseyard.errors import NotFoundError
from courseyard.limits import CONTENT_PREFIX_BUCKET
from courseyard.runtime import ContentPrefixes

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_MAX_AGE = int(CONTENT_PREFIX_BUCKET.total_seconds())


class ContentFiles:
    """Serves the files of package versions."""

    def __init__(
        self, db: Database, store: PackageFiles, prefixes: ContentPrefixes, clock: Callable[[], datetime]
    ) -> None:
        """``prefixes`` says which version a prefix opens."""
        self._db = db
        self._store = store
        self._prefixes = prefixes
        self._clock = clock

    async def serve(self, request: Request) -> Response:
        """One file, or the asked part of it."""
        version = self._prefixes.version(request.path_params["prefix"], self._clock())
        path = clean_path(request.path_params["path"])
        headers = {
            "Accept-Ranges": "bytes",
            "Cache-Control": f"public, max-age={_MAX_AGE}, immutable",
            "ETag": f'"{sha256(f"{version}/{path}".encode()).hexdigest()[:32]}"',
        }
        if _matches(request.headers.get("if-none-match", ""), headers["ETag"]):
            return Response(status_code=304, headers=headers)
        span = asked_span(request.headers.get("range", ""))
        if request.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
            span = None
        file = await self._open(version, path, span)
        return _answer(request.method, path, file, span, headers)

    async def _open(self, version: str, path: str, span: tuple[int, int | None] | None) -> Stored:
        try:
            return await self._read(version, path, span)
        except NotFoundError:
            other = await self._db.one("runtime.file_by_other_case", version_id=version, path=path)
            if other is None or other["path"] == path:
                raise
            return await self._read(version, other["path"], span)

    async def _read(self, version: str, path: str, span: tuple[int, int | None] | None) -> Stored:
        key = f"{store_prefix(version)}/{path}"
        if span is not None and span[0] < 0:  # the last so many bytes
            size = (await self._store.open(key, (0, 0))).size
            span = (max(0, size + span[0]), None)
        return await self._store.open(key, span)


def clean_path(path: str) -> str:
    """A file's path inside its package.

    Raises:
        NotFoundError: it would lead out of the package, or is no path.
    """
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if not parts or ".." in parts or any(c in path for c in "\\\0"):
        raise NotFoundError("There is no such file in this package.")
    return "/".join(parts)


def asked_span(header: str) -> tuple[int, int | None] | None:
    """The one part that a Range header asks for: start and end (exclusive), or (-n, None) for the last n bytes.

    None for the whole file: no header, several parts, or nonsense, all of which a server may answer in full.
    """
    found = _RANGE.fullmatch(header.strip())
    if not found or not (found[1] or found[2]):
        return None
    if not found[1]:
        return (-int(found[2]), None) if int(found[2]) else None
    start = int(found[1])
    if not found[2]:
        return (start, None)
    return (start, int(found[2]) + 1) if int(found[2]) >= start else None


def _answer(
    method: str, path: str, file: Stored, span: tuple[int, int | None] | None, headers: dict[str, str]
) -> Response:
    if span is not None and file.start >= file.end:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{file.size}"})
    kind = media_type(path)
    length = file.end - file.start if span is not None else file.size
    headers |= {"Content-Length": str(length), "Content-Type": kind}
    if span is not None:
        headers["Content-Range"] = f"bytes {file.start}-{file.end - 1}/{file.size}"
    status = 200 if span is None else 206
    if method == "HEAD" or length == 0:
        return Response(status_code=status, headers=headers)
    return StreamingResponse(file.blocks, status_code=status, headers=headers)


def _matches(header: str, etag: str) -> bool:
    return any(given.strip().removeprefix("W/") in {etag, "*"} for given in header.split(","))
