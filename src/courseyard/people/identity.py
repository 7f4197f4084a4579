"""From a bearer token to a caller: the service key, our own access token, or one of Supabase."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from courseyard.db import Database
from courseyard.errors import NotSignedInError
from courseyard.people.accounts import as_caller
from courseyard.people.caller import SERVICE, Caller
from courseyard.people.supabase import SupabaseTokens
from courseyard.people.tokens import AccessTokens, same_secret

# A Supabase token with custom claims reaches some kilobytes.
_MAX_TOKEN_CHARS = 16_384


class Identity:
    """Answers who holds a bearer token."""

    def __init__(self, db: Database, service_key: str | None, own: AccessTokens, supabase: SupabaseTokens) -> None:
        """Without a service key, nobody is the service."""
        self._db = db
        self._service_key = service_key
        self._own = own
        self._supabase = supabase

    async def of_bearer(self, token: str) -> Caller:
        """The caller behind a token.

        Raises:
            NotSignedInError: nobody this server knows, or the person has no profile here.
        """
        if self._service_key is not None and same_secret(token, self._service_key):
            return SERVICE
        if len(token) > _MAX_TOKEN_CHARS or token.count(".") != 2:
            raise NotSignedInError("The key or token is not valid here.")
        now = datetime.now(UTC)
        claims = await self._claims(token, now)
        row = await self._db.one("people.person", profile_id=claims["sub"])
        if row is None:
            raise NotSignedInError("The access token belongs to somebody without a profile here.")
        return as_caller(row, "token", claims.get("app_metadata"))

    async def _claims(self, token: str, now: datetime) -> dict[str, Any]:
        try:
            return {"sub": self._own.subject(token, now)}
        except NotSignedInError:
            return await self._supabase.claims(token, now)
