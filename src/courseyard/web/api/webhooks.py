"""REST: receivers of webhooks, and credentials that partners issued."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from courseyard.partners.credentials import Entry, Wanted
from courseyard.partners.webhooks import EndpointDraft
from courseyard.web.api.access import BEARER, Admin, AnyCaller, Svc, problems
from courseyard.web.api.paging import Limit, Offset, Search, add_page_headers
from courseyard.web.api.provider_schemas import (
    CredentialAnswer,
    CredentialRequest,
    EndpointAnswer,
    EndpointChange,
    EndpointMade,
    EndpointRequest,
    EndpointTested,
)
from courseyard.web.api.schemas import Id
from courseyard.web.rights import like_pattern, rights_of

webhooks = APIRouter(prefix="/webhooks", tags=["Webhooks"], dependencies=[BEARER])
credentials = APIRouter(prefix="/credentials", tags=["Credentials"], dependencies=[BEARER])


@webhooks.get("", responses=problems())
async def list_endpoints(svc: Svc, caller: Admin) -> list[EndpointAnswer]:  # noqa: ARG001  # lets only administrators in
    """All receivers."""
    return [EndpointAnswer.model_validate(row) for row in await svc.hub.webhooks.endpoints()]


@webhooks.post("", status_code=201, responses=problems(422))
async def add_endpoint(svc: Svc, caller: Admin, body: EndpointRequest) -> EndpointMade:  # noqa: ARG001
    """Add a receiver. Its secret is in this answer and in no other."""
    made, secret = await svc.hub.webhooks.add(EndpointDraft(body.url, body.events, body.description))
    return EndpointMade.model_validate(await svc.hub.webhooks.endpoint(made) | {"secret": secret})


@webhooks.get("/{endpoint_id}", responses=problems(404, 422))
async def get_endpoint(svc: Svc, caller: Admin, endpoint_id: Id) -> EndpointAnswer:  # noqa: ARG001
    """One receiver."""
    return EndpointAnswer.model_validate(await svc.hub.webhooks.endpoint(str(endpoint_id)))


@webhooks.patch("/{endpoint_id}", responses=problems(404, 422))
async def change_endpoint(svc: Svc, caller: Admin, endpoint_id: Id, body: EndpointChange) -> EndpointAnswer:  # noqa: ARG001
    """Change what is given; one that was switched off for failing is tried anew when set active."""
    standing = await svc.hub.webhooks.endpoint(str(endpoint_id))
    given = {name: value for name, value in body.model_dump(exclude_unset=True).items() if value is not None}
    kept = {name: standing[name] for name in ("url", "events", "description", "active")}
    await svc.hub.webhooks.change(str(endpoint_id), EndpointDraft(**(kept | given)))
    return EndpointAnswer.model_validate(await svc.hub.webhooks.endpoint(str(endpoint_id)))


@webhooks.delete("/{endpoint_id}", status_code=204, responses=problems(404, 422))
async def delete_endpoint(svc: Svc, caller: Admin, endpoint_id: Id) -> None:  # noqa: ARG001
    """Delete a receiver and what waits for it."""
    await svc.hub.webhooks.delete(str(endpoint_id))


@webhooks.post("/{endpoint_id}/test", responses=problems(404, 422))
async def test_endpoint(svc: Svc, caller: Admin, endpoint_id: Id) -> EndpointTested:  # noqa: ARG001
    """Send a test event now."""
    return EndpointTested(outcome=await svc.hub.webhooks.test(str(endpoint_id)))


@credentials.get("", responses=problems(422))
async def list_credentials(
    request: Request,
    response: Response,
    svc: Svc,
    caller: AnyCaller,
    profile_id: Annotated[Id | None, Query(description="Only of this person.")] = None,
    provider_id: Annotated[Id | None, Query(description="Only of this partner.")] = None,
    state: Annotated[
        Literal["valid", "expiring", "expired", "revoked"] | None, Query(description="Only of this state.")
    ] = None,
    search: Search = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> list[CredentialAnswer]:
    """The credentials that the caller may see; a learner sees the own ones."""
    wanted = Wanted(
        user_id=str(profile_id) if profile_id else None,
        provider_id=str(provider_id) if provider_id else None,
        state=state,
        pattern=like_pattern(search),
    )
    async with rights_of(svc.db, caller) as own:
        rows = await svc.hub.credentials.find(own, wanted, limit, offset)
    add_page_headers(request, response, rows[0]["total"] if rows else 0, limit, offset)
    return [CredentialAnswer.model_validate(row) for row in rows]


@credentials.post("", status_code=201, responses=problems(404, 409, 422))
async def add_credential(svc: Svc, caller: Admin, body: CredentialRequest) -> CredentialAnswer:
    """Enter a credential by hand."""
    given = body.model_dump(exclude={"profile_id", "provider_id"})
    await svc.hub.providers.get(str(body.provider_id))
    await svc.directory.person(str(body.profile_id))
    entry = Entry(user_id=str(body.profile_id), provider_id=str(body.provider_id), **given)
    made = await svc.hub.credentials.enter(entry, caller.profile_id)
    return CredentialAnswer.model_validate(await svc.hub.credentials.get(svc.db, made))


@credentials.get("/{credential_id}", responses=problems(404, 422))
async def get_credential(svc: Svc, caller: AnyCaller, credential_id: Id) -> CredentialAnswer:
    """One credential."""
    async with rights_of(svc.db, caller) as own:
        return CredentialAnswer.model_validate(await svc.hub.credentials.get(own, str(credential_id)))


@credentials.delete("/{credential_id}", status_code=204, responses=problems(404, 422))
async def delete_credential(svc: Svc, caller: Admin, credential_id: Id) -> None:  # noqa: ARG001
    """Delete a credential."""
    await svc.hub.credentials.delete(str(credential_id))
