"""What protects the app origin: the cross-site check, the session cookie, the size of a body."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from courseyard.errors import CourseyardError, CrossSiteError, TooLargeError
from courseyard.limits import MAX_JSON_BYTES, WEB_SESSION_LIFETIME
from courseyard.web.origins import Origin

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# Where partners push to: deliveries have a limit of their own, kept where they are read.
INBOUND = "/api/partners/inbound"


Refuse = Callable[[HTTPConnection, CourseyardError], Awaitable[Response]]


class RequestGuard:
    """Refuses forged and oversized requests before anything is read of them."""

    def __init__(self, app: ASGIApp, origin: Origin, refuse: Refuse) -> None:
        """``refuse`` turns the error into a page or a problem document."""
        self._app = app
        self._origin = origin
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if is_forged(scope["method"], headers, str(self._origin)):
            response = await self._refuse(HTTPConnection(scope), CrossSiteError())
            await response(scope, receive, send)
            return
        if _is_streamed(headers) or scope["path"].startswith(f"{INBOUND}/"):
            await self._app(scope, receive, send)
            return
        await self._with_limit(scope, receive, send, headers)

    async def _with_limit(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        announced = headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > MAX_JSON_BYTES:
            response = await self._refuse(HTTPConnection(scope), _too_large())
            await response(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > MAX_JSON_BYTES:
                    raise _too_large()
            return message

        await self._app(scope, counted, send)


def is_forged(method: str, headers: Mapping[str, str], origin: str) -> bool:
    """Whether another site may have made the browser send this.

    Only a changing request is in question, and none with a bearer token: no other site can make a browser
    send one. Browsers say where a request comes from in ``Sec-Fetch-Site``, older ones in ``Origin``; one
    that brings cookies and says neither is no page of ours. ``same-site`` is refused as well: the content
    origin may be a sibling host.
    """
    if method in SAFE_METHODS or headers.get("authorization", "").lower().startswith("bearer "):
        return False
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return True
    sender = headers.get("origin")
    if sender is not None:
        return sender != origin
    return site is None and "cookie" in headers


def session_cookie_name(origin: Origin) -> str:
    """The ``__Host-`` prefix keeps a sibling host from planting a cookie; browsers take it on https only."""
    return "__Host-courseyard" if origin.is_secure else f"courseyard-{origin.port}"


def set_session_cookie(response: Response, origin: Origin, token: str) -> None:
    """Let the browser keep a session."""
    response.set_cookie(
        session_cookie_name(origin),
        token,
        max_age=int(WEB_SESSION_LIFETIME.total_seconds()),
        path="/",
        secure=origin.is_secure,
        httponly=True,
        samesite="lax",
    )


def clear_session_cookie(response: Response, origin: Origin) -> None:
    """Let the browser forget it."""
    response.delete_cookie(
        session_cookie_name(origin), path="/", secure=origin.is_secure, httponly=True, samesite="lax"
    )


def _is_streamed(headers: Headers) -> bool:
    # Uploads have a limit of their own, kept where they are written to disk.
    return headers.get("content-type", "").lower().startswith("multipart/form-data")


def _too_large() -> TooLargeError:
    return TooLargeError(f"The body has more than {MAX_JSON_BYTES:,} bytes.")
