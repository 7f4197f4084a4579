"""A running server for the tests: both origins on a free port, a database of its own, a data folder of its own.

``site``: the running server. ``site.client()`` is a program's HTTP client, ``site.browser(...)`` one that behaves
like a browser that is signed in as somebody.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg
import pytest
import uvicorn

from courseyard.cli.running import listen
from courseyard.demo import build_courses
from courseyard.jobs import Jobs
from courseyard.main import compose
from courseyard.settings import Settings
from courseyard.web.context import Services
from courseyard.web.origins import Origins

SERVICE_KEY = "service-key-of-the-tests-0123456789abcdef"
PASSWORD = "correct horse battery"

DEMO = dict(build_courses())
LIFTING = DEMO["lifting.zip"]
PRIVACY = DEMO["privacy.zip"]

T = TypeVar("T")


def upload(
    client: httpx.Client, content: bytes = LIFTING, name: str = "lifting.zip", path: str = "/api/packages"
) -> httpx.Response:
    """Upload a package."""
    return client.post(path, files={"file": (name, content, "application/zip")})


@dataclass
class RunningSite:
    """What tests know of the server under test."""

    settings: Settings
    database_url: str
    origins: Origins
    services: Services
    loop: asyncio.AbstractEventLoop
    jobs: Jobs
    clients: list[httpx.Client] = field(default_factory=list)

    @property
    def app(self) -> str:
        """Address of the app origin."""
        return str(self.origins.app)

    @property
    def content(self) -> str:
        """Address of the content origin."""
        return str(self.origins.content)

    def run(self, work: Awaitable[T]) -> T:
        """Run a coroutine of the services inside of the server."""
        return asyncio.run_coroutine_threadsafe(_await(work), self.loop).result(30)

    def work(self) -> None:
        """Do the background jobs until nothing is left to do now."""
        asyncio.run_coroutine_threadsafe(self.jobs.drain(), self.loop).result(120)

    def sql(self, query: str, *params: Any) -> list[tuple[Any, ...]]:
        """Ask the database directly, as its owner."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(query, params)
            return cursor.fetchall() if cursor.description else []

    def client(self, key: str | None = SERVICE_KEY, **headers: str) -> httpx.Client:
        """A program's client; without a key it is nobody's."""
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        return self._keep(httpx.Client(base_url=self.app, headers=headers, timeout=30))

    def browser(self, profile_id: str | None = None) -> httpx.Client:
        """A client that sends what a browser sends from the app's own pages, signed in if somebody is named."""
        client = self.client(None, Origin=self.app, **{"Sec-Fetch-Site": "same-origin"})
        if profile_id is not None:
            token = self.run(self.services.accounts.make_link(profile_id))
            assert client.post(f"/sign-in/link/{token}").status_code == 303
        return client

    def person(self, role: str = "student", email: str | None = None, password: str | None = None) -> str:
        """Somebody with an account."""
        [(known,)] = self.sql("select count(*) from public.profiles")
        email = email or f"{role}-{known}@example.org"
        profile_id = self.run(self.services.directory.make_person(email, f"The {role}", role))
        if password:
            self.run(self.services.accounts.set_password(profile_id, password))
        return profile_id

    def _keep(self, client: httpx.Client) -> httpx.Client:
        self.clients.append(client)
        return client


async def _await(work: Awaitable[T]) -> T:
    return await work


@pytest.fixture
def site(db_url: str, tmp_path: Path) -> Iterator[RunningSite]:
    """A running server with the usual settings."""
    with running_site(Settings(data=tmp_path / "data", service_key=SERVICE_KEY), db_url) as running:
        yield running


class running_site:  # noqa: N801  # reads as what it is: a context manager
    """Run a server with these settings in a thread, as long as the block lasts."""

    def __init__(self, settings: Settings, database_url: str) -> None:
        self._settings = settings
        self._url = database_url
        self._ready: threading.Event = threading.Event()
        self._site: RunningSite | None = None
        self._server: uvicorn.Server | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> RunningSite:
        self._thread.start()
        assert self._ready.wait(30), "the server did not start"
        if self._error is not None:
            raise self._error
        assert self._site is not None
        return self._site

    def __exit__(self, *_: object) -> None:
        assert self._site is not None and self._server is not None
        for client in self._site.clients:
            client.close()
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive(), "the server did not stop"

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._error = error
            self._ready.set()

    async def _serve(self) -> None:
        sockets = listen(None, 0)
        port = sockets[0].getsockname()[1]
        origins = Origins.of(self._settings.app_url, self._settings.content_url, port)
        async with compose(self._settings, self._url, origins) as site:
            config = uvicorn.Config(site.application, lifespan="off", log_level="warning", access_log=False)
            self._server = _Announcing(config, self._ready.set)
            self._site = RunningSite(
                self._settings, self._url, origins, site.services, asyncio.get_running_loop(), site.jobs
            )
            await self._server.serve(sockets)


class _Announcing(uvicorn.Server):
    """Tells when it answers."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = started

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self._on_started()
