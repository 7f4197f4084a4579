"""``courseyard package``: look into packages, and import them, without a browser."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer

from courseyard.cli.db import JsonOption, database
from courseyard.cli.serve import DataOption, settings_with
from courseyard.cli.simulate import simulate
from courseyard.content.archive import BadPackageError
from courseyard.content.importer import (
    Document,
    activities,
    check_package,
    edition_name,
    import_package,
)
from courseyard.content.store import open_store
from courseyard.db import Database
from courseyard.db.migrate import ensure_current
from courseyard.errors import NotFoundError

_T = TypeVar("_T")

commands = typer.Typer(help="Check, show, import or simulate packages.", no_args_is_help=True)

commands.command()(simulate)

FileArgument = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The package (.zip).")]

_MARKS = {"error": "ERROR  ", "warning": "warning", "info": "info   "}


@commands.command()
def check(file: FileArgument, as_json: JsonOption = False) -> None:
    """Say what is wrong with a package and what to do. Needs no database; exit code 1 if it cannot be used."""
    try:
        checked = check_package(file)
    except BadPackageError as error:
        _tell([f.as_json() for f in error.findings], as_json, usable=False)
        raise typer.Exit(1) from error
    _tell([f.as_json() for f in checked.findings], as_json, usable=True)


@commands.command()
def info(
    package: Annotated[str, typer.Argument(metavar="FILE|ID", help="A package (.zip), or the identifier of one.")],
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show what a package contains: standard, parts, where each begins. An imported one is named by its identifier."""
    path = Path(package)
    if path.exists():
        checked = check_package(path)
        document, findings = checked.document, len(checked.findings)
    else:
        document, findings = _imported(package, data)
    if as_json:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    typer.echo("\n".join(_outline(document, findings)))


def _imported(name: str, data: Path | None) -> tuple[Document, int]:
    try:
        package_id = UUID(name)
    except ValueError as error:
        raise NotFoundError(
            f"There is no file '{name}', and it is no identifier of a package.",
            hint="Name a zip file, or the identifier that 'courseyard package import' printed.",
        ) from error
    settings = settings_with(data)
    with database(data) as url:
        ensure_current(url, embedded=settings.database_url is None)
        version = asyncio.run(_with_database(url, lambda db: db.one("packages.current", package_id=package_id)))
    if version is None:
        raise NotFoundError(
            f"There is no package {package_id} with files in this database.",
            hint="It may have been deleted, or COURSEYARD_DATABASE_URL or --data name another database.",
        )
    return version["document"], version["findings"]


@commands.command("import")
def import_(
    file: FileArgument,
    title: Annotated[str | None, typer.Option(help="Title instead of the package's own.")] = None,
    data: DataOption = None,
) -> None:
    """Import a package into the database and the store; prints its identifier."""
    settings = settings_with(data)
    with database(data) as url:
        ensure_current(url, embedded=settings.database_url is None)
        store = open_store(settings.package_store, settings.data)
        imported = asyncio.run(
            _with_database(url, lambda db: import_package(db, store, file, file_name=file.name, title=title))
        )
    typer.echo(f"{imported.id}  {imported.title} (SCORM {imported.edition}, {_counted(imported.activities, 'part')})")
    for finding in imported.findings:
        typer.echo(_line(finding.as_json()))


async def _with_database(url: str, work: Callable[[Database], Awaitable[_T]]) -> _T:
    db = Database(url)
    await db.open()
    try:
        return await work(db)
    finally:
        await db.close()


def _tell(findings: list[dict[str, Any]], as_json: bool, *, usable: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"usable": usable, "findings": findings}, indent=2, ensure_ascii=False))
        return
    for finding in findings:
        typer.echo(_line(finding))
    counted = _counted(len(findings), "finding") if findings else "No findings"
    typer.echo(f"{counted}. The package can {'' if usable else 'not '}be used.")


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _line(finding: dict[str, Any]) -> str:
    where = ":".join(str(part) for part in (finding["file"], finding["line"]) if part)
    told = f"{finding['message']} ({where})" if where else finding["message"]
    return f"{_MARKS[finding['severity']]} {finding['code']}: {told}\n        {finding['hint']}"


def _outline(document: Document, findings: int) -> list[str]:
    parts = len(list(activities(document)))
    lines = [
        document["title"],
        f"SCORM {edition_name(document)}, {_counted(parts, 'part')}, {_counted(findings, 'finding')}",
        "",
    ]
    for organization in document["organizations"]:
        stack = [(organization, 0)]
        while stack:
            item, depth = stack.pop()
            kind = f"  [{item['scorm_type']}] {item['href']}" if item.get("href") else ""
            lines.append(f"{'  ' * depth}{item['title']} ({item['identifier']}){kind}")
            stack.extend((part, depth + 1) for part in reversed(item.get("children", [])))
    return lines
