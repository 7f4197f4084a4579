"""Two origins in one process, told apart by the Host header.

Course content is untrusted code. It lives on an origin of its own, where no cookie is, and a route of the one
origin does not exist on the other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from courseyard.errors import CourseyardError, SetupError, UnknownHostError
from courseyard.web.problems import log, problem

_DEFAULT_PORTS = {"http": 80, "https": 443}

ReadyCheck = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of one address, without a path."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str, setting: str) -> Origin:
        """Read an address from the settings.

        Raises:
            SetupError: not an http(s) address without a path; ``setting`` is the variable to correct.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.path not in {"", "/"} or parts.query:
            raise SetupError(
                f"{setting} is not an address that Courseyard can have.",
                hint=f"Set {setting} to scheme and host alone, for example https://learn.example.org",
            )
        return cls(parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme])

    def __str__(self) -> str:
        """As browsers write it in the Origin header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = self.port == _DEFAULT_PORTS[self.scheme]
        return f"{self.scheme}://{host}" if default else f"{self.scheme}://{host}:{self.port}"

    @property
    def is_secure(self) -> bool:
        """True for https."""
        return self.scheme == "https"

    def answers_to(self, host_header: str) -> bool:
        """Whether a Host header means this origin, in any letter case, default port or not."""
        try:
            parts = urlsplit(f"//{host_header}")
            port = parts.port or _DEFAULT_PORTS[self.scheme]
        except ValueError:
            return False
        return parts.hostname == self.host and port == self.port


@dataclass(frozen=True, slots=True)
class Origins:
    """The two addresses of an installation."""

    app: Origin
    content: Origin

    @classmethod
    def of(cls, app_url: str | None, content_url: str | None, port: int) -> Origins:
        """From the settings, with the local defaults for what is absent.

        Raises:
            SetupError: an address cannot be used, or both have the same host.
        """
        app = Origin.parse(app_url or f"http://localhost:{port}", "COURSEYARD_APP_URL")
        content = Origin.parse(content_url or f"http://127.0.0.1:{port}", "COURSEYARD_CONTENT_URL")
        # Cookies know no ports: the same host on two ports would share them with course content.
        if app.host == content.host:
            raise SetupError(
                "The app and the course content have the same host, so courses could read the app's cookies.",
                hint="Set COURSEYARD_APP_URL and COURSEYARD_CONTENT_URL to two different host names.",
            )
        return cls(app, content)


class OriginRouter:
    """The outermost application: health for everybody, else the application of the origin that was asked."""

    def __init__(self, origins: Origins, app: ASGIApp, content: ASGIApp, ready: ReadyCheck) -> None:
        """``ready`` raises an error of the catalogue when the server cannot work."""
        self._origins = origins
        self._app = app
        self._content = content
        self._ready = ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route one request. Nothing but HTTP is served here."""
        if scope["type"] != "http":
            return
        request = Request(scope)
        target = await self._health(request) or self._choose(request.headers.get("host", ""))
        try:
            await target(scope, receive, send)
        except Exception as error:
            # The application has answered with status 500 already; here it is told to who runs the server.
            log.error("unexpected error", path=scope["path"], exc_info=error)

    def _choose(self, host: str) -> ASGIApp:
        if self._origins.app.answers_to(host):
            return self._app
        if self._origins.content.answers_to(host):
            return self._content
        return problem(UnknownHostError(f"This server is {self._origins.app}, not '{host[:200]}'."))

    async def _health(self, request: Request) -> Response | None:
        if request.method not in {"GET", "HEAD"}:
            return None
        if request.url.path == "/healthz":
            return _fine()
        if request.url.path == "/readyz":
            try:
                await self._ready()
            except CourseyardError as error:
                return problem(error)
            return _fine()
        return None


def _fine() -> Response:
    return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})
