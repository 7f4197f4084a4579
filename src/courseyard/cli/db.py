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
from courseyard.db.migrate import apply as apply_scripts
from courseyard.db.plan import make_plan
from courseyard.db.rollback import rollback as roll_back
from courseyard.db.rollback import rows_to_lose, write_backup
from courseyard.db.scripts import scripts
from courseyard.db.server import looking, opened
from courseyard.db.verify import verify as verify_schema
from courseyard.errors import SetupError
from courseyard.settings import Settings

commands = typer.Typer(help="Plan, apply, verify, roll back or export the tables.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

_MARKS = {"ok": "ok      ", "note": "note    ", "problem": "PROBLEM "}


@contextmanager
def database(data: Path | None) -> Iterator[str]:
    """The database that the settings name; the embedded one is started for as long as the command runs."""
    settings = settings_with(data)
    if settings.database_url is not None:
        yield settings.database_url
        return
    server = EmbeddedServer(
        settings.data,
        programs=settings.postgres_bin,
        user=settings.postgres_user,
        report=lambda text: typer.echo(text, err=True),
    )
    try:
        yield server.start()
    finally:
        server.stop()


def _is_absent(settings: Settings) -> bool:
    """Whether the embedded database was never made: then there is nothing to look at, and looking makes none."""
    return settings.database_url is None and not (settings.data / "postgres").exists()


@commands.command()
def plan(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Check the server and say what apply would do. Changes nothing; exit code 1 if something is in the way."""
    settings = settings_with(data)
    if _is_absent(settings):
        step = f"make the embedded database in {settings.data} and run all {len(scripts())} SQL files"
        if as_json:
            typer.echo(json.dumps({"checks": [], "steps": [step], "blocked": False}, indent=2))
        else:
            typer.echo(
                f"ok      COURSEYARD_DATABASE_URL is not set: the embedded database is used\n\n1 step:\n  - {step}"
            )
        return
    with database(data) as url:
        found = make_plan(url)
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        for check in found.checks:
            typer.echo(f"{_MARKS[check.state]}{check.text}")
        typer.echo(f"\n{len(found.steps)} steps:" if found.steps else "\nNothing to be done.")
        for step in found.steps:
            typer.echo(f"  - {step}")
    if found.blocked:
        typer.echo("\nSomething is in the way (see PROBLEM); nothing was changed.", err=True)
        raise typer.Exit(1)


@commands.command()
def apply(data: DataOption = None, _yes: YesOption = False) -> None:
    """Bring the database up to date, then verify it. May be repeated without harm."""
    with database(data) as url:
        done = apply_scripts(url, typer.echo)
    typer.echo(f"{len(done)} files applied. {_ALL_WELL}" if done else f"Nothing to do. {_ALL_WELL}")


_ALL_WELL = "7 tables, 2 views, 2 triggers, their columns, keys, grants and policies are as they should be."


@commands.command()
def verify(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Check tables, columns, views, triggers, grants and policies. Exit code 1 if anything differs."""
    settings = settings_with(data)
    if _is_absent(settings):
        raise SetupError(
            f"There is no embedded database in {settings.data} yet.",
            hint="'courseyard db apply' makes it; or set COURSEYARD_DATABASE_URL, or name its directory with --data.",
        )
    with database(data) as url, opened(url) as connection, looking(connection):
        problems = verify_schema(connection)
    if as_json:
        typer.echo(json.dumps({"problems": problems}, indent=2))
    elif problems:
        for problem in problems:
            typer.echo(f"PROBLEM {problem}")
    else:
        typer.echo(_ALL_WELL)
    if problems:
        typer.echo(f"\n{len(problems)} problems. Run 'courseyard db plan' for what to do.", err=True)
        raise typer.Exit(1)


@commands.command()
def rollback(
    data: DataOption = None,
    yes: YesOption = False,
    backup: Annotated[bool, typer.Option(help="Write the rows into a file first.")] = True,
) -> None:
    """Drop the seven new tables, views and triggers. The seven that were there before are never touched."""
    settings = settings_with(data)
    rows: dict[str, int] = {}
    if not _is_absent(settings):
        with database(data) as url:
            rows = rows_to_lose(url)
            if rows:
                _roll_back(url, rows, settings, yes=yes, backup=backup)
    if not rows:
        typer.echo("There is nothing to roll back.")


def _roll_back(url: str, rows: dict[str, int], settings: Settings, *, yes: bool, backup: bool) -> None:
    typer.echo(f"{len(rows)} tables would be dropped, with {sum(rows.values()):,} rows:")
    for name, count in sorted(rows.items(), key=lambda item: (not item[0].startswith("public."), item[0])):
        typer.echo(f"  {count:>10,}  {name}")
    if not yes and typer.prompt("Type 'drop' to go on", default="", show_default=False) != "drop":
        typer.echo("Nothing was changed.")
        raise typer.Exit(1)
    if backup:
        path = write_backup(url, settings.data / "backups")
        typer.echo(f"Backup: {path}\nIts first lines tell how to load it.")
    roll_back(url)
    typer.echo("Rolled back. 'courseyard db apply' makes the tables anew.")


@commands.command()
def export(
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File instead of standard output.")] = None,
) -> None:
    """Print one script for a SQL editor that does what apply does."""
    script = export_script()
    if output is None:
        typer.echo(script, nl=False)
        return
    try:
        output.write_text(script, encoding="utf-8")
    except OSError as error:
        raise SetupError(f"{output} cannot be written: {error.strerror}.", hint="Name another file.") from error
    typer.echo(f"{output}: {len(scripts())} parts, {len(script):,} characters.", err=True)
