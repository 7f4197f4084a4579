"""An administrator of a partner lets this server in there, instead of copying a token: OAuth 2 with a code.

Who is sent to the partner comes back with a code and with the word that was given along. The word is good once, for a
while, and for the same person only; the code is turned into a refresh token, which is kept as all secrets are.
"""

from __future__ import annotations

import hashlib
import secrets
from urllib.parse import urlencode

import httpx

from courseyard.db import Database
from courseyard.errors import ConflictError, PartnerCannotError, PartnerRefusedError
from courseyard.limits import CONSENT_LIFETIME
from courseyard.partners.client import PartnerClient
from courseyard.partners.oauth import redeem
from courseyard.partners.providers import REFRESH, Providers
from courseyard.partners.sealing import Sealing


class Consents:
    """Ways to partners and back."""

    def __init__(
        self, db: Database, http: httpx.AsyncClient, sealing: Sealing, providers: Providers, redirect_url: str
    ) -> None:
        """``redirect_url``: where partners send people back to, as it is to be entered there."""
        self._db = db
        self._http = http
        self._sealing = sealing
        self._providers = providers
        self.redirect_url = redirect_url

    async def begin(self, provider_id: str, by: str | None) -> str:
        """The address at the partner where this server is let in; ``by`` is who must come back from there.

        Raises:
            PartnerCannotError: this partner has nothing of the kind, or its developer key is not entered.
            CredentialsKeyError: its credentials cannot be decrypted.
        """
        provider = await self._providers.get(provider_id)
        consent, known = provider.connector.consent, self._sealing.open(provider.row["secrets"])
        client_id, scopes = (str(provider.options.get(name) or "") for name in ("client_id", "scopes"))
        if consent is None or not client_id or not known.get("client_secret"):
            raise PartnerCannotError(
                f"{provider.name} has no developer key here.", hint="Enter its client id and secret in the settings."
            )
        state = secrets.token_urlsafe(32)
        await self._db.run(
            "partners.begin_consent", provider_id=provider_id, state=_digest(state), by=by, lifetime=CONSENT_LIFETIME
        )
        asked = {
            "client_id": client_id, "response_type": "code", "redirect_uri": self.redirect_url, "state": state,
        }  # fmt: skip
        asked |= {"scope": " ".join(scopes.split())} if scopes.strip() else {}
        return f"{str(provider.options['base_url']).rstrip('/')}/{consent.authorize_path}?{urlencode(asked)}"

    async def end(self, state: str, by: str | None) -> str:
        """The provider to which this word belongs; it is good no more.

        Raises:
            ConflictError: nobody went there, or another person, or too long ago.
        """
        row = await self._db.one("partners.end_consent", state=_digest(state), by=by)
        if row is None:
            raise ConflictError("This consent was not asked for here, or too long ago.", hint="Connect once more.")
        return str(row["provider_id"])

    async def keep(self, provider_id: str, code: str) -> None:
        """Turn the code into what lasts.

        Raises:
            PartnerError: the partner does not take the code.
            ConflictError: the settings were changed meanwhile.
        """
        provider = await self._providers.get(provider_id)
        consent, sealed = provider.connector.consent, provider.row["secrets"]
        known = self._sealing.open(sealed)
        if consent is None or not code:
            raise PartnerRefusedError(f"{provider.name} does not let this server in.", hint="Connect once more.")
        base_url, client_id = (str(provider.options.get(name) or "") for name in ("base_url", "client_id"))
        client = PartnerClient(
            self._http, base_url, requests_per_minute=provider.settings.requests_per_minute,
            secrets=[*known.values(), code],
        )  # fmt: skip
        granted = await redeem(
            client, consent.token_path, client_id, known.get("client_secret", ""), code, self.redirect_url
        )
        kept = self._sealing.seal(known | {REFRESH: granted})
        if await self._db.run("partners.keep_secrets", provider_id=provider.id, was=sealed, secrets=kept) == 0:
            raise ConflictError("The settings were changed meanwhile.", hint="Connect once more.")


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()
