"""Accounts at a partner: who they are here. Those that wait come first; a decision replays what waited for it."""

from __future__ import annotations

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from courseyard.errors import CourseyardError, InvalidInputError
from courseyard.limits import PAGE_SIZE
from courseyard.partners.providers import IDENTITY_RULES
from courseyard.people import NewLearner
from courseyard.web.api.schemas import Learner
from courseyard.web.context import services
from courseyard.web.pages import forms
from courseyard.web.pages.credentials import admin
from courseyard.web.pages.rendering import page
from courseyard.web.pages.waiting_records import replay_asked
from courseyard.web.rights import like_pattern

STATES = {"waiting": "Waiting", "matched": "Known", "ignored": "Left aside"}
_RULES = IDENTITY_RULES | {
    "made": "Made here for this account",
    "by hand": "Decided by a person",
    "outbox": "Enrolled from here",
}
# People that a search shows; whoever is not among them is found by a narrower one.
_FOUND_SHOWN = 20


async def show(request: Request) -> Response:
    """The accounts of one state."""
    await admin(request)
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
        provider=provider,
        accounts=rows,
        total=rows[0]["total"] if rows else 0,
        state=state,
        states=STATES,
        rules=_RULES,
        search=search,
        replay=await replay_asked(request),
        page_number=forms.page_of(request),
        page_size=PAGE_SIZE,
    )


async def show_account(request: Request) -> Response:
    """One account, and everybody it may be."""
    await admin(request)
    return await _account(request, request.query_params.get("account", "").replace("\0", ""))


async def decide(request: Request) -> Response:
    """Say who an account is: somebody who is here, a new person, or nobody."""
    caller = await admin(request)
    svc, provider_id, form = services(request), forms.path_id(request), await request.form()
    account = await svc.hub.identities.account(provider_id, forms.text(form, "account"))
    try:
        profile_id = await _meant(request, form)
        run_id = await svc.hub.identities.decide(provider_id, account["external_id"], profile_id, caller.profile_id)
    except CourseyardError as error:
        return await _account(request, account["external_id"], error, form)
    return RedirectResponse(f"/partners/providers/{provider_id}/people?done=decided&run={run_id}", 303)


async def _meant(request: Request, form: FormData) -> str | None:
    """The person whom the form names, made if it says so; None for nobody."""
    directory = services(request).directory
    match forms.text(form, "how"):
        case "person":
            found = await directory.person(forms.form_id(form, "profile", "Person"))
            return str(found["profile_id"])
        case "make":
            new = forms.checked(Learner, {"email": forms.text(form, "email"), "name": forms.optional(form, "name")})
            if await services(request).db.one("people.person_by_email", email=new.email):
                raise InvalidInputError(
                    f"Somebody here has the e-mail address {new.email} already.", hint="Find and choose that person."
                )
            return await directory.learner(NewLearner(new.email, name=new.name))
        case "ignore":
            return None
        case other:
            raise InvalidInputError(f"There is no decision '{other[:50]}'.")


async def _account(
    request: Request, external_id: str, error: CourseyardError | None = None, form: FormData | None = None
) -> Response:
    svc, provider_id = services(request), forms.path_id(request)
    provider = await svc.hub.providers.get(provider_id)
    account = await svc.hub.identities.account(provider_id, external_id)
    # Before anybody typed something, those who are called like the account.
    search = forms.search_of(request) if "q" in request.query_params else account["name"] or account["email"]
    found = await svc.directory.people(search, _FOUND_SHOWN, 0) if search else []
    typed = form if form is not None and forms.text(form, "how") == "make" else None
    return page(
        request,
        "partner_account.html",
        error.status if error else 200,
        provider=provider,
        account=account,
        search=search,
        found=found,
        total=found[0]["total"] if found else 0,
        entered={
            "email": forms.text(typed, "email") if typed else account["email"] or "",
            "name": forms.text(typed, "name") if typed else account["name"] or "",
        },
        error=error,
    )


routes = [
    Route("/partners/providers/{id}/people", show, methods=["GET"]),
    Route("/partners/providers/{id}/people", decide, methods=["POST"]),
    Route("/partners/providers/{id}/people/account", show_account, methods=["GET"]),
]
