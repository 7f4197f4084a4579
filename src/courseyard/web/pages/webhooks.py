"""Pages of outgoing webhooks: who is told of what, and how that goes. For administrators."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from courseyard.errors import CourseyardError
from courseyard.limits import PAGE_SIZE
from courseyard.partners.webhooks import EVENTS, EndpointDraft
from courseyard.web.context import services
from courseyard.web.pages import forms
from courseyard.web.pages.credentials import admin
from courseyard.web.pages.rendering import back, page

_STATES = ("waiting", "delivered", "failed")


async def show_list(request: Request) -> Response:
    """All receivers, and the form for another one."""
    await admin(request)
    return await _list(request)


async def add(request: Request) -> Response:
    """Add a receiver; its page shows the secret, this once."""
    await admin(request)
    form = await request.form()
    draft = _draft(form)
    try:
        endpoint_id, secret = await services(request).hub.webhooks.add(draft)
    except CourseyardError as error:
        return await _list(request, error=error, entered=draft)
    return await _show(request, endpoint_id, secret=secret)


async def show(request: Request) -> Response:
    """One receiver and what it was sent."""
    await admin(request)
    return await _show(request, forms.path_id(request))


async def change(request: Request) -> Response:
    """Change address, events, or switch it off and on."""
    await admin(request)
    endpoint_id, form = forms.path_id(request), await request.form()
    try:
        await services(request).hub.webhooks.change(endpoint_id, _draft(form, active=forms.ticked(form, "active")))
    except CourseyardError as error:
        return await _show(request, endpoint_id, error=error)
    return back(f"/partners/webhooks/{endpoint_id}", "saved")


async def renew(request: Request) -> Response:
    """A new secret, shown this once."""
    await admin(request)
    endpoint_id = forms.path_id(request)
    return await _show(request, endpoint_id, secret=await services(request).hub.webhooks.renew_secret(endpoint_id))


async def test(request: Request) -> Response:
    """Send a test event and say what came of it."""
    await admin(request)
    endpoint_id = forms.path_id(request)
    return await _show(request, endpoint_id, outcome=await services(request).hub.webhooks.test(endpoint_id))


async def tell_everything(request: Request) -> Response:
    """Send the present state of everything."""
    await admin(request)
    endpoint_id = forms.path_id(request)
    made = await services(request).hub.webhooks.tell_everything(endpoint_id)
    return await _show(request, endpoint_id, outcome=f"{made} notices are on their way.")


async def try_again(request: Request) -> Response:
    """Send again what failed or waits."""
    await admin(request)
    endpoint_id, form = forms.path_id(request), await request.form()
    await services(request).hub.webhooks.try_again(endpoint_id, forms.optional(form, "notice"))
    return back(f"/partners/webhooks/{endpoint_id}", "tried-again")


async def delete(request: Request) -> Response:
    """Delete a receiver with what waits for it."""
    await admin(request)
    await services(request).hub.webhooks.delete(forms.path_id(request))
    return back("/partners/webhooks", "webhook-deleted")


def _draft(form: Any, *, active: bool = True) -> EndpointDraft:
    events = [str(value) for value in form.getlist("events")]
    return EndpointDraft(forms.text(form, "url"), events, forms.text(form, "description"), active)


async def _list(
    request: Request, error: CourseyardError | None = None, entered: EndpointDraft | None = None
) -> Response:
    return page(
        request,
        "webhooks.html",
        error.status if error else 200,
        endpoints=await services(request).hub.webhooks.endpoints(),
        events=EVENTS,
        error=error,
        entered=entered or EndpointDraft("", ["*"]),
    )


async def _show(request: Request, endpoint_id: str, **more: Any) -> Response:
    hooks = services(request).hub.webhooks
    state = request.query_params.get("state")
    notices = await hooks.notices(endpoint_id, state if state in _STATES else None, PAGE_SIZE, forms.offset_of(request))
    error = more.get("error")
    return page(
        request,
        "webhook.html",
        error.status if isinstance(error, CourseyardError) else 200,
        endpoint=await hooks.endpoint(endpoint_id),
        notices=notices,
        total=notices[0]["total"] if notices else 0,
        state=state if state in _STATES else None,
        states=_STATES,
        events=EVENTS,
        page_number=forms.page_of(request),
        page_size=PAGE_SIZE,
        **{"secret": None, "outcome": None, "error": None, **more},
    )


routes = [
    Route("/partners/webhooks", show_list, methods=["GET"]),
    Route("/partners/webhooks", add, methods=["POST"]),
    Route("/partners/webhooks/{id}", show, methods=["GET"]),
    Route("/partners/webhooks/{id}", change, methods=["POST"]),
    Route("/partners/webhooks/{id}/secret", renew, methods=["POST"]),
    Route("/partners/webhooks/{id}/test", test, methods=["POST"]),
    Route("/partners/webhooks/{id}/everything", tell_everything, methods=["POST"]),
    Route("/partners/webhooks/{id}/again", try_again, methods=["POST"]),
    Route("/partners/webhooks/{id}/delete", delete, methods=["POST"]),
]
