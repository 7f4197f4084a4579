"""The content origin: the player page, its interface, and the files of packages. No cookies here, no login.

Course content is untrusted and shares this origin with the page. So a request is let in by what it carries in its
address or its Authorization header, and each of these opens one attempt or one package version only.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from jinja2 import Environment, FileSystemLoader
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from courseyard.errors import CourseyardError, MalformedBodyError, PlayerTokenError, TooLargeError
from courseyard.limits import JOURNAL_LIFETIME, MAX_COMMIT_BYTES, MAX_JSON_BYTES, MAX_PARALLEL_PLAYER_REQUESTS
from courseyard.runtime import Commit, Navigation, Player, PlayerSession
from courseyard.web import problems
from courseyard.web.content_files import ContentFiles
from courseyard.web.headers import DefaultHeaders, player_headers
from courseyard.web.origins import Origins
from courseyard.web.player_assets import PLAYER, PlayerAssets

_T = TypeVar("_T")
_Handler = Callable[[Request], Awaitable[Response]]


class _Open(msgspec.Struct):
    launch: str


class _Window(msgspec.Struct):
    attempt: str
    epoch: int


def create_play_app(player: Player, files: ContentFiles, origins: Origins, clock: Callable[[], datetime]) -> Starlette:
    """The application of the content origin."""
    api = _PlayApi(player, clock)
    assets = PlayerAssets()
    return Starlette(
        routes=[
            Route("/play/api/open", api.limited(api.open), methods=["POST"]),
            Route("/play/api/commit", api.limited(api.commit), methods=["POST"]),
            Route("/play/api/navigate", api.limited(api.navigate), methods=["POST"]),
            Route("/play/api/heartbeat", api.limited(api.heartbeat), methods=["POST"]),
            Route("/play/api/why", api.limited(api.why), methods=["GET"]),
            Route("/play/assets/{digest}/{path:path}", assets.serve, methods=["GET", "HEAD"]),
            Route("/play/{launch}", _PlayerPage(assets, f"{origins.app}/courses").__call__, methods=["GET"]),
            Route("/content/{prefix}/{path:path}", files.serve, methods=["GET", "HEAD"]),
        ],
        middleware=[Middleware(DefaultHeaders, headers_of=player_headers(origins))],
        exception_handlers={
            CourseyardError: problems.on_courseyard_error,
            HTTPException: problems.on_http_error,
            Exception: problems.on_unexpected_error,
        },
    )


class _PlayApi:
    """Parses, authenticates, and hands over to the run-time; a database connection is first taken there."""

    def __init__(self, player: Player, clock: Callable[[], datetime]) -> None:
        self._player = player
        self._clock = clock
        self._slots = asyncio.Semaphore(MAX_PARALLEL_PLAYER_REQUESTS)

    def limited(self, handler: _Handler) -> _Handler:
        """At most so many at once: more only make all of them slower."""

        async def run(request: Request) -> Response:
            async with self._slots:
                return await handler(request)

        return run

    async def open(self, request: Request) -> Response:
        """A launch link becomes a session."""
        body = await _body(request, _Open, MAX_JSON_BYTES)
        agent = request.headers.get("user-agent", "")[:400]
        return _json(await self._player.open(body.launch, agent, self._clock()))

    async def commit(self, request: Request) -> Response:
        """What a SCO has set."""
        session, renew = self._session(request, JOURNAL_LIFETIME)
        body = await _body(request, Commit, MAX_COMMIT_BYTES)
        _check_window(session, body.attempt)
        answer = await self._player.commit(session, body)
        return self._answer(answer, session, renew)

    async def navigate(self, request: Request) -> Response:
        """A navigation request of the learner or of the SCO."""
        session, renew = self._session(request)
        body = await _body(request, Navigation, MAX_JSON_BYTES)
        _check_window(session, body.attempt)
        answer = await self._player.navigate(session, body, self._clock())
        return self._answer(answer, session, renew)

    async def heartbeat(self, request: Request) -> Response:
        """The page is still open."""
        session, renew = self._session(request)
        body = await _body(request, _Window, MAX_JSON_BYTES)
        _check_window(session, body.attempt)
        return self._answer(await self._player.heartbeat(session), session, renew)

    async def why(self, request: Request) -> Response:
        """Tree, statuses and the last requests, for whoever previews a package."""
        session, _ = self._session(request)
        return _json(await self._player.why(session))

    def _session(self, request: Request, late: timedelta = timedelta()) -> tuple[PlayerSession, bool]:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise PlayerTokenError("The request has no bearer token.")
        return self._player.tokens.read_session(token.strip(), self._clock(), late)

    def _answer(self, answer: dict[str, Any], session: PlayerSession, renew: bool) -> Response:
        if renew:
            answer |= {"token": self._player.tokens.issue_session(session, self._clock())}
        return _json(answer)


class _PlayerPage:
    """The page that a launch link opens. It is the same for everybody: what it shows, it asks for by itself."""

    def __init__(self, assets: PlayerAssets, home: str) -> None:
        self._assets = assets
        self._home = home
        self._templates = Environment(loader=FileSystemLoader(PLAYER), autoescape=True)

    async def __call__(self, _request: Request) -> Response:
        page = self._templates.get_template("page.html").render(
            title="Course", assets=self._assets.address, home=self._home
        )
        return HTMLResponse(page, headers={"Cache-Control": "no-store"})


def _check_window(session: PlayerSession, attempt: str) -> None:
    if attempt != session.attempt:
        raise PlayerTokenError("The token belongs to another attempt.")


async def _body(request: Request, kind: type[_T], limit: int) -> _T:
    """Read a JSON body.

    Raises:
        TooLargeError: more than ``limit`` bytes.
        MalformedBodyError: not the JSON that is expected here.
    """
    announced = request.headers.get("content-length", "0")
    raw = bytearray()
    if announced.isdecimal() and int(announced) <= limit:
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > limit:
                break
    if len(raw) > limit or not (announced.isdecimal() and int(announced) <= limit):
        raise TooLargeError(f"The body has more than {limit:,} bytes.")
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise MalformedBodyError(f"The body is not as expected: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _lenient(bytes(raw), kind)


def _lenient(raw: bytes, kind: type[_T]) -> _T:
    """Content may cut a text in the middle of a character; half characters become the replacement character."""
    try:
        text = json.dumps(json.loads(raw), ensure_ascii=False).encode("utf-16", "surrogatepass")
        return msgspec.json.decode(text.decode("utf-16", "replace").encode(), type=kind)
    except (ValueError, msgspec.MsgspecError) as error:
        raise MalformedBodyError from error


def _json(answer: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(answer), media_type="application/json", headers={"Cache-Control": "no-store"})
