"""``courseyard serve``: the server, with the embedded database around it where no other is named."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Protocol

import structlog
import typer
import uvloop

from courseyard.cli.running import Server, StopSignals, listen
from courseyard.db.embedded import EmbeddedServer
from courseyard.db.migrate import ensure_current
from courseyard.settings import Settings, read_settings
from courseyard.web.context import Services
from courseyard.web.origins import Origins

log = structlog.get_logger()

# A database that is away for a moment is asked again this much later.
_WORKER_PAUSE_SECONDS = 5.0

PortOption = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")]
DataOption = Annotated[Path | None, typer.Option(help="Directory for packages, keys and the embedded database.")]
HostOption = Annotated[str | None, typer.Option(help="Address to listen on; this machine alone when absent.")]


class Worker(Protocol):
    """Works on background jobs."""

    async def run(self) -> None:
        """Work until cancelled."""


class Site(Protocol):
    """A composed server: the ASGI application and what it works with."""

    @property
    def application(self) -> Any:
        """What the web server calls."""

    @property
    def services(self) -> Services:
        """What the request handlers use."""

    @property
    def jobs(self) -> Worker:
        """What works on the background jobs."""


Compose = Callable[[Settings, str, Origins], AbstractAsyncContextManager[Site]]
Greeting = Callable[[Site], Awaitable[list[str]]]


def register(commands: typer.Typer, compose: Compose) -> None:
    """Add the command. ``compose`` is the composition root's."""

    @commands.command()
    def serve(port: PortOption = 8000, data: DataOption = None, host: HostOption = None) -> None:
        """Start the server. Ctrl-C stops it."""
        run_server(compose, settings_with(data), host, port, _greet)


def settings_with(data: Path | None) -> Settings:
    """The settings of the environment; the command line's data directory goes first."""
    settings = read_settings()
    return settings if data is None else dataclasses.replace(settings, data=data)


def run_server(compose: Compose, settings: Settings, host: str | None, port: int, greet: Greeting) -> None:
    """Serve until told to stop; then the database is stopped too.

    Raises:
        SetupError: the port, the data directory or the database is not usable.
    """
    signals = StopSignals()
    sockets = listen(host, port)
    origins = Origins.of(settings.app_url, settings.content_url, sockets[0].getsockname()[1])

    async def run(database_url: str) -> None:
        async with compose(settings, database_url, origins) as site:
            lines = await greet(site)
            server = Server(
                site.application,
                trusted_proxies=settings.trusted_proxies,
                started=lambda: typer.echo("\n".join(lines)),
                signals=signals,
            )
            async with working(site.jobs if settings.worker else None):
                await server.serve(sockets)

    with database(settings) as database_url, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(database_url))
    typer.echo("Stopped.")


@asynccontextmanager
async def working(worker: Worker | None) -> AsyncIterator[None]:
    """Let a worker do the background jobs as long as this is open. One that breaks is started again, and told."""

    async def keep(worker: Worker) -> None:
        while True:
            try:
                await worker.run()
            except Exception as error:
                log.error("jobs: the worker broke off and starts again", error=repr(error))
            await asyncio.sleep(_WORKER_PAUSE_SECONDS)

    task = asyncio.create_task(keep(worker)) if worker is not None else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The database's address; the embedded server runs, and is up to date, as long as this is open."""
    if settings.database_url is not None:
        ensure_current(settings.database_url, embedded=False)
        yield settings.database_url
        return
    embedded = EmbeddedServer(
        settings.data, programs=settings.postgres_bin, user=settings.postgres_user, report=typer.echo
    )
    try:
        address = embedded.start()
        ensure_current(address, embedded=True)
        yield address
    finally:
        embedded.stop()


async def _greet(site: Site) -> list[str]:
    svc = site.services
    lines = [f"Courseyard is ready: {svc.origins.app}", f"REST interface: {svc.origins.app}/api/docs"]
    if await svc.db.one("people.any_account") is None:
        lines.append("Nobody can sign in yet. Let an administrator in: courseyard admin you@example.org")
    return [*lines, "Ctrl-C stops it."]
