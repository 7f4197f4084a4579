"""The composition root: the only module that knows every adapter, and the entry of the command line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import structlog
import typer
from starlette.types import ASGIApp

from courseyard import __version__
from courseyard.cli import admin, db, demo, doctor, package, serve, worker
from courseyard.content import importer
from courseyard.content.leftovers import remove_abandoned
from courseyard.content.store import PackageFiles, open_store
from courseyard.db import Database
from courseyard.errors import CourseyardError
from courseyard.jobs import Jobs
from courseyard.keys import credential_keys, derive_key, read_secret
from courseyard.limits import ABANDONED_AFTER
from courseyard.logs import configure_logs
from courseyard.partners.catalogue import Catalogue
from courseyard.partners.consent import Consents
from courseyard.partners.credentials import Credentials
from courseyard.partners.enrolling import Enrolling
from courseyard.partners.hub import Hub
from courseyard.partners.identity import Identities
from courseyard.partners.inbox import Inbox
from courseyard.partners.mappings import Mappings
from courseyard.partners.outbox import Outbox
from courseyard.partners.providers import Providers
from courseyard.partners.runs import Runs
from courseyard.partners.schedule import Schedule
from courseyard.partners.sealing import Sealing
from courseyard.partners.sync import Syncs
from courseyard.partners.webhooks import Webhooks
from courseyard.people import (
    AccessTokens,
    Accounts,
    Directory,
    Identity,
    NewLearner,
    Passwords,
    SupabaseAdmin,
    SupabaseTokens,
)
from courseyard.runtime import ContentPrefixes, Enrolments, Player, PlayTokens
from courseyard.settings import Settings
from courseyard.web.app import create_app
from courseyard.web.content_files import ContentFiles
from courseyard.web.context import Services
from courseyard.web.origins import OriginRouter, Origins
from courseyard.web.pages.providers import CONNECTED
from courseyard.web.play import create_play_app
from courseyard.web.security import INBOUND
from courseyard.web.uploads import remove_abandoned_uploads

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Site:
    """A composed server."""

    application: ASGIApp
    services: Services
    jobs: Jobs


@dataclass(frozen=True, slots=True)
class _Packages:
    """The importer on this installation's database and store."""

    db: Database
    store: PackageFiles

    async def import_package(
        self, zip_file: Path, file_name: str, *, package_id: str | None, created_by: str | None
    ) -> str:
        imported = await importer.import_package(
            self.db, self.store, zip_file, file_name=file_name, package_id=package_id, created_by=created_by
        )
        return imported.id

    async def delete_package(self, package_id: str) -> None:
        await importer.delete_package(self.db, self.store, package_id)


@asynccontextmanager
async def compose(settings: Settings, database_url: str, origins: Origins) -> AsyncIterator[Site]:
    """Build everything for one process; closed in reverse at the end."""
    configure_logs(settings.log_format)
    secret = read_secret(settings.data, settings.secret_key)
    store = open_store(settings.package_store, settings.data)
    db = Database(database_url, prepared_statements=settings.prepared_statements)
    await db.open()
    try:
        async with httpx.AsyncClient() as client:
            services = _services(settings, origins, db, store, client, secret)
            content = _content_origin(origins, db, store, secret)
            cleaning = asyncio.create_task(_clean_up(db, store, services.upload_folder))
            try:
                yield Site(_application(services, content), services, Jobs(database_url, services.hub))
            finally:
                cleaning.cancel()
                await asyncio.wait([cleaning])
    finally:
        await db.close()


def _services(
    settings: Settings,
    origins: Origins,
    db: Database,
    store: PackageFiles,
    client: httpx.AsyncClient,
    secret: str,
) -> Services:
    access_tokens = AccessTokens(derive_key(secret, "access"))
    supabase = SupabaseTokens(client, settings.supabase_url, settings.supabase_jwt_secret)
    users = SupabaseAdmin(client, settings.supabase_url, settings.supabase_service_role_key)
    directory = Directory(db, users)
    return Services(
        origins=origins,
        db=db,
        accounts=Accounts(db, Passwords()),
        directory=directory,
        identity=Identity(db, settings.service_key, access_tokens, supabase),
        access_tokens=access_tokens,
        packages=_Packages(db, store),
        courses=Enrolments(db, PlayTokens(secret), str(origins.content), _now),
        upload_folder=settings.data / "uploads",
        hub=_hub(settings, origins, db, client, secret, directory),
    )


def _hub(
    settings: Settings,
    origins: Origins,
    db: Database,
    client: httpx.AsyncClient,
    secret: str,
    directory: Directory,
) -> Hub:
    async def make_person(email: str, name: str | None, external_id: str | None) -> str:
        return await directory.learner(NewLearner(email=email, name=name, external_id=external_id))

    sealing = Sealing(credential_keys(settings.credentials_keys, secret))
    webhooks = Webhooks(db, client, sealing, _now)
    files = settings.partner_files or str((settings.data / "partner-files").absolute())
    providers = Providers(
        db,
        client,
        sealing,
        inbound_url=f"{origins.app}{INBOUND}",
        upload_area=files,
        partner_folder=str(settings.partner_folder or ""),
    )
    consents = Consents(db, client, sealing, providers, f"{origins.app}{CONNECTED}")
    runs = Runs(db, providers)
    syncs = Syncs(db, providers, make_person, webhooks.emit, _now)
    return Hub(
        providers=providers,
        consents=consents,
        runs=runs,
        syncs=syncs,
        schedule=Schedule(db, runs, syncs, webhooks.emit),
        catalogue=Catalogue(db, runs),
        identities=Identities(db, runs),
        inbox=Inbox(db, providers),
        webhooks=webhooks,
        credentials=Credentials(db, client, f"{files}/credentials", str(origins.app)),
        mappings=Mappings(db),
        enrolling=Enrolling(db, providers),
        outbox=Outbox(db, providers),
    )


def _content_origin(origins: Origins, db: Database, store: PackageFiles, secret: str) -> ASGIApp:
    prefixes = ContentPrefixes(secret)
    files = ContentFiles(db, store, prefixes, _now)
    return create_play_app(Player(db, PlayTokens(secret), prefixes), files, origins, _now)


def _application(services: Services, content: ASGIApp) -> ASGIApp:
    async def ready() -> None:
        await services.db.one("web.ready")

    return OriginRouter(services.origins, create_app(services), content, ready)


async def _clean_up(db: Database, store: PackageFiles, uploads: Path) -> None:
    """Clear away what killed uploads and imports left: now, and again as more of it grows old enough."""
    while True:
        try:
            await asyncio.to_thread(remove_abandoned_uploads, uploads, _now())
            if removed := await remove_abandoned(db, store, _now()):
                log.info("removed the files of broken-off imports", imports=removed)
        except (CourseyardError, OSError) as error:
            log.warning("could not clean up after broken-off imports", reason=str(error))
        await asyncio.sleep(ABANDONED_AFTER.total_seconds())


def _now() -> datetime:
    return datetime.now(UTC)


commands = typer.Typer(
    name="courseyard",
    help="Imports, plays and tracks SCORM packages on your own PostgreSQL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
serve.register(commands, compose)
worker.register(commands, compose)
demo.register(commands, compose)
admin.register(commands, compose)
doctor.register(commands)
commands.add_typer(db.commands, name="db")
commands.add_typer(package.commands, name="package")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"courseyard {__version__}")
        raise typer.Exit


@commands.callback()
def _main(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show the version."),
) -> None:
    """Imports, plays and tracks SCORM packages on your own PostgreSQL."""


def cli() -> None:
    """Run the command line. An error is one message with what to do, on stderr, and exit code 1."""
    try:
        commands()
    except CourseyardError as error:
        typer.echo(f"courseyard: {error.detail}\n{error.advice}", err=True)
        sys.exit(1)
