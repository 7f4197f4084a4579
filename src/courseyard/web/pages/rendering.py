"""Turns templates into responses: the environment, what every page knows, and the friendly error page."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from courseyard.errors import CourseyardError, NotSignedInError
from courseyard.web.pages import wording
from courseyard.web.problems import allow_header, from_http, log

WEB = Path(__file__).resolve().parents[1]
STATIC = WEB / "static"


@cache
def static_url(name: str) -> str:
    """The address of a static file; its digest in it lets browsers keep it for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def _nav_link(path: str, text: str, request: Request) -> Markup:
    here = request.url.path == path or request.url.path.startswith(f"{path}/")
    return Markup('<li><a href="{}"{}>{}</a></li>').format(path, Markup(' aria-current="page"') if here else "", text)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(WEB / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(static=static_url, nav_link=_nav_link)
    environment.filters.update(
        time=wording.time_element,
        ago=wording.ago,
        duration=wording.duration,
        size=wording.size,
        number=wording.number,
        state=wording.state,
    )
    return environment


_TEMPLATES = _environment()


def page(request: Request, template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
    """One page. ``?done=…`` of a redirect becomes a sentence from a fixed list."""
    caller = getattr(request.state, "caller", None)
    done = wording.DONE.get(request.query_params.get("done", ""))
    text = _TEMPLATES.get_template(template).render(request=request, caller=caller, done=done, **values)
    return HTMLResponse(text, status)


def back(path: str, done: str | None = None) -> Response:
    """After a form: lead to a page, so that a reload sends nothing twice."""
    return RedirectResponse(f"{path}?done={done}" if done else path, 303)


async def on_courseyard_error(request: Request, error: Exception) -> Response:
    """Exception handler: a friendly page; who is not signed in is led to the sign-in page and back."""
    if not isinstance(error, CourseyardError):
        raise error
    if type(error) is NotSignedInError and request.method == "GET":
        if "hx-request" in request.headers:
            return Response(status_code=204, headers={"HX-Redirect": "/sign-in"})
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?next={quote(target)}" if target != "/" else "/sign-in", 303)
    if error.status >= 500:
        log.error("request failed", code=error.code, detail=error.detail)
    return page(request, "error.html", error.status, error=error)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Exception handler for unknown addresses and wrong methods."""
    if not isinstance(error, HTTPException):
        raise error
    response = await on_courseyard_error(request, from_http(error))
    response.headers.update(allow_header(request, error))
    return response


async def on_unexpected_error(request: Request, _error: Exception) -> Response:
    """Exception handler for faults of ours: told without any detail; the log has it in full."""
    return page(request, "error.html", 500, error=CourseyardError())
