"""Partners for the tests: stand-in servers on this machine that speak a partner's real wire format, and connectors on them.

``serve(app)`` runs an ASGI application as long as the test lasts and gives its address. ``connected(Kind, address, …)`` is
a connector as the product builds it, with waits that cost no time. ``fetch_all`` runs a stream to its end.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import uvicorn

from courseyard.cli.running import listen
from courseyard.partners.client import PartnerClient
from courseyard.partners.connector import Config, Connector, Cursor, Page, Scope, Stream
from courseyard.partners.records import Record

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class served:  # noqa: N801  # reads as what it is: a context manager
    """Run an ASGI application on a free port of this machine, as long as the block lasts; gives its address."""

    def __init__(self, app: Any) -> None:
        self._sockets = listen(None, 0)
        self.address = f"http://127.0.0.1:{self._sockets[0].getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning", access_log=False))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": self._sockets}, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        with httpx.Client() as client:
            for _ in range(200):
                if self._server.started:
                    break
                threading.Event().wait(0.02)
            client.get(self.address + "/", timeout=10)
        return self.address

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)


@pytest.fixture
def serve() -> Iterator[Callable[[Any], str]]:
    """Run stand-in applications."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(served(app))


@dataclass
class Connected:
    """A connector, and the waits that it would have made."""

    make: Callable[..., Connector]
    waits: list[float] = field(default_factory=list)


@pytest.fixture
async def connected() -> AsyncIterator[Connected]:
    """Builds connectors as the product does; ``waits`` collects the seconds that they would have slept."""
    async with httpx.AsyncClient() as http:
        found: Connected

        async def sleep(seconds: float) -> None:
            found.waits.append(seconds)

        def make(kind: type[Connector], address: str, **values: Any) -> Connector:
            client = PartnerClient(http, address, requests_per_minute=60_000, sleep=sleep)
            config = Config("11111111-1111-4111-8111-111111111111", {"base_url": address, **values}, f"{address}/in")
            return kind(config, client)

        found = Connected(make)
        yield found


async def fetch_all(
    connector: Connector, stream: Stream, courses: tuple[str, ...] = (), since: Cursor | None = None
) -> tuple[list[Record], Page]:
    """All records of a stream and its last page; a stream that does not end fails the test."""
    records: list[Record] = []
    cursor: Cursor | None = None
    for _ in range(1_000):
        page = await connector.fetch(stream, cursor, Scope(courses=courses, since=since, now=NOW))
        records += page.records
        if page.next is None:
            return records, page
        assert page.next != cursor, "the cursor stands still"
        cursor = page.next
    raise AssertionError("the stream does not end")
