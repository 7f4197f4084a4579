"""``courseyard admin``: lets the first administrator in, or one who is locked out."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from courseyard.cli.serve import Compose, DataOption, database, settings_with
from courseyard.settings import Settings
from courseyard.web.origins import Origins


def register(commands: typer.Typer, compose: Compose) -> None:
    """Add the command. ``compose`` is the composition root's."""

    @commands.command()
    def admin(
        email: Annotated[str, typer.Argument(help="E-mail address of the administrator.")],
        name: Annotated[str | None, typer.Option(help="The administrator's name.")] = None,
        port: Annotated[int, typer.Option(help="Port in the link, where COURSEYARD_APP_URL is not set.")] = 8000,
        data: DataOption = None,
    ) -> None:
        """Make somebody an administrator and print a sign-in link. Works beside a running server."""
        settings = settings_with(data)
        with database(settings) as url:
            typer.echo(asyncio.run(_make(compose, settings, url, port, email, name)))


async def _make(compose: Compose, settings: Settings, url: str, port: int, email: str, name: str | None) -> str:
    origins = Origins.of(settings.app_url, settings.content_url, port)
    async with compose(settings, url, origins) as site:
        svc = site.services
        profile_id = await svc.directory.make_person(email, name, "admin")
        return f"{origins.app}/sign-in/link/{await svc.accounts.make_link(profile_id)}"
