"""Accounts at a partner: who they are here. Those that wait come first; a decision replays what waited for it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from courseyard.errors import CourseyardError, InvalidInputError
from courseyard.limits import PAGE_SIZE
from courseyard.partners.providers import IDENTITY_RULES
from courseyard.people import NewLearner
from courseyard.web.context import services
from courseyard.web.pages import forms
from courseyard.web.pages.credentials import admin
from courseyard.web.pages.rendering import page
from courseyard.web.rights import like_pattern

STATES = {"waiting": "Waiting", "matched": "Known", "ignored": "Left aside"}
_RULES = IDENTITY_RULES | {
    "made": "Made here for this account",
    "by hand": "Decided by a person",
    "outbox": "Enrolled from here",
}


async def show(request: Request) -> Response:
    """The accounts of one state."""
    await admin(request)
    return await _show(request)


async def decide(request: Request) -> Response:
    """Say who an account is: a person by e-mail, a new one, or nobody."""
    caller = await admin(request)
    svc, provider_id, form = services(request), forms.path_id(request), await request.form()
    external_id, how = forms.text(form, "account"), forms.text(form, "how")
    try:
        if how == "ignore":
            profile_id = None
        elif how == "candidate":
            profile_id = str((await svc.directory.person(forms.text(form, "profile")))["profile_id"])
        elif how == "make":
            learner = NewLearner(forms.text(form, "email"), name=forms.optional(form, "name"))
            profile_id = await svc.directory.learner(learner)
        else:
            profile_id = await _by_email(request, forms.text(form, "email"))
        run_id = await svc.hub.identities.decide(provider_id, external_id, profile_id, caller.profile_id)
    except CourseyardError as error:
        return await _show(request, error)
    return RedirectResponse(f"/partners/providers/{provider_id}/people?done=decided&run={run_id}", 303)


async def _by_email(request: Request, email: str) -> str:
    row = await services(request).db.one("people.person_by_email", email=email)
    if row is None:
        raise InvalidInputError(
            f"Nobody here has the e-mail address '{email[:100]}'.", hint="Check it, or make a new person."
        )
    return str(row["profile_id"])


async def _show(request: Request, error: CourseyardError | None = None) -> Response:
    svc, provider_id = services(request), forms.path_id(request)
    provider = await svc.hub.providers.get(provider_id)
    state = request.query_params.get("state", "waiting")
    state = state if state in STATES else "waiting"
    search = forms.search_of(request)
    pattern, offset = like_pattern(search), forms.offset_of(request)
    if state == "matched":
        rows = await svc.hub.identities.matched(provider_id, pattern, PAGE_SIZE, offset)
    else:
        rows = await svc.hub.identities.waiting(provider_id, state, pattern, PAGE_SIZE, offset)
    return page(
        request,
        "partner_people.html",
        error.status if error else 200,
        provider=provider,
        accounts=rows,
        total=rows[0]["total"] if rows else 0,
        state=state,
        states=STATES,
        rules=_RULES,
        search=search,
        run_id=forms.query_id(request, "run"),
        page_number=forms.page_of(request),
        page_size=PAGE_SIZE,
        error=error,
    )


routes = [
    Route("/partners/providers/{id}/people", show, methods=["GET"]),
    Route("/partners/providers/{id}/people", decide, methods=["POST"]),
]
