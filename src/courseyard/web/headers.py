"""The protective headers of both origins."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from courseyard.web.origins import Origin, Origins

Headers = Mapping[str, str]

# What a page of ours may load, on either origin: nothing inline, nothing from elsewhere.
_PAGE = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
)


class DefaultHeaders:
    """Adds headers to every response; what the application sets itself stands."""

    def __init__(self, app: ASGIApp, headers_of: Callable[[str], Headers]) -> None:
        """``headers_of`` gives the headers for a path."""
        self._app = app
        self._headers_of = headers_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = self._headers_of(scope["path"])

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in added.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def app_headers(origins: Origins) -> Callable[[str], Headers]:
    """Those of the app. A form may lead to the player: a launch redirects there."""
    policy = "; ".join((*_PAGE, f"form-action 'self' {origins.content}", "frame-ancestors 'none'"))
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        **_transport(origins.app),
    }
    return lambda _path: headers


def player_headers(origins: Origins) -> Callable[[str], Headers]:
    """Those of player and content.

    The player page runs its own scripts only; what it frames is content, which may lie anywhere. Content is as its
    authors made it, with scripts in the page and eval: only who may frame it is limited.
    """
    framed_by = f"frame-ancestors 'self' {origins.app}"
    both = {
        # Many courses save in their unload handlers, which browsers are about to switch off by default.
        "Permissions-Policy": "unload=(self)",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        **_transport(origins.content),
    }
    page = both | {"Content-Security-Policy": "; ".join((*_PAGE, "frame-src *", "form-action 'none'", framed_by))}
    content = both | {"Content-Security-Policy": framed_by}
    return lambda path: content if path.startswith("/content/") else page


def _transport(origin: Origin) -> Headers:
    return {"Strict-Transport-Security": "max-age=31536000"} if origin.is_secure else {}
