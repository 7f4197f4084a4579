"""``courseyard demo``: the server with three courses, a partner, an administrator and a learner in it."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import typer

from courseyard.cli.serve import (
    Compose,
    DataOption,
    HostOption,
    PortOption,
    Site,
    run_server,
    settings_with,
)
from courseyard.demo import build_courses, partner_files
from courseyard.partners.providers import Draft
from courseyard.partners.providers import Settings as ProviderSettings
from courseyard.partners.sources import open_source
from courseyard.people import NewLearner
from courseyard.web.context import Services

ADMIN = NewLearner(email="admin@demo.example", name="Alex Admin")
LEARNER = NewLearner(email="learner@demo.example", name="Lena Learner")
PARTNER = "Harbour Academy"


def register(commands: typer.Typer, compose: Compose) -> None:
    """Add the command. ``compose`` is the composition root's."""

    @commands.command()
    def demo(port: PortOption = 8000, data: DataOption = None, host: HostOption = None) -> None:
        """Start the server with demo courses and two people to try it with. Ctrl-C stops it."""
        run_server(compose, settings_with(data), host, port, greet)


async def greet(site: Site) -> list[str]:
    """Load what is not there yet, and say where to begin: a fresh sign-in link for each of the two."""
    svc = site.services
    admin = await svc.directory.make_person(ADMIN.email, ADMIN.name, "admin")
    learner = await svc.directory.make_person(LEARNER.email, LEARNER.name, "student")
    for package_id in await _load_courses(svc, admin):
        await svc.courses.enroll(package_id, learner)
    await _add_partner(svc, admin)
    return [
        f"Courseyard is ready: {svc.origins.app}",
        "",
        "Sign in with a link; each works once, and new ones are made at every start:",
        f"  administrator  {await _link(svc, admin)}",
        f"  learner        {await _link(svc, learner)}",
        "",
        f"REST interface: {svc.origins.app}/api/docs",
        "Ctrl-C stops server and database.",
    ]


async def _load_courses(svc: Services, owner: str) -> list[str]:
    """Import the demo courses that are not there; the packages that are new."""
    imported = []
    for file_name, content in build_courses():
        digest = hashlib.sha256(content).hexdigest()
        if await svc.db.one("web.version_by_digest", sha256=digest) is not None:
            continue
        with tempfile.NamedTemporaryFile(suffix=".zip") as file:
            file.write(content)
            file.flush()
            imported.append(
                await svc.packages.import_package(Path(file.name), file_name, package_id=None, created_by=owner)
            )
    return imported


async def _add_partner(svc: Services, owner: str) -> None:
    """A partner that delivers CSV files, once; its first sync runs as soon as the server does."""
    if await svc.hub.providers.all():
        return
    files = partner_files()
    options = {"source": "upload", "columns": files.pop("columns.json").decode()}
    settings = ProviderSettings(import_rule="all", schedule_minutes=60)
    draft = Draft("files", PARTNER, options, settings, website_url="https://academy.example")
    provider_id = await svc.hub.providers.save(draft)
    area = open_source(svc.hub.providers.upload_location(provider_id))
    for name, content in files.items():
        await area.write(name, content)
    await svc.hub.runs.start(provider_id, requested_by=owner)


async def _link(svc: Services, profile_id: str) -> str:
    return f"{svc.origins.app}/sign-in/link/{await svc.accounts.make_link(profile_id)}"
