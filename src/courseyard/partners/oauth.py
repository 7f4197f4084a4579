"""OAuth 2 client credentials and the two simple schemes, as functions that the client asks for headers."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
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
    known: dict[str, tuple[str, datetime]] = {}
    once = basic(client_id, secret)

    async def headers(client: PartnerClient, renew: bool) -> Mapping[str, str]:
        token, until = known.get("token", ("", datetime.min.replace(tzinfo=UTC)))
        if renew or until <= datetime.now(UTC):
            token, lifetime = await _fetch(client)
            known["token"] = (token, datetime.now(UTC) + max(lifetime - _MARGIN, _MARGIN / 2))
        return {"Authorization": f"Bearer {token}"}

    async def _fetch(client: PartnerClient) -> tuple[str, timedelta]:
        form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
        answer = await client.request(
            "POST",
            token_url,
            data=form,
            headers=await once(client, False),
            anonymous=True,
            elsewhere=bool(urlsplit(token_url).scheme),
            again=True,
            accept=(400, 401),
        )
        if answer.status != 200:
            raise PartnerRefusedError("The partner does not accept the client id and secret.")
        found = answer.object()
        token = found.get("access_token")
        if not isinstance(token, str) or not token:
            raise PartnerAnswerError("The partner's token endpoint answered without a token.")
        seconds = reading.number(found.get("expires_in"))
        return token, timedelta(seconds=min(max(seconds, 0), _MAX_LIFETIME_SECONDS)) if seconds else _DEFAULT_LIFETIME

    return headers
