"""Pages of partners whose data come as tables: their files, and which column is which. For administrators."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from typing import Any, get_args
from urllib.parse import urlencode

import msgspec
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from courseyard.errors import CourseyardError, InvalidInputError, NotFoundError, PartnerAnswerError, PartnerError
from courseyard.limits import MAX_PARTNER_FILE_BYTES
from courseyard.partners.columns import (
    FIELDS,
    REQUIRED,
    ColumnMapping,
    KindMapping,
    Previewed,
    Rule,
    TableKind,
    meanings,
    preview,
    read_mapping,
    understood,
)
from courseyard.partners.providers import Draft, Provider
from courseyard.partners.sources import SourceFile, matches, source_of
from courseyard.partners.suggesting import suggest
from courseyard.partners.tabular import Row, array_paths, columns, rows
from courseyard.web.context import services
from courseyard.web.pages import forms, wording
from courseyard.web.pages.credentials import admin
from courseyard.web.pages.rendering import back, page
from courseyard.web.problems import problem
from courseyard.web.uploads import receive_file

KINDS: dict[TableKind, str] = {
    "course": "Courses",
    "enrolment": "Enrolments",
    "module": "Progress",
    "credential": "Credentials",
}
LABELS = {
    "external_id": "Key at the partner",
    "title": "Title",
    "duration_hours": "Duration in hours",
    "url": "Web address",
    "course": "Course (its key)",
    "enrolment": "Enrolment (its key)",
    "user_id": "Person: account at the partner",
    "user_email": "Person: e-mail",
    "user_name": "Person: name",
    "user_sis_id": "Person: our own identifier",
    "module_id": "Module: key",
    "module_name": "Module: name",
    "progress": "Progress in percent",
    "score": "Score in percent",
    "time_spent": "Time spent",
    "data_at": "Changed at",
    "last_accessed_at": "Last accessed at",
    "time_spent_seconds": "Time spent",
    "verification_url": "Verification address",
    "certificate_url": "Certificate address",
}
FORMATS = {
    "": "As 2026-11-25 (ISO 8601)",
    "%d.%m.%Y": "25.11.2026",
    "%d.%m.%Y %H:%M": "25.11.2026 14:30",
    "%m/%d/%Y": "11/25/2026",
    "%m/%d/%Y %H:%M": "11/25/2026 14:30",
    "%d/%m/%Y": "25/11/2026",
    "%d/%m/%Y %H:%M": "25/11/2026 14:30",
    "%Y/%m/%d": "2026/11/25",
    "unix": "Seconds since 1970",
    "unix_ms": "Milliseconds since 1970",
    "excel": "Days, as Excel counts them",
}
_SAMPLED_ROWS = 200
_WORDS_SHOWN = 30
_MAX_SAMPLE = 64 * 1024


# Files


async def show_files(request: Request) -> Response:
    """What lies there."""
    await admin(request)
    return await _files(request)


async def upload(request: Request) -> Response:
    """Keep a file until the next sync; scripts are answered with JSON."""
    await admin(request)
    svc = services(request)
    provider = await _with_option(request, "source")
    wants_json = "application/json" in request.headers.get("accept", "")
    try:
        if not _takes_uploads(provider):
            raise InvalidInputError("Files of this partner come from elsewhere.", hint="Put the file there.")
        async with receive_file(request, svc.upload_folder) as received:
            received.check_size(MAX_PARTNER_FILE_BYTES, "Split it into several.")
            await source_of(svc.hub.providers.open(provider).config).write(received.file_name, received.path)
    except CourseyardError as error:
        return problem(error) if wants_json else await _files(request, error)
    if wants_json:
        return JSONResponse({"name": received.file_name}, 201)
    return back(f"/partners/providers/{provider.id}/files", "file-uploaded")


async def ask_delete(request: Request) -> Response:
    """Say what deleting a file means."""
    await admin(request)
    provider, files, file = await _to_delete(request, request.query_params.get("file", ""))
    return page(
        request,
        "partner_file_delete.html",
        provider=provider,
        file=file,
        is_last=len(files) == 1,
        content=str(provider.options.get("content") or "delta") if _has_option(provider, "content") else "zips",
        read_next=_read_next(provider, files, file),
    )


async def delete(request: Request) -> Response:
    """Delete an uploaded file; what was imported from it stays."""
    await admin(request)
    form = await request.form()
    provider, _, file = await _to_delete(request, forms.text(form, "file"))
    try:
        await source_of(services(request).hub.providers.open(provider).config).delete(file.name)
    except CourseyardError as error:
        return await _files(request, error)
    return back(f"/partners/providers/{provider.id}/files", "file-deleted")


async def _to_delete(request: Request, name: str) -> tuple[Provider, list[SourceFile], SourceFile]:
    """The provider, its files, and the one of that name.

    Raises:
        InvalidInputError: the files are somebody else's, who put them into a place of their own.
        NotFoundError: there is no such file.
    """
    provider = await _with_option(request, "source")
    if not _takes_uploads(provider):
        raise InvalidInputError("Files of this partner come from elsewhere.", hint="Delete the file there.")
    files = await _listed(request, provider)
    file = next((file for file in files if file.name == name), None)
    if file is None:
        raise NotFoundError("There is no such file.", hint="It may have been deleted already.")
    return provider, files, file


def _read_next(provider: Provider, files: list[SourceFile], file: SourceFile) -> dict[str, str | None]:
    """Of which kinds a file is the newest listing, and which file would be without it; ``files``: the newest first."""
    found: dict[str, str | None] = {}
    read = _standing(provider)[0]
    for kind, label in KINDS.items():
        of_kind = [other.name for other in files if _meant(provider, kind, other)]
        if kind in read and of_kind[:1] == [file.name]:
            found[label.lower()] = next(iter(of_kind[1:]), None)
    return found


async def _files(request: Request, error: CourseyardError | None = None) -> Response:
    provider = await _with_option(request, "source")
    files: list[SourceFile] = []
    try:
        files = await _listed(request, provider)
    except CourseyardError as unreadable:
        error = error or unreadable
    return page(
        request,
        "partner_files.html",
        error.status if error and request.method == "POST" else 200,
        provider=provider,
        files=[(file, [label for kind, label in KINDS.items() if _meant(provider, kind, file)]) for file in files],
        patterns=_has_option(provider, "course_files"),
        uploads=_takes_uploads(provider),
        reads_columns=_has_option(provider, "columns"),
        error=error,
    )


async def _listed(request: Request, provider: Provider) -> list[SourceFile]:
    """The files, the newest first."""
    if not _has_option(provider, "source"):
        return []
    found = await source_of(services(request).hub.providers.open(provider).config).list()
    return found[::-1]


def _meant(provider: Provider, kind: TableKind, file: SourceFile) -> bool:
    """Whether a file is read for a kind."""
    option = next((option for option in provider.connector.options if option.name == f"{kind}_files"), None)
    return option is not None and matches(file.name, str(provider.options.get(option.name) or option.default))


# Columns


@dataclass(slots=True)
class _Table:
    """What was found in a file or an example."""

    columns: list[str] = field(default_factory=list)
    examples: dict[str, str] = field(default_factory=dict)
    # Per field of words, the words that its column holds, with what they are taken for.
    words: dict[str, list[tuple[str, str | None]]] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    preview: list[Previewed] = field(default_factory=list)
    problem: str = ""


async def show_columns(request: Request) -> Response:
    """Which column is which: as it stands, or as it is suggested."""
    await admin(request)
    provider = await _with_option(request, "columns")
    asked = request.query_params
    return await _columns(
        request, provider, asked.get("kind", ""), asked.get("file", ""), suggesting="suggest" in asked
    )


async def change_columns(request: Request) -> Response:
    """Look at what the columns would give, save them, or leave the kind out."""
    await admin(request)
    provider = await _with_option(request, "columns")
    form = await request.form()
    action, file = forms.text(form, "action"), forms.text(form, "file")
    if action == "json":
        document = forms.text(form, "columns")
        try:
            _checked(document)
        except CourseyardError as error:
            return await _columns(request, provider, "", file, error=error, document=document)
        await _save(request, provider, document)
        return back(f"/partners/providers/{provider.id}/columns", "columns-saved")
    kind = _kind_named(forms.text(form, "kind"))
    sample = forms.text(form, "sample")[:_MAX_SAMPLE]
    if action == "suggest":
        return await _columns(request, provider, kind, file, sample=sample, suggesting=True)
    mapping = _read(form, kind)
    if action not in ("save", "remove"):
        return await _columns(request, provider, kind, file, sample=sample, mapping=mapping)
    try:
        # Without the others, should they be broken: the page has said so, and shows them as JSON.
        standing = _standing(provider)[0]
        standing.pop(kind, None)
        if action == "save":
            standing[kind] = mapping
        document = msgspec.json.encode(standing).decode() if standing else ""
        _checked(document)
    except CourseyardError as error:
        return await _columns(request, provider, kind, file, sample=sample, mapping=mapping, error=error)
    await _save(request, provider, document)
    query = urlencode({"kind": kind, "file": file, "done": "columns-saved"})
    return back(f"/partners/providers/{provider.id}/columns?{query}")


async def _columns(
    request: Request,
    provider: Provider,
    asked_kind: str,
    asked_file: str,
    *,
    sample: str = "",
    mapping: KindMapping | None = None,
    suggesting: bool = False,
    error: CourseyardError | None = None,
    document: str | None = None,
) -> Response:
    files: list[SourceFile] = []
    standing, broken = _standing(provider)
    error = error or broken
    try:
        files = await _listed(request, provider)
    except PartnerError as unreadable:
        error = error or unreadable
    kind = _kind_named(asked_kind) if asked_kind else _likely(provider, files, standing)
    names = [file.name for file in files]
    file = asked_file if asked_file in names else next((f.name for f in files if _meant(provider, kind, f)), "")
    data = sample.encode()
    if file:
        try:
            data = await source_of(services(request).hub.providers.open(provider).config).read(file)
        except PartnerError as unreadable:
            error = error or unreadable
    suggested = suggesting or (mapping is None and kind not in standing)
    wanted = None if suggested else mapping or standing[kind]
    table, shown = await asyncio.to_thread(_look, data, kind, wanted)
    return page(
        request,
        "partner_files_columns.html",
        error.status if error and request.method == "POST" else 200,
        provider=provider,
        kinds=KINDS,
        kind=kind,
        standing=standing,
        document=document if document is not None else str(provider.options.get("columns") or ""),
        has_files=_has_option(provider, "source"),
        files=names,
        file=file,
        sample=sample,
        mapping=shown,
        suggested=suggested and bool(shown.fields),
        fields=_fields(kind, shown, table),
        table=table,
        shown=[(row, _plain(row)) for row in table.preview],
        formats=FORMATS,
        error=error,
    )


def _look(data: bytes, kind: TableKind, mapping: KindMapping | None) -> tuple[_Table, KindMapping]:
    """What is in a table, and what a mapping would make of it; without one, the one that is suggested."""
    found = _Table()
    if not data.strip():
        return found, mapping or KindMapping(fields={})
    try:
        found.paths = array_paths(data) if data.lstrip()[:1] == b"{" else []
        if mapping is None:
            path = next(iter(found.paths), "")
            mapping = suggest(kind, rows(data, path), path)
        found.columns = columns(data, mapping.path)
        sampled = [row.values for row in islice(rows(data, mapping.path), _SAMPLED_ROWS) if isinstance(row, Row)]
        for name in found.columns:
            values = dict.fromkeys(str(row[name]) for row in sampled if row.get(name) not in (None, ""))
            found.examples[name] = next(iter(values), "")[:80]
            for target, rule in mapping.fields.items():
                if rule.column == name and meanings(kind, target):
                    words = list(dict.fromkeys([*rule.values, *islice(values, _WORDS_SHOWN)]))
                    found.words[target] = [(word, understood(kind, target, word)) for word in words]
        found.preview = preview(kind, mapping, rows(data, mapping.path))
    except PartnerAnswerError as error:
        found.problem = f"{error.detail} {error.advice}"
    return found, mapping or KindMapping(fields={})


def _fields(kind: TableKind, mapping: KindMapping, table: _Table) -> list[dict[str, Any]]:
    """The rows of the form."""
    needed = {name: "one needed" for group in REQUIRED[kind] for name in group}
    needed |= {group[0]: "needed" for group in REQUIRED[kind] if len(group) == 1}
    return [
        {
            "name": name,
            "label": _label(name),
            "type": of,
            "needed": needed.get(name),
            "rule": mapping.fields.get(name, Rule()),
            "meanings": meanings(kind, name),
            "words": table.words.get(name, []),
        }
        for name, of in FIELDS[kind].items()
    ]


def _label(name: str) -> str:
    return LABELS.get(name, wording.label(name))


def _read(form: FormData, kind: TableKind) -> KindMapping:
    """The mapping as the form has it."""
    fields = {name: rule for name, of in FIELDS[kind].items() if (rule := _rule(form, name, of)) is not None}
    extra = [str(column) for column in form.getlist("extra")]
    return KindMapping(fields=fields, extra=extra, path=forms.text(form, "path"))


def _rule(form: FormData, name: str, of: str) -> Rule | None:
    source, value = str(form.get(f"{name}.from") or ""), forms.text(form, f"{name}.value")
    if source.startswith("column:"):
        told: dict[str, Any] = {"column": source.removeprefix("column:")}
    elif source in ("constant", "template") and value:
        told = {source: value}
    else:
        return None
    if of in ("moment", "day"):
        told["format"] = forms.text(form, f"{name}.format")
        told["zone"] = forms.text(form, f"{name}.zone")
    elif of == "percent":
        scale = forms.text(form, f"{name}.scale")
        told["scale"] = scale if scale in ("fraction", "points") else "percent"
        if scale == "points":
            told |= {bound: _bound(found) for bound in ("lowest", "highest")
                     if (found := forms.text(form, f"{name}.{bound}"))}  # fmt: skip
    elif of == "seconds":
        unit = forms.text(form, f"{name}.unit")
        told["unit"] = unit if unit in ("minutes", "hours") else "seconds"
    elif of in ("status", "flag"):
        words = zip(form.getlist(f"{name}.word"), form.getlist(f"{name}.means"), strict=False)
        told["values"] = {str(word): str(means) for word, means in words if means}
    return Rule(**told)


def _bound(text: str) -> float | str:
    """A number, or the column that tells it."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return text


def _plain(row: Previewed) -> dict[str, str]:
    """What a row would become, as it is shown: by the labels of the form, further columns by their own names."""
    if row.record is None:
        return {}
    told: Mapping[str, Any] = msgspec.to_builtins(row.record, builtin_types=(datetime, date))
    flat = {name: value for name, value in told.items() if name not in ("record", "user", "extra")}
    flat |= {f"user_{name.removeprefix('external_')}": value for name, value in told.get("user", {}).items()}
    shown = {_label(name): _shown(name, value) for name, value in flat.items()}
    return shown | {name: wording.plain(value) for name, value in told.get("extra", {}).items()}


def _shown(name: str, value: Any) -> str:
    if name == "status":
        return wording.state(value)
    if name in ("progress", "score") and isinstance(value, int | float):
        return f"{wording.number(value)} %"
    return wording.duration(value) if name == "time_spent_seconds" else wording.plain(value)


def _likely(provider: Provider, files: list[SourceFile], standing: ColumnMapping) -> TableKind:
    """What to show first: a kind that has files and no columns yet, else one that has columns."""
    waiting = (kind for kind in KINDS if kind not in standing and any(_meant(provider, kind, f) for f in files))
    return next(waiting, next(iter(standing), "course"))


def _standing(provider: Provider) -> tuple[ColumnMapping, CourseyardError | None]:
    """The mapping that is saved; where it is broken, none, and what is wrong."""
    try:
        return dict(read_mapping(provider.options.get("columns"))), None
    except PartnerAnswerError as error:
        return {}, error


def _checked(document: str) -> None:
    try:
        read_mapping(document)
    except PartnerAnswerError as error:
        raise InvalidInputError(error.detail, hint="Correct it and save again.") from error


async def _save(request: Request, provider: Provider, document: str) -> None:
    draft = Draft(
        str(provider.kind), provider.name, {**provider.options, "columns": document}, provider.settings,
        provider.website_url, provider.support_email, provider.active,
    )  # fmt: skip
    await services(request).hub.providers.save(draft, provider.id)


def _kind_named(name: str) -> TableKind:
    if name not in get_args(TableKind):
        raise NotFoundError("There is no such kind of records.")
    return name  # type: ignore[return-value]  # just looked


def _takes_uploads(provider: Provider) -> bool:
    return bool(provider.options.get("source", "upload") == "upload")


def _has_option(provider: Provider, name: str) -> bool:
    return any(option.name == name for option in provider.connector.options)


async def _with_option(request: Request, name: str) -> Provider:
    """The provider, if it is of a kind that has this option.

    Raises:
        NotFoundError: it is not.
    """
    provider = await services(request).hub.providers.get(forms.path_id(request))
    if provider.kind is None or not _has_option(provider, name):
        raise NotFoundError("A partner of this kind has no such page.")
    return provider


routes = [
    Route("/partners/providers/{id}/files", show_files, methods=["GET"]),
    Route("/partners/providers/{id}/files", upload, methods=["POST"]),
    Route("/partners/providers/{id}/files/delete", ask_delete, methods=["GET"]),
    Route("/partners/providers/{id}/files/delete", delete, methods=["POST"]),
    Route("/partners/providers/{id}/columns", show_columns, methods=["GET"]),
    Route("/partners/providers/{id}/columns", change_columns, methods=["POST"]),
]
