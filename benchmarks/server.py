"""A migrated database of its own for a benchmark, gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from courseyard.db.embedded import EmbeddedServer
from courseyard.db.migrate import apply


@contextmanager
def migrated_server() -> Iterator[tuple[str, Path]]:
    """The URL of an embedded server, and a temporary folder."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server's own user must find its data
        server = EmbeddedServer(folder / "data")
        try:
            url = server.start()
            apply(url)
            yield url, folder
        finally:
            server.stop()
