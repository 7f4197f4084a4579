"""Supabase Auth: checking its tokens, and making accounts through its admin API.

The algorithm is decided by the key, never by the token: a key of the project's published set (JWKS) checks
ES256 or RS256, the legacy secret checks HS256. A token that names another algorithm fails.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, OctKey, RSAKey

from courseyard.errors import NotSignedInError, SetupError, UnknownLearnerError
from courseyard.limits import JWKS_LIFETIME, JWKS_MIN_INTERVAL, TOKEN_LEEWAY_SECONDS

AUDIENCE = "authenticated"
_ASYMMETRIC = ["ES256", "RS256"]


class SupabaseTokens:
    """Checks access tokens of one Supabase project."""

    def __init__(self, client: httpx.AsyncClient, project_url: str | None, legacy_secret: str | None) -> None:
        """``project_url`` is the issuer's address without ``/auth/v1``; without both, no token is valid."""
        self._client = client
        self._issuer = f"{project_url.rstrip('/')}/auth/v1" if project_url else None
        self._legacy = OctKey.import_key(legacy_secret.encode()) if legacy_secret else None
        self._keys: dict[str, Key] = {}
        self._asked_at: datetime | None = None
        self._asking = asyncio.Lock()

    async def claims(self, token: str, now: datetime) -> dict[str, Any]:
        """The claims of a valid token; ``sub`` is the user's id in ``auth.users``.

        Raises:
            NotSignedInError: the token is not valid here, or is none of a signed-in user.
        """
        try:
            header = jws.extract_compact(token.encode()).headers()
            key, algorithm = await self._key_for(header, now)
            claims = jwt.decode(token, key, algorithms=[algorithm]).claims
            self._registry(now).validate(claims)
            return claims | {"sub": str(UUID(str(claims["sub"])))}
        except (JoseError, ValueError, TypeError) as error:
            raise NotSignedInError("The access token is not valid or has expired.") from error

    def _registry(self, now: datetime) -> jwt.JWTClaimsRegistry:
        options: dict[str, Any] = {
            "aud": {"essential": True, "value": AUDIENCE},
            "role": {"essential": True, "value": AUDIENCE},
            "sub": {"essential": True},
            "exp": {"essential": True},
        }
        if self._issuer:
            options["iss"] = {"essential": True, "value": self._issuer}
        return jwt.JWTClaimsRegistry(now=int(now.timestamp()), leeway=TOKEN_LEEWAY_SECONDS, **options)

    async def _key_for(self, header: dict[str, Any], now: datetime) -> tuple[Any, str]:
        kid = header.get("kid")
        if header.get("alg") in _ASYMMETRIC and isinstance(kid, str) and self._issuer:
            key = await self._published_key(kid, now)
            if isinstance(key, ECKey):
                return key, "ES256"
            if isinstance(key, RSAKey):
                return key, "RS256"
        elif header.get("alg") == "HS256" and self._legacy:
            return self._legacy, "HS256"
        raise NotSignedInError("The access token was not issued by anyone this server trusts.")

    async def _published_key(self, kid: str, now: datetime) -> Key | None:
        if self._outdated(kid, now):
            async with self._asking:
                if self._outdated(kid, now):
                    await self._ask(now)
        return self._keys.get(kid)

    def _outdated(self, kid: str, now: datetime) -> bool:
        if self._asked_at is None:
            return True
        age = now - self._asked_at
        return age > (JWKS_LIFETIME if kid in self._keys else max(JWKS_MIN_INTERVAL, timedelta()))

    async def _ask(self, now: datetime) -> None:
        self._asked_at = now
        try:
            answer = await self._client.get(f"{self._issuer}/.well-known/jwks.json", timeout=5)
            answer.raise_for_status()
            keys = KeySet.import_key_set(answer.json())
        except (httpx.HTTPError, JoseError, ValueError, KeyError, TypeError):
            return  # the keys known so far stay good until the project answers again
        self._keys = {str(key.kid): key for key in keys}


class SupabaseAdmin:
    """Makes users of a Supabase project through its Auth admin API."""

    def __init__(self, client: httpx.AsyncClient, project_url: str | None, service_role_key: str | None) -> None:
        """Without address or key nobody can be made."""
        self._client = client
        self._url = f"{project_url.rstrip('/')}/auth/v1/admin/users" if project_url else None
        self._key = service_role_key

    async def create_user(self, email: str, name: str | None) -> str:
        """Make a user with a confirmed address and without a password; the new id.

        Raises:
            UnknownLearnerError: not set up to make users, or Supabase refused.
            SetupError: Supabase does not answer, or does not accept our key.
        """
        if not self._url or not self._key:
            raise UnknownLearnerError(f"{email} is not known in this Supabase project.")
        body = {"email": email, "email_confirm": True, "user_metadata": {"full_name": name} if name else {}}
        headers = {"apikey": self._key, "Authorization": f"Bearer {self._key}"}
        try:
            answer = await self._client.post(self._url, json=body, headers=headers, timeout=15)
        except httpx.HTTPError as error:
            raise SetupError(
                "The Supabase project does not answer.",
                hint="Check COURSEYARD_SUPABASE_URL; try again in a moment.",
            ) from error
        if answer.status_code in {401, 403}:
            raise SetupError(
                "Supabase does not accept the key that is to make users.",
                hint="Set COURSEYARD_SUPABASE_SERVICE_ROLE_KEY to the project's service_role key.",
            )
        if not answer.is_success:
            raise UnknownLearnerError(f"Supabase refused to make a user for {email} (status {answer.status_code}).")
        return str(UUID(answer.json()["id"]))
