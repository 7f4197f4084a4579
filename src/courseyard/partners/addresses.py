"""Looking whether a web address answers, when strangers chose the address.

A partner could name an address of this server's own network to find out what is there. So the name is looked up first,
only public addresses are spoken to, by the number that was looked at, and every redirect is judged anew. Hosts that an
administrator named in the provider's set-up are spoken to wherever they are.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urljoin, urlsplit

import httpx

from courseyard.limits import VERIFICATION_TIMEOUT_SECONDS

_REDIRECTS = 5


@dataclass(frozen=True, slots=True)
class Answered:
    """``answers``: it is there; ``gone``: not any more; ``trouble``: perhaps later; ``refused``: it was not asked."""

    state: Literal["answers", "gone", "trouble", "refused"]
    detail: str = ""


async def look(http: httpx.AsyncClient, address: str, trusted: AbstractSet[str] = frozenset()) -> Answered:
    """Whether an address answers. Never raises; reads no more than the head of the answer."""
    for _ in range(_REDIRECTS + 1):
        parts = _parts(address)
        if parts is None:
            return Answered("refused", "it is no web address")
        scheme, host, port = parts
        number = await _number_of(host, port, private=host in trusted)
        if number is None:
            return Answered("trouble", f"the name {host} is not known")
        if number == "":
            return Answered("refused", f"{host} is in a private network")
        try:
            status, location = await _head(http, address, scheme, host, port, number)
        except (httpx.HTTPError, TimeoutError):
            return Answered("trouble", f"{host} cannot be reached")
        if location is None:
            return _judge(status)
        address = urljoin(address, location)
    return Answered("trouble", "it leads from one address to the next without end")


def _judge(status: int) -> Answered:
    if status < 300:
        return Answered("answers", f"HTTP {status}")
    if status in (401, 403):
        return Answered("answers", f"HTTP {status}: it is there and asks for a sign-in")
    return Answered("gone" if status in (404, 410) else "trouble", f"HTTP {status}")


def _parts(address: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(address)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        return None
    return parts.scheme, parts.hostname.lower(), port


async def _number_of(host: str, port: int, *, private: bool) -> str | None:
    """The address to speak to; None for a name that is not known, empty when one of its addresses is not public."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return None
    numbers = [str(entry[4][0]) for entry in found]
    if not numbers:
        return None
    if not private and not all(ipaddress.ip_address(number.split("%")[0]).is_global for number in numbers):
        return ""
    return numbers[0]


async def _head(
    http: httpx.AsyncClient, address: str, scheme: str, host: str, port: int, number: str
) -> tuple[int, str | None]:
    """The status, and where a redirect leads. It connects to the number; the certificate must be that of the name."""
    url = httpx.URL(address).copy_with(scheme=scheme, host=number, port=port)
    request = http.build_request(
        "GET", url, headers={"Host": host if port in (80, 443) else f"{host}:{port}", "User-Agent": "Courseyard"},
        timeout=VERIFICATION_TIMEOUT_SECONDS, extensions={"sni_hostname": host},
    )  # fmt: skip
    async with asyncio.timeout(2 * VERIFICATION_TIMEOUT_SECONDS):
        response = await http.send(request, stream=True, follow_redirects=False)
        try:
            return response.status_code, response.headers.get("location") if response.is_redirect else None
        finally:
            await response.aclose()
