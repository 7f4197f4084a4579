"""``courseyard db``: the guide's migration steps as commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from courseyard.cli.serve import DataOption, settings_with
from courseyard.db.embedded import EmbeddedServer
from courseyard.db.export import export_script
from courseyard.db.migrate import apply as apply_migrations
from courseyard.db.migrate import migrations
from courseyard.db.plan import make_plan
from courseyard.db.rollback import rollback as roll_back
from courseyard.db.rollback import rows_to_lose, write_backup
from courseyard.db.server import connect
from courseyard.db.verify import verify as verify_schema

commands = typer.Typer(help="Plan, apply, verify, roll back or export the tables.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

_MARKS = {"ok": "ok      ", "note": "note    ", "problem": "PROBLEM "}


@contextmanager
def _database(data: Path | None) -> Iterator[str]:
    """The database that the settings name; the embedded one is started for as long as the command runs."""
    settings = settings_with(data)
    if settings.database_url is not None:
        yield settings.database_url
        return
    server = EmbeddedServer(settings.data, programs=settings.postgres_bin, user=settings.postgres_user)
    try:
        yield server.start()
    finally:
        server.stop()


@commands.command()
def plan(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Check the server and say what apply would do. Changes nothing; exit code 1 if something is in the way."""
    with _database(data) as url:
        found = make_plan(url)
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        for check in found.checks:
            typer.echo(f"{_MARKS[check.state]}{check.text}")
        typer.echo("\nTo be done:" if found.steps else "\nNothing to be done.")
        for step in found.steps:
            typer.echo(f"  - {step}")
        if found.blocked:
            typer.echo("\nSomething is in the way (see PROBLEM); nothing was changed.", err=True)
    if found.blocked:
        raise typer.Exit(1)


@commands.command()
def apply(data: DataOption = None, _yes: YesOption = False) -> None:
    """Bring the database up to date, then verify it. May be repeated without harm."""
    with _database(data) as url:
        done = apply_migrations(url, typer.echo)
    typer.echo(f"{len(done)} files applied, all is as it should be." if done else "Nothing to do, all is as it should be.")


@commands.command()
def verify(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Check tables, columns, views, triggers, grants and policies. Exit code 1 if anything differs."""
    with _database(data) as url, connect(url) as connection:
        problems = verify_schema(connection)
    if as_json:
        typer.echo(json.dumps({"problems": problems}, indent=2))
    elif problems:
        for problem in problems:
            typer.echo(f"PROBLEM {problem}")
        typer.echo("\nRun 'courseyard db plan' for what to do.", err=True)
    else:
        typer.echo("7 tables, 2 views, 2 triggers, their columns, grants and policies: all as they should be.")
    if problems:
        raise typer.Exit(1)


@commands.command()
def rollback(
    data: DataOption = None,
    yes: YesOption = False,
    backup: Annotated[bool, typer.Option(help="Write the rows into a file first.")] = True,
) -> None:
    """Drop the seven new tables, views and triggers. The seven tables that were there before are never touched."""
    with _database(data) as url:
        rows = rows_to_lose(url)
        if not rows:
            typer.echo("There is nothing to roll back.")
            return
        typer.echo("These tables would be dropped, with these rows:")
        for name, count in rows.items():
            typer.echo(f"  {count:>10,}  {name}")
        if not yes and typer.prompt("Type 'drop' to go on", default="", show_default=False) != "drop":
            typer.echo("Nothing was changed.")
            raise typer.Exit(1)
        if backup:
            path = write_backup(url, settings_with(data).data / "backups")
            typer.echo(f"Backup: {path}")
        roll_back(url)
    typer.echo("Rolled back. 'courseyard db apply' makes the tables anew.")


@commands.command()
def export(
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File instead of standard output.")] = None,
) -> None:
    """Print one script for a SQL editor that does what apply does."""
    script = export_script()
    if output is None:
        typer.echo(script)
        return
    output.write_text(script, encoding="utf-8")
    typer.echo(f"{output}: {len(migrations())} parts, {len(script):,} characters.", err=True)
