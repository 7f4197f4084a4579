"""Protective headers of the content origin."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from courseyard.web.origins import Origins


def page_policy(origins: Origins) -> str:
    """The player page runs its own scripts only; what it frames is content, which may lie anywhere."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "frame-src *",
            "base-uri 'none'",
            "form-action 'none'",
            f"frame-ancestors 'self' {origins.app}",
        )
    )


def content_policy(origins: Origins) -> str:
    """Content is as its authors made it, with scripts in the page and eval: only who may frame it is limited."""
    return f"frame-ancestors 'self' {origins.app}"


class PlayerHeaders:
    """Adds them to every response."""

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        """``app`` may set any of them itself; its word then stands."""
        self._app = app
        self._page_policy = page_policy(origins)
        self._content_policy = content_policy(origins)
        self._headers = {
            # Many courses save in their unload handlers, which browsers are about to switch off by default.
            "Permissions-Policy": "unload=(self)",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        if origins.content.is_secure:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_content = scope["path"].startswith("/content/")
        policy = self._content_policy if is_content else self._page_policy

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", policy)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
