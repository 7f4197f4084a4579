"""``courseyard package``: look into packages, and import them, without a browser."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from courseyard.cli.db import JsonOption, database
from courseyard.cli.serve import DataOption, settings_with
from courseyard.cli.simulate import simulate
from courseyard.content.archive import BadPackageError
from courseyard.content.importer import (
    CheckedPackage,
    ImportedPackage,
    activities,
    check_package,
    edition_name,
    import_package,
)
from courseyard.content.store import open_store
from courseyard.db import Database
from courseyard.db.migrate import ensure_current

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
def info(file: FileArgument, as_json: JsonOption = False) -> None:
    """Show what a package contains: standard, parts, where each begins."""
    checked = check_package(file)
    if as_json:
        typer.echo(json.dumps(checked.document, indent=2, ensure_ascii=False))
        return
    typer.echo("\n".join(_outline(checked)))


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
        imported = asyncio.run(_import(url, settings.package_store, settings.data, file, title))
    typer.echo(f"{imported.id}  {imported.title} (SCORM {imported.edition}, {imported.activities} parts)")
    for finding in imported.findings:
        typer.echo(_line(finding.as_json()))


async def _import(url: str, address: str | None, data: Path, file: Path, title: str | None) -> ImportedPackage:
    db = Database(url)
    await db.open()
    try:
        return await import_package(db, open_store(address, data), file, file_name=file.name, title=title)
    finally:
        await db.close()


def _tell(findings: list[dict[str, Any]], as_json: bool, *, usable: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"usable": usable, "findings": findings}, indent=2, ensure_ascii=False))
        return
    for finding in findings:
        typer.echo(_line(finding))
    counted = f"{len(findings)} finding{'' if len(findings) == 1 else 's'}" if findings else "No findings"
    typer.echo(f"{counted}. The package can {'' if usable else 'not '}be used.")


def _line(finding: dict[str, Any]) -> str:
    where = ":".join(str(part) for part in (finding["file"], finding["line"]) if part)
    told = f"{finding['message']} ({where})" if where else finding["message"]
    return f"{_MARKS[finding['severity']]} {finding['code']}: {told}\n        {finding['hint']}"


def _outline(checked: CheckedPackage) -> list[str]:
    document = checked.document
    lines = [
        document["title"],
        f"SCORM {edition_name(document)}, {len(list(activities(document)))} parts, {len(checked.findings)} findings",
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
