"""OAuth 2 (client credentials, and an administrator's consent) and the two simple schemes, as functions that the client
asks for headers.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from courseyard.errors import PartnerAnswerError, PartnerRefusedError
from courseyard.partners import reading
from courseyard.partners.client import Authorise, PartnerClient

# A token that has less than this left is fetched anew, so that it does not run out on its way.
_MARGIN = timedelta(seconds=60)
_DEFAULT_LIFETIME = timedelta(minutes=5)
_MAX_LIFETIME_SECONDS = 86_400


def bearer(token: str, scheme: str = "Bearer") -> Authorise:
    """A fixed token."""

    async def headers(_client: PartnerClient, _renew: bool) -> Mapping[str, str]:
        return {"Authorization": f"{scheme} {token}"}

    return headers


def basic(user: str, password: str) -> Authorise:
    """User name and password, RFC 7617."""
    packed = base64.b64encode(f"{user}:{password}".encode()).decode()

    async def headers(_client: PartnerClient, _renew: bool) -> Mapping[str, str]:
        return {"Authorization": f"Basic {packed}"}

    return headers


def client_credentials(token_url: str, client_id: str, secret: str, scope: str = "") -> Authorise:
    """RFC 6749, section 4.4: fetched when first needed, before it runs out, and anew after a 401.

    ``token_url`` is as it was set up, and may be of another host than the API: that host gets the client's id and
    secret, and nothing else.
    """
    form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
    once = basic(client_id, secret)

    async def fetch(client: PartnerClient) -> Mapping[str, Any]:
        headers = await once(client, False)
        return await _ask(client, token_url, form, "The partner does not accept the client id and secret.", headers)

    return _kept(fetch)


def granted(token_path: str, client_id: str, secret: str, refresh_token: str) -> Authorise:
    """RFC 6749, section 6: access tokens by the refresh token of an administrator's consent."""
    form = {
        "grant_type": "refresh_token", "client_id": client_id, "client_secret": secret, "refresh_token": refresh_token,
    }  # fmt: skip

    async def fetch(client: PartnerClient) -> Mapping[str, Any]:
        return await _ask(client, token_path, form, "The partner does not let this server in any more: connect again.")

    return _kept(fetch)


async def redeem(
    client: PartnerClient, token_path: str, client_id: str, secret: str, code: str, redirect_url: str
) -> str:
    """RFC 6749, section 4.1.3: the refresh token for the code that an administrator's consent brought.

    Raises:
        PartnerError: the partner does not take the code, or gives no refresh token for it.
    """
    form = {
        "grant_type": "authorization_code", "client_id": client_id, "client_secret": secret, "code": code,
        "redirect_uri": redirect_url,
    }  # fmt: skip
    found = await _ask(
        client, token_path, form, "The partner does not accept the client secret, or the consent is old."
    )
    token = found.get("refresh_token")
    if not isinstance(token, str) or not token:
        raise PartnerAnswerError("The partner gave no refresh token, so the connection would not last.")
    return token


def _kept(fetch: Callable[[PartnerClient], Awaitable[Mapping[str, Any]]]) -> Authorise:
    known: dict[str, tuple[str, datetime]] = {}

    async def headers(client: PartnerClient, renew: bool) -> Mapping[str, str]:
        token, until = known.get("token", ("", datetime.min.replace(tzinfo=UTC)))
        if renew or until <= datetime.now(UTC):
            found = await fetch(client)
            token, lifetime = str(found["access_token"]), _lifetime(found)
            known["token"] = (token, datetime.now(UTC) + max(lifetime - _MARGIN, _MARGIN / 2))
        return {"Authorization": f"Bearer {token}"}

    return headers


async def _ask(
    client: PartnerClient,
    token_url: str,
    form: Mapping[str, str],
    refused: str,
    headers: Mapping[str, str] | None = None,
) -> Mapping[str, Any]:
    """What the token endpoint answers: an access token, and what goes with it."""
    answer = await client.request(
        "POST",
        token_url,
        data=form,
        headers=headers,
        anonymous=True,
        elsewhere=bool(urlsplit(token_url).scheme),
        # A code is good for one try.
        again=form["grant_type"] != "authorization_code",
        accept=(400, 401),
    )
    if answer.status != 200:
        raise PartnerRefusedError(refused)
    found = answer.object()
    token = found.get("access_token")
    if not isinstance(token, str) or not token:
        raise PartnerAnswerError("The partner's token endpoint answered without a token.")
    return found


def _lifetime(found: Mapping[str, Any]) -> timedelta:
    seconds = reading.number(found.get("expires_in"))
    return timedelta(seconds=min(max(seconds, 0), _MAX_LIFETIME_SECONDS)) if seconds else _DEFAULT_LIFETIME
