"""``courseyard worker``: does the background jobs of a server that runs elsewhere, or beside it without them."""

from __future__ import annotations

import asyncio
import signal

import typer
import uvloop

from courseyard.cli.serve import Compose, DataOption, settings_with, working
from courseyard.db.migrate import ensure_current
from courseyard.errors import SetupError
from courseyard.settings import Settings
from courseyard.web.origins import Origins


def register(commands: typer.Typer, compose: Compose) -> None:
    """Add the command. ``compose`` is the composition root's."""

    @commands.command()
    def worker(data: DataOption = None) -> None:
        """Do background jobs: syncs with partners, enrolments at partners, webhooks. Ctrl-C stops it."""
        run_worker(compose, settings_with(data))


def run_worker(compose: Compose, settings: Settings) -> None:
    """Work until told to stop; what is being done then is finished first.

    Raises:
        SetupError: there is no database that several processes could share, or it is not up to date.
    """
    if settings.database_url is None:
        raise SetupError(
            "The embedded database belongs to 'courseyard serve', which does the background jobs itself.",
            hint="Set COURSEYARD_DATABASE_URL to a server that several processes share, here and for 'serve'.",
        )
    address = settings.database_url
    ensure_current(address, embedded=False)
    origins = Origins.of(settings.app_url, settings.content_url, 8000)

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with compose(settings, address, origins) as site, working(site.jobs):
            typer.echo("Working on background jobs. Ctrl-C stops it.")
            await stop.wait()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    typer.echo("Stopped.")
