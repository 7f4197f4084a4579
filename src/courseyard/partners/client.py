"""Calls to a partner: rate limit, retries with back-off, time-outs, size limits, and answers that are never trusted.

Written once for all connectors. Errors are in the partner's name; what goes into them never holds a credential, for
one that an answer repeats is blotted out of it before anybody reads it.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, quote_plus, urljoin, urlsplit

import httpx

from courseyard.errors import (
    PartnerAnswerError,
    PartnerBusyError,
    PartnerError,
    PartnerRefusedError,
    PartnerUnreachableError,
)
from courseyard.limits import (
    MAX_PARTNER_ANSWER_BYTES,
    MAX_PARTNER_PUT_OFF_SECONDS,
    MAX_PARTNER_WAIT_SECONDS,
    MIN_BLOTTED_CHARS,
    PARTNER_TIMEOUT_SECONDS,
    PARTNER_TRIES,
)

Authorise = Callable[["PartnerClient", bool], Awaitable[Mapping[str, str]]]
Sleep = Callable[[float], Awaitable[None]]

_BUSY = {429, 503}
_REFUSED = {401, 403}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the partner answered."""

    status: int
    headers: httpx.Headers
    body: bytes = field(repr=False)
    url: str = ""

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            PartnerAnswerError: it is none: an HTML page, or cut off.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            start = self.body[:200].lstrip().lower()
            if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<")):
                what = "a web page instead of data"
            elif not self.body:
                what = "nothing"
            else:
                what = "JSON that is broken or cut off"
            raise PartnerAnswerError(f"{_place(self.url)} answered with {what}.") from error

    def object(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            PartnerAnswerError: it is something else.
        """
        found = self.json()
        if not isinstance(found, dict):
            raise PartnerAnswerError(f"{_place(self.url)} answered with a {type(found).__name__}, not an object.")
        return found

    def array(self) -> list[Any]:
        """The body as a JSON array.

        Raises:
            PartnerAnswerError: it is something else.
        """
        found = self.json()
        if not isinstance(found, list):
            raise PartnerAnswerError(f"{_place(self.url)} answered with a {type(found).__name__}, not a list.")
        return found

    def next_link(self) -> str | None:
        """The address of the next page, of the Link header."""
        link = httpx.Response(200, headers=self.headers).links.get("next")
        return str(link["url"]) if link and link.get("url") else None

    def told_at(self) -> datetime | None:
        """When the partner answered, by its own clock."""
        try:
            found = parsedate_to_datetime(self.headers.get("date", ""))
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        except (ValueError, OverflowError):
            return None


class Pace:
    """Spaces requests evenly, so that a limit per minute is never passed."""

    def __init__(self, per_minute: int, clock: Callable[[], float], sleep: Sleep) -> None:
        """``clock`` in seconds, only ever rising."""
        self._gap = 60.0 / max(per_minute, 1)
        self._clock = clock
        self._sleep = sleep
        self._free_at = 0.0
        self._burst = 10

    def hold(self, seconds: float) -> None:
        """Let nobody have a turn for so long, because the partner's quota is nearly used up."""
        if seconds > 0:
            self._free_at = max(self._free_at, self._clock() + seconds)

    async def turn(self) -> None:
        """Wait for the next turn; a few requests after a pause need not wait."""
        now = self._clock()
        self._free_at = max(self._free_at, now - self._gap * self._burst) + self._gap
        if self._free_at > now:
            await self._sleep(self._free_at - now)


class PartnerClient:
    """HTTP calls to one provider."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        base_url: str,
        *,
        requests_per_minute: int,
        authorise: Authorise | None = None,
        secrets: Iterable[str] = (),
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """``base_url``: paths are relative to it, and credentials go to its origin alone.

        ``secrets``: what is blotted out where an answer repeats it, beside the credential that it answers to.
        """
        self._http = http
        self._secrets = tuple(secrets)
        self.base_url = base_url.rstrip("/")
        self._authorise = authorise
        self._sleep = sleep
        self._pace = Pace(requests_per_minute, _monotonic, sleep)
        self.requests = 0

    def authorised_by(self, authorise: Authorise) -> PartnerClient:
        """Send what this function gives with every request; it is asked anew, with True, after a 401."""
        self._authorise = authorise
        return self

    async def get(self, path: str, **request: Any) -> Answer:
        """A GET, tried again when that may help. See ``request``."""
        return await self.request("GET", path, **request)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Any = None,
        json: Any = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        again: bool | None = None,
        accept: tuple[int, ...] = (),
        anonymous: bool = False,
        elsewhere: bool = False,
    ) -> Answer:
        """One call, with as many tries as make sense.

        ``path`` may be a whole address, of the same origin as the base only. ``again``: whether a try that may have
        reached the partner can be repeated; by default only for GET, HEAD, PUT and DELETE. ``accept``: statuses
        beside 2xx that are an answer and no error. ``anonymous``: without the provider's credentials.
        ``elsewhere``: the same, and ``path`` may be of any origin: only for addresses from the provider's settings.

        Raises:
            PartnerUnreachableError, PartnerBusyError, PartnerRefusedError, PartnerAnswerError: as their names say.
        """
        url = path if elsewhere else self._address(path)
        anonymous = anonymous or elsewhere
        may_repeat = method in {"GET", "HEAD", "PUT", "DELETE"} if again is None else again
        renewed = False
        for attempt in range(1, PARTNER_TRIES + 1):
            last = attempt == PARTNER_TRIES
            await self._pace.turn()
            given = dict(headers or {})
            if self._authorise is not None and not anonymous:
                given |= await self._authorise(self, renewed)
            try:
                answer = await self._send(method, url, params, json, data, given)
            except PartnerUnreachableError:
                if last or not may_repeat:
                    raise
                await self._sleep(_back_off(attempt))
                continue
            wait = _retry_after(answer)
            busy = answer.status in _BUSY or (answer.status == 403 and (wait is not None or _is_throttled(answer)))
            if 200 <= answer.status < 300 or (answer.status in accept and not busy):
                return answer
            if answer.status == 401 and self._authorise is not None and not renewed and not anonymous:
                renewed = True
                continue
            if busy:
                if last or (wait or 0) > MAX_PARTNER_WAIT_SECONDS:
                    raise PartnerBusyError(
                        f"{_place(url)} asks for fewer requests."
                        if answer.status != 503
                        else f"{_place(url)} is not available.",
                        retry_after=min(wait or 0.0, MAX_PARTNER_PUT_OFF_SECONDS),
                    )
                await self._sleep(wait if wait is not None else _back_off(attempt))
                continue
            if answer.status >= 500 and may_repeat and not last:
                await self._sleep(_back_off(attempt))
                continue
            raise _refusal(answer)
        raise PartnerBusyError(f"{_place(url)} did not answer after {PARTNER_TRIES} tries.")

    async def _send(
        self, method: str, url: str, params: Any, content: Any, data: Any, headers: Mapping[str, str]
    ) -> Answer:
        self.requests += 1
        try:
            async with (
                asyncio.timeout(PARTNER_TIMEOUT_SECONDS * 4),
                self._http.stream(
                    method,
                    url,
                    params=params,
                    json=content,
                    data=data,
                    headers={"Accept": "application/json", **headers},
                    timeout=PARTNER_TIMEOUT_SECONDS,
                    follow_redirects=False,
                ) as response,
            ):
                self._pace.hold(_quota_pause(response.headers))
                body = _blotted(await _read(response), [*self._secrets, *_credentials(headers)])
                return Answer(response.status_code, response.headers, body, str(response.url))
        except (httpx.HTTPError, TimeoutError) as error:
            kind = "did not answer in time" if isinstance(error, httpx.TimeoutException | TimeoutError) else None
            raise PartnerUnreachableError(
                f"{_place(url)} {kind or f'cannot be reached ({type(error).__name__})'}."
            ) from error

    def _address(self, path: str) -> str:
        try:
            whole = bool(urlsplit(path).scheme)
            httpx.URL(path)
        except (ValueError, httpx.InvalidURL) as error:
            raise PartnerAnswerError("The partner points to an address that is none.") from error
        if not whole:
            return f"{self.base_url}/{path.lstrip('/')}"
        if _origin(path) != _origin(self.base_url):
            # A next link of a hostile answer would carry our credentials away.
            raise PartnerAnswerError(f"The partner points to {_origin(path)}, which is not {_origin(self.base_url)}.")
        return path


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_PARTNER_ANSWER_BYTES:
            raise PartnerAnswerError(
                f"{_place(str(response.url))} answered with more than {MAX_PARTNER_ANSWER_BYTES // 2**20} MiB."
            )
    return bytes(body)


def _credentials(headers: Mapping[str, str]) -> list[str]:
    """What was sent as a credential, without its scheme."""
    return [value.rpartition(" ")[2] for name, value in headers.items() if name.lower() == "authorization"]


def _blotted(body: bytes, secrets: Iterable[str]) -> bytes:
    """An answer without secrets, as they are and as addresses and JSON write them."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= MIN_BLOTTED_CHARS:
            for written in {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}:
                body = body.replace(written.encode(), b"***")
    return body


def _refusal(answer: Answer) -> PartnerError:
    place = _place(answer.url)
    if answer.status in _REFUSED:
        return PartnerRefusedError(f"{place} does not accept the credentials (HTTP {answer.status}).")
    if answer.status >= 500:
        return PartnerUnreachableError(f"{place} has a fault of its own (HTTP {answer.status}).")
    if 300 <= answer.status < 400:
        target = urljoin(answer.url, answer.headers.get("location", ""))
        return PartnerAnswerError(
            f"{place} has moved to {_place(target)}.", hint="Enter the new address in the provider's settings."
        )
    return PartnerAnswerError(f"{place} answered with HTTP {answer.status}.", status_code=answer.status)


def _retry_after(answer: Answer) -> float | None:
    value = answer.headers.get("retry-after")
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def _is_throttled(answer: Answer) -> bool:
    """Canvas says it with 403 and this text, and without a Retry-After."""
    return b"rate limit exceeded" in answer.body[:200].lower()


def _quota_pause(headers: httpx.Headers) -> float:
    """Seconds to wait so that a quota that is counted by cost fills up again.

    Canvas tells the cost of each request and what is left of its quota: 600, refilled by 10 a second, of which a
    request takes 50 on account until its true cost is known.
    """
    if "x-request-cost" not in headers:
        return 0.0
    try:
        left = float(headers.get("x-rate-limit-remaining", ""))
    except ValueError:
        return 0.0
    return min(100.0 - left, 600.0) / 10 if left < 100 else 0.0


def _back_off(attempt: int) -> float:
    """0.5, 1, 2, 4 seconds, each between half and the whole, so that many clients do not come back at once."""
    return float(2 ** (attempt - 2)) * random.uniform(0.5, 1.0)  # noqa: S311  # not for secrets


def _monotonic() -> float:
    return asyncio.get_running_loop().time()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _place(url: str) -> str:
    """An address as people may see it: without the query, which may hold a key, and without user names."""
    parts = urlsplit(url)
    host = parts.hostname or url[:100]
    return f"{host}{':' + str(parts.port) if parts.port else ''}{parts.path}"
