"""``courseyard doctor``: looks at everything the server needs and says what to do about what is not there."""

from __future__ import annotations

import asyncio
import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import typer

from courseyard import __version__
from courseyard.cli.serve import DataOption, settings_with
from courseyard.content.store import open_store
from courseyard.db import Database
from courseyard.db.embedded import EmbeddedServer
from courseyard.db.plan import make_plan
from courseyard.db.programs import find_programs
from courseyard.errors import CourseyardError, CredentialsKeyError
from courseyard.keys import MIN_SECRET_CHARS, credential_keys, read_secret
from courseyard.partners.sealing import Sealing
from courseyard.settings import Settings, variable
from courseyard.web.origins import Origins

_MARKS = {"ok": "ok      ", "note": "note    ", "problem": "PROBLEM "}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at."""

    state: str
    text: str


def register(commands: typer.Typer) -> None:
    """Add the command."""

    @commands.command()
    def doctor(data: DataOption = None) -> None:
        """Check settings, database, store and addresses; exit code 1 if there is a problem."""
        worst = "ok"
        for line in examine(settings_with(data)):
            typer.echo(f"{_MARKS[line.state]}{line.text}")
            worst = line.state if line.state == "problem" else worst
        if worst == "problem":
            raise typer.Exit(1)


def examine(settings: Settings) -> Iterator[Line]:
    """Look at one thing after the other; a problem with one keeps no other from being looked at."""
    yield Line("ok", f"Courseyard {__version__}, Python {platform.python_version()}, {platform.system()}")
    yield from _settings(settings)
    for look in (_data, _secret, _addresses, _store, _worker, _database, _credentials):
        yield from _guarded(look, settings)


def _guarded(look: Callable[[Settings], Iterator[Line]], settings: Settings) -> Iterator[Line]:
    try:
        yield from look(settings)
    except CourseyardError as error:
        yield Line("problem", f"{error.detail} {error.advice}")


def _settings(settings: Settings) -> Iterator[Line]:
    given = [variable(f.name) for f in fields(settings) if os.environ.get(variable(f.name), "").strip()]
    yield Line("ok", f"Settings: {', '.join(given) or 'none given, all defaults'}")
    unknown = sorted(
        name
        for name in os.environ
        if name.startswith("COURSEYARD_") and name not in {variable(f.name) for f in fields(settings)}
    )
    if unknown:
        yield Line("problem", f"No such setting: {', '.join(unknown)}. Check the spelling in docs/settings.md.")
    if settings.service_key is None:
        yield Line("note", "COURSEYARD_SERVICE_KEY is not set: the REST interface is open to signed-in people only.")
    elif len(settings.service_key) < MIN_SECRET_CHARS:
        yield Line(
            "problem",
            f"COURSEYARD_SERVICE_KEY is shorter than {MIN_SECRET_CHARS} characters; it can be guessed.",
        )


def _data(settings: Settings) -> Iterator[Line]:
    folder = settings.data.absolute()
    if not folder.exists():
        yield Line("note", f"Data directory: {folder} is not there yet; the first start makes it.")
        return
    try:
        with tempfile.TemporaryFile(dir=folder):
            yield Line("ok", f"Data directory: {folder} is writable")
    except OSError as error:
        yield Line("problem", f"Data directory: {folder}: {error.strerror}. Make it writable, or name another.")


def _secret(settings: Settings) -> Iterator[Line]:
    if settings.secret_key is None and not (settings.data / "secret.key").exists():
        yield Line("note", "Signing secret: the first start makes one in the data directory.")
        return
    read_secret(settings.data, settings.secret_key)
    yield Line("ok", "Signing secret: there")


def _addresses(settings: Settings) -> Iterator[Line]:
    origins = Origins.of(settings.app_url, settings.content_url, 8000)
    yield Line("ok", f"Addresses: app {origins.app}, content {origins.content}")
    if origins.app.is_secure != origins.content.is_secure:
        yield Line(
            "problem",
            "One of the two addresses is https and the other is not; browsers will refuse to mix them.",
        )
    elif settings.app_url and not origins.app.is_secure:
        yield Line("note", "The app's address is http: passwords cross the network in the clear unless it is local.")


def _store(settings: Settings) -> Iterator[Line]:
    if settings.package_store is None and not settings.data.exists():
        return
    asyncio.run(open_store(settings.package_store, settings.data).check())
    yield Line("ok", f"Package store: {settings.package_store or settings.data / 'packages'} takes and gives files")


def _worker(settings: Settings) -> Iterator[Line]:
    if settings.worker:
        yield Line("ok", "Background jobs: 'courseyard serve' does them")
    elif settings.database_url is None:
        yield Line("problem", "Background jobs: nobody does them. Unset COURSEYARD_WORKER with the embedded database.")
    else:
        yield Line("note", "Background jobs: 'courseyard serve' does none; keep a 'courseyard worker' running.")


def _credentials(settings: Settings) -> Iterator[Line]:
    """Whether what partners gave us to sign in with can be decrypted; on the embedded database it is its own key."""
    if settings.database_url is None:
        return
    sealing = Sealing(credential_keys(settings.credentials_keys, read_secret(settings.data, settings.secret_key)))
    shut, old = asyncio.run(_sealed(settings.database_url, sealing))
    if shut:
        yield Line("problem", f"Credentials of {shut} partners cannot be decrypted. {CredentialsKeyError.hint}")
    elif old:
        yield Line("note", f"Credentials of {old} partners wait to be sealed with the new key; the next start does it.")
    else:
        yield Line("ok", "Credentials of partners: can be decrypted")


async def _sealed(url: str, sealing: Sealing) -> tuple[int, int]:
    db = Database(url)
    await db.open()
    try:
        sealed = [row["secrets"] for row in await db.all("partners.secrets")]
    finally:
        await db.close()
    return sum(not sealing.opens(one) for one in sealed), sum(not sealing.is_current(one) for one in sealed)


def _database(settings: Settings) -> Iterator[Line]:
    if settings.database_url is not None:
        yield from _plan(settings.database_url)
        return
    programs = find_programs(settings.postgres_bin)
    yield Line("ok", f"Embedded PostgreSQL {programs.major} in {programs.folder}")
    if not (settings.data / "postgres").exists():
        yield Line("note", "Embedded database: the first start makes it.")
        return
    server = EmbeddedServer(settings.data, programs=settings.postgres_bin, user=settings.postgres_user)
    try:
        yield from _plan(server.start())
    finally:
        server.stop()


def _plan(url: str) -> Iterator[Line]:
    found = make_plan(url)
    for check in found.checks:
        if check.state != "ok":
            yield Line(check.state, f"Database: {check.text}")
    good = sum(check.state == "ok" for check in found.checks)
    yield Line("ok", f"Database: {good} checks are good; 'courseyard db plan' shows them all")
    if found.steps:
        yield Line("note", f"Database: {len(found.steps)} steps to do; 'courseyard db plan' lists them.")
