"""REST: partners, their syncs, and what these leave behind. For the service and administrators."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response

from courseyard.errors import InvalidInputError
from courseyard.partners import kinds
from courseyard.partners.catalogue import Filter
from courseyard.partners.connector import Connector, Stream
from courseyard.partners.providers import Draft, Provider, Settings
from courseyard.web.api.access import BEARER, Admin, Svc, problems
from courseyard.web.api.paging import Limit, Offset, Search, add_page_headers
from courseyard.web.api.provider_schemas import (
    AccountRow,
    CatalogueRow,
    CatalogueState,
    CheckAnswer,
    Decision,
    Dropped,
    DropRequest,
    ImportRequest,
    KindAnswer,
    OptionAnswer,
    ProviderAnswer,
    ProviderChange,
    ProviderRequest,
    ProviderRow,
    RunAnswer,
    RunDetail,
    RunStarted,
    RunStatus,
    SettingsAnswer,
    SettingsBody,
    SyncRequest,
    UndoAnswer,
    UndoPreview,
    WaitingRow,
)
from courseyard.web.api.schemas import Id
from courseyard.web.context import Services
from courseyard.web.rights import like_pattern

kinds_router = APIRouter(prefix="/partner-kinds", tags=["Partners"], dependencies=[BEARER])
providers = APIRouter(prefix="/partner-providers", tags=["Partners"], dependencies=[BEARER])
runs = APIRouter(prefix="/sync-runs", tags=["Partners"], dependencies=[BEARER])

_CAN = ("enrol", "withdraw", "accounts", "launch", "receives")


@kinds_router.get("", responses=problems())
async def list_kinds(caller: Admin) -> list[KindAnswer]:  # noqa: ARG001  # lets only administrators in
    """The kinds of partners that this server can talk to, and what each needs."""
    return [_kind(kind) for kind in kinds.kinds().values()]


@providers.get("", responses=problems())
async def list_providers(svc: Svc, caller: Admin) -> list[ProviderRow]:  # noqa: ARG001
    """All partners with how they stand."""
    return [ProviderRow.model_validate(row) for row in await svc.hub.providers.all()]


@providers.post("", status_code=201, responses=problems(404, 409, 422))
async def add_provider(svc: Svc, caller: Admin, body: ProviderRequest) -> ProviderAnswer:  # noqa: ARG001
    """Add a partner. Nothing is fetched before the first sync."""
    draft = Draft(
        body.kind,
        body.name,
        body.options,
        _settings(Settings(), body.settings),
        body.website_url,
        body.support_email,
    )
    return await _provider(svc, await svc.hub.providers.save(draft))


@providers.get("/{provider_id}", responses=problems(404, 422))
async def get_provider(svc: Svc, caller: Admin, provider_id: Id) -> ProviderAnswer:  # noqa: ARG001
    """A partner as it is set up."""
    return await _provider(svc, str(provider_id))


@providers.patch("/{provider_id}", responses=problems(404, 409, 422))
async def change_provider(svc: Svc, caller: Admin, provider_id: Id, body: ProviderChange) -> ProviderAnswer:  # noqa: ARG001
    """Change what is given; the rest stays, secrets too."""
    standing = await svc.hub.providers.get(str(provider_id))
    if standing.kind is None:
        raise InvalidInputError(f"'{standing.name}' is not set up.", hint="Set it up on its page first.")
    given = body.model_fields_set
    draft = Draft(
        standing.kind,
        body.name if body.name is not None else standing.name,
        dict(standing.options) | (body.options or {}),
        _settings(standing.settings, body.settings) if body.settings else standing.settings,
        body.website_url if "website_url" in given else standing.website_url,
        body.support_email if "support_email" in given else standing.support_email,
        standing.active if body.active is None else body.active,
    )
    await svc.hub.providers.save(draft, standing.id)
    return await _provider(svc, standing.id)


@providers.delete("/{provider_id}", status_code=204, responses=problems(404, 422))
async def delete_provider(svc: Svc, caller: Admin, provider_id: Id) -> None:  # noqa: ARG001
    """Delete a partner with all that came from it; nothing happens at the partner."""
    await svc.hub.providers.delete(str(provider_id))


@providers.post("/{provider_id}/check", responses=problems(404, 409, 422))
async def check_provider(svc: Svc, caller: Admin, provider_id: Id) -> list[CheckAnswer]:  # noqa: ARG001
    """Test the connection: what works, and what these credentials may not do."""
    found = await svc.hub.providers.check(str(provider_id))
    return [CheckAnswer.model_validate(msgspec.to_builtins(one)) for one in found]


@providers.post("/{provider_id}/sync", status_code=202, responses=problems(404, 409, 422))
async def start_sync(svc: Svc, caller: Admin, provider_id: Id, body: SyncRequest) -> RunStarted:
    """Put a run into the queue. One of this partner that waits or works already is answered instead if it does all that
    is asked for; while another one is on (a dry run, a check for drift) the answer is 409 with its ``run_id``.
    """
    run_id = await svc.hub.runs.start(
        str(provider_id),
        [Stream(name) for name in body.streams],
        drift=body.drift,
        dry_run=body.dry_run,
        requested_by=caller.profile_id,
    )
    return RunStarted(run_id=run_id)


@providers.get("/{provider_id}/catalogue", responses=problems(404, 422))
async def list_catalogue(
    request: Request,
    response: Response,
    svc: Svc,
    caller: Admin,  # noqa: ARG001
    provider_id: Id,
    state: Annotated[CatalogueState | None, Query(description="Only of this state.")] = None,
    category: Annotated[str | None, Query(max_length=1_000, pattern=r"^[^\x00]*$")] = None,
    search: Search = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> list[CatalogueRow]:
    """What the partner offers, as last fetched, beside what was imported."""
    provider = await svc.hub.providers.get(str(provider_id))
    chosen = Filter(state, category or None, like_pattern(search))
    rows = await svc.hub.catalogue.courses(provider.id, chosen, limit, offset)
    add_page_headers(request, response, rows[0]["total"] if rows else 0, limit, offset)
    return [CatalogueRow.model_validate(row) for row in rows]


@providers.post("/{provider_id}/catalogue/import", responses=problems(404, 409, 422))
async def import_courses(svc: Svc, caller: Admin, provider_id: Id, body: ImportRequest) -> RunStarted:
    """Bring courses in; the run that did it, done when this answers."""
    provider = await svc.hub.providers.get(str(provider_id))
    chosen = Filter(body.state, body.category, like_pattern(body.search))
    run_id = await svc.hub.catalogue.bring_in(provider.id, body.keys, chosen, caller.profile_id)
    return RunStarted(run_id=run_id)


@providers.get("/{provider_id}/accounts", responses=problems(404, 422))
async def list_accounts(
    request: Request,
    response: Response,
    svc: Svc,
    caller: Admin,  # noqa: ARG001
    provider_id: Id,
    state: Annotated[str, Query(pattern="^(waiting|ignored|matched)$")] = "waiting",
    search: Search = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> list[AccountRow]:
    """Accounts at the partner: those that wait for somebody to say who they are, left aside, or known."""
    provider, pattern = await svc.hub.providers.get(str(provider_id)), like_pattern(search)
    if state == "matched":
        rows = await svc.hub.identities.matched(provider.id, pattern, limit, offset)
    else:
        rows = await svc.hub.identities.waiting(provider.id, state, pattern, limit, offset)
    add_page_headers(request, response, rows[0]["total"] if rows else 0, limit, offset)
    return [AccountRow.model_validate(row) for row in rows]


@providers.post("/{provider_id}/accounts/decide", status_code=202, responses=problems(404, 422))
async def decide_account(svc: Svc, caller: Admin, provider_id: Id, body: Decision) -> RunStarted:
    """Say who an account is; the run that replays what waited for it."""
    provider = await svc.hub.providers.get(str(provider_id))
    profile_id = str(body.profile_id) if body.profile_id else None
    if profile_id is not None:
        await svc.directory.person(profile_id)
    return RunStarted(
        run_id=await svc.hub.identities.decide(provider.id, body.external_id, profile_id, caller.profile_id)
    )


@providers.get("/{provider_id}/waiting", responses=problems(404, 422))
async def list_waiting(
    request: Request,
    response: Response,
    svc: Svc,
    caller: Admin,  # noqa: ARG001
    provider_id: Id,
    code: Annotated[
        str | None, Query(max_length=100, pattern=r"^[^\x00]*$", description="Only of this reason.")
    ] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> list[WaitingRow]:
    """Records that could not be written, as they came, with the reason."""
    provider = await svc.hub.providers.get(str(provider_id))
    rows = await svc.db.all(
        "partners.failures", provider_id=provider.id, open=True, code=code or None, run_id=None, limit=limit,
        offset=offset,
    )  # fmt: skip
    add_page_headers(request, response, rows[0]["total"] if rows else 0, limit, offset)
    return [WaitingRow.model_validate(row) for row in rows]


@providers.post("/{provider_id}/waiting/replay", status_code=202, responses=problems(404, 422))
async def replay_waiting(svc: Svc, caller: Admin, provider_id: Id) -> RunStarted:
    """Try all of them again."""
    provider = await svc.hub.providers.get(str(provider_id))
    return RunStarted(run_id=await svc.hub.runs.replay(provider.id, caller.profile_id))


@providers.post("/{provider_id}/waiting/drop", responses=problems(404, 422))
async def drop_waiting(svc: Svc, caller: Admin, provider_id: Id, body: DropRequest) -> Dropped:  # noqa: ARG001
    """Let records go."""
    provider = await svc.hub.providers.get(str(provider_id))
    dropped = await svc.db.run("partners.drop_failures", provider_id=provider.id, ids=body.ids, code=body.code)
    return Dropped(dropped=dropped)


@runs.get("", responses=problems(422))
async def list_runs(
    request: Request,
    response: Response,
    svc: Svc,
    caller: Admin,  # noqa: ARG001
    provider_id: Annotated[Id | None, Query(description="Only of this partner.")] = None,
    status: Annotated[RunStatus | None, Query(description="Only with this status.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> list[RunAnswer]:
    """The log of synchronisations, newest first."""
    rows = await svc.db.all(
        "sync.log", provider_id=str(provider_id) if provider_id else None, status=status, sync_type=None, limit=limit,
        offset=offset,
    )  # fmt: skip
    add_page_headers(request, response, rows[0]["total"] if rows else 0, limit, offset)
    return [RunAnswer.model_validate(row) for row in rows]


@runs.get("/{run_id}", responses=problems(404, 422))
async def get_run(svc: Svc, caller: Admin, run_id: Id) -> RunDetail:  # noqa: ARG001
    """One run, also while it works."""
    row = await svc.hub.runs.run(str(run_id))
    return RunDetail.model_validate(row | {"preview": (row["sync_data"] or {}).get("preview") or []})


@runs.post("/{run_id}/cancel", status_code=202, responses=problems(404, 409, 422))
async def cancel_run(svc: Svc, caller: Admin, run_id: Id) -> RunAnswer:  # noqa: ARG001
    """Ask a run to stop; what it wrote stays."""
    await svc.hub.runs.run(str(run_id))
    await svc.hub.runs.cancel(str(run_id))
    return RunAnswer.model_validate(await svc.hub.runs.run(str(run_id)))


@runs.get("/{run_id}/undo", responses=problems(404, 409, 422))
async def preview_undo(svc: Svc, caller: Admin, run_id: Id) -> UndoPreview:  # noqa: ARG001
    """What undoing a run would take back and what it would leave, as things stand now. Nothing is changed."""
    await svc.hub.runs.run(str(run_id))
    return UndoPreview.model_validate(await svc.hub.runs.would_undo(str(run_id)))


@runs.post("/{run_id}/undo", responses=problems(404, 409, 422))
async def undo_run(svc: Svc, caller: Admin, run_id: Id) -> UndoAnswer:
    """Take back what a run wrote, as far as nobody has changed it since and nothing that others made refers to it. Its
    partner is paused.
    """
    return UndoAnswer.model_validate(await svc.hub.runs.undo(str(run_id), caller.profile_id))


def _kind(kind: type[Connector]) -> KindAnswer:
    able = kind.capabilities
    return KindAnswer(
        kind=kind.kind,
        title=kind.title,
        summary=kind.summary,
        streams={stream.value: pull for stream, pull in able.streams.items()},
        can=[name for name in _CAN if getattr(able, name)],
        options=[OptionAnswer.model_validate(asdict(option)) for option in kind.options],
    )


async def _provider(svc: Services, provider_id: str) -> ProviderAnswer:
    provider = await svc.hub.providers.get(provider_id)
    return ProviderAnswer(
        id=provider.id,
        name=provider.name,
        kind=provider.kind,
        active=provider.active,
        website_url=provider.website_url,
        support_email=provider.support_email,
        options=dict(provider.options),
        secrets=_stored(svc, provider),
        settings=SettingsAnswer.model_validate(
            asdict(provider.settings) | {"identity_rules": list(provider.settings.identity_rules)}
        ),
        inbound_url=svc.hub.providers.inbound_url(provider.id)
        if provider.kind and provider.connector.capabilities.receives
        else None,
    )


def _stored(svc: Services, provider: Provider) -> list[str]:
    return sorted(svc.hub.providers.stored_secrets(provider)) if provider.kind else []


def _settings(standing: Settings, body: SettingsBody) -> Settings:
    given: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    kept = {name: value for name, value in given.items() if value is not None or name == "schedule_minutes"}
    if "identity_rules" in kept:
        kept["identity_rules"] = tuple(dict.fromkeys(kept["identity_rules"]))
    return replace(standing, **kept)
