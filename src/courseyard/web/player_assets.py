"""The player page's scripts, styles and data-model tables, under an address that changes when any of them does."""

from __future__ import annotations

import gzip
import re
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from courseyard.content.media import media_type
from courseyard.datamodel import table_json
from courseyard.errors import NotFoundError

WEB = Path(__file__).parent
PLAYER = WEB / "player"
_SERVED = {".js", ".css", ".svg"}
_SHARED = ("design.css", "icon.svg")
_TABLES = {"tables/scorm12.json": "1.2", "tables/scorm2004.json": "2004"}


# Whole lines that are comments, and indentation: half of what a phone would load, and nothing that runs.
_COMMENT_LINES = re.compile(r"^[ \t]*(?://[^\n]*|/\*\*(?:(?!\*/).)*?\*/[ \t]*)\n", re.MULTILINE | re.DOTALL)
_CASTS = re.compile(r"/\*\* @type [^\n*]*\*/ ?")
_INDENTATION = re.compile(r"^[ \t]+|\n(?=\n)", re.MULTILINE)


def lean(script: str) -> str:
    """A script without its comment lines, type casts and indentation.

    Scripts of the player have no text of several lines, and none with a cast in it.
    """
    return _INDENTATION.sub("", _CASTS.sub("", _COMMENT_LINES.sub("", script)))


class PlayerAssets:
    """All files of the player in memory: together they are some 100 kB."""

    def __init__(self) -> None:
        """Read them once."""
        files = {p.name: p.read_bytes() for p in sorted(PLAYER.iterdir()) if p.suffix in _SERVED}
        files |= {name: lean(content.decode()).encode() for name, content in files.items() if name.endswith(".js")}
        files |= {name: (WEB / "static" / name).read_bytes() for name in _SHARED}
        files |= {name: table_json(standard).encode() for name, standard in _TABLES.items()}
        digest = sha256()
        for name in sorted(files):
            digest.update(name.encode() + b"\0" + files[name] + b"\0")
        self._digest = digest.hexdigest()[:16]
        self._files = {name: (content, gzip.compress(content, 9, mtime=0)) for name, content in files.items()}

    @property
    def address(self) -> str:
        """The folder's path on the content origin."""
        return f"/play/assets/{self._digest}"

    async def serve(self, request: Request) -> Response:
        """One file. A page of an earlier release gets the present file, but does not keep it."""
        name = request.path_params["path"]
        found = self._files.get(name)
        if found is None:
            raise NotFoundError(f"The player has no file '{name[:100]}'.")
        fits = request.path_params["digest"] == self._digest
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable" if fits else "no-store",
            "Content-Type": f"{media_type(name)}; charset=utf-8",
            "Vary": "Accept-Encoding",
        }
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(found[1], headers=headers | {"Content-Encoding": "gzip"})
        return Response(found[0], headers=headers)
