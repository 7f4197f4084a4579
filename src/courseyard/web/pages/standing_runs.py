"""Of a partner one run is on at a time: what pages say when another was asked for meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from courseyard.errors import NotFoundError, RunStandsError
from courseyard.web.context import services
from courseyard.web.pages import forms
from courseyard.web.pages.rendering import back

# What was asked for, by the word that leads to the page: nobody can put words on a page by a link.
ASKED = {"sync": "sync", "dry": "dry run", "drift": "check for drift", "look": "look at the catalogue"}


def led_to(path: str, standing: RunStandsError, asked: str) -> Response:
    """To the page, which then says that what was ``asked`` was not begun, and which run is on."""
    return back(f"{path}?{urlencode({'standing': standing.extra['run_id'], 'asked': asked})}")


async def told(request: Request, provider_id: str) -> Mapping[str, Any] | None:
    """What the page is to say: the run that was in the way, and what was ``asked``; None where nothing was."""
    run_id, asked = forms.query_id(request, "standing"), ASKED.get(request.query_params.get("asked", ""))
    if run_id is None or asked is None:
        return None
    try:
        run = await services(request).hub.runs.run(run_id)
    except NotFoundError:
        return None
    return run | {"asked": asked} if run["provider_id"] == provider_id else None
