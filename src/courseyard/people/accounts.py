"""Local accounts: signing in with a password or a one-time link, and the sessions that follow."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from courseyard.db import Database
from courseyard.errors import BadCredentialsError, LinkSpentError, TooManyTriesError
from courseyard.limits import (
    MAX_SIGN_IN_FAILURES,
    MAX_SIGN_IN_FAILURES_PER_ADDRESS,
    SIGN_IN_LINK_LIFETIME,
    SIGN_IN_WINDOW,
    WEB_SESSION_LIFETIME,
)
from courseyard.people.caller import Caller, Via
from courseyard.people.passwords import Passwords
from courseyard.people.tokens import hash_token, new_opaque_token

# Longer than any token we make: what is longer is not looked up.
_MAX_TOKEN_CHARS = 100


@dataclass(frozen=True, slots=True)
class LinkOwner:
    """Whom a sign-in link lets in."""

    name: str | None
    email: str | None


class Accounts:
    """Sign-in of people who are known to this database."""

    def __init__(self, db: Database, passwords: Passwords) -> None:
        """Work on the engine's connection: nobody is signed in yet."""
        self._db = db
        self._passwords = passwords

    async def check_password(self, email: str, password: str, address: str) -> str:
        """The profile whose password this is; ``address`` is the caller's network address.

        Raises:
            BadCredentialsError: no such account, or another password: the answer does not tell which.
            TooManyTriesError: too many tries from this address.
        """
        buckets = {
            _bucket("account", email.strip().lower(), address): MAX_SIGN_IN_FAILURES,
            _bucket("address", address): MAX_SIGN_IN_FAILURES_PER_ADDRESS,
        }
        await self._count_try(buckets)
        account = await self._db.one("people.account_by_email", email=email.strip())
        kept = account["password_hash"] if account else None
        fits, renewed = await self._passwords.check(password, kept)
        if account is None or not fits:
            raise BadCredentialsError
        for bucket in buckets:
            await self._db.run("people.uncount_try", bucket=bucket)
        profile_id = str(account["profile_id"])
        if renewed:
            await self._db.run("people.keep_password", profile_id=profile_id, password_hash=renewed)
        return profile_id

    async def open_session(self, profile_id: str) -> str:
        """A fresh session token. Always fresh: a token that stood before signing in never becomes valid."""
        token, token_hash = new_opaque_token()
        await self._db.run("people.drop_expired", window=SIGN_IN_WINDOW)
        await self._db.run(
            "people.open_session", token_hash=token_hash, profile_id=profile_id, lifetime=WEB_SESSION_LIFETIME
        )
        return token

    async def caller_of_session(self, token: str) -> Caller | None:
        """Who a session belongs to; None when it is unknown, closed, expired or its account is disabled."""
        if not token or len(token) > _MAX_TOKEN_CHARS:
            return None
        row = await self._db.one("people.person_of_session", token_hash=hash_token(token))
        return as_caller(row, "session") if row else None

    async def close_session(self, token: str) -> None:
        """End a session; an unknown one is no error."""
        await self._db.run("people.close_session", token_hash=hash_token(token))

    async def make_link(self, profile_id: str) -> str:
        """A one-time sign-in token. Links made before for the same person stop working."""
        token, token_hash = new_opaque_token()
        await self._db.run("people.spend_open_links", profile_id=profile_id)
        await self._db.run(
            "people.make_link", token_hash=token_hash, profile_id=profile_id, lifetime=SIGN_IN_LINK_LIFETIME
        )
        return token

    async def link_owner(self, token: str) -> LinkOwner:
        """Whom a link would let in; looking does not spend it.

        Raises:
            LinkSpentError: unknown, used or expired.
        """
        row = await self._db.one("people.link_owner", token_hash=hash_token(token[:_MAX_TOKEN_CHARS]))
        if row is None:
            raise LinkSpentError
        return LinkOwner(row["name"], row["email"])

    async def spend_link(self, token: str) -> str:
        """Use a link up; the profile it lets in.

        Raises:
            LinkSpentError: unknown, used or expired, or the account is disabled.
        """
        row = await self._db.one("people.spend_link", token_hash=hash_token(token[:_MAX_TOKEN_CHARS]))
        if row is None:
            raise LinkSpentError
        return str(row["profile_id"])

    async def change_password(self, caller: Caller, current: str, new: str, session: str, address: str) -> None:
        """Set a new password and end the person's other sessions.

        ``current`` is asked only where a password is set: who came in by a link sets the first one.

        Raises:
            BadCredentialsError: the current password is another one.
            TooManyTriesError: too many tries from this address.
            WeakPasswordError: the new one is too short or too long.
        """
        row = await self._db.one("people.password_of", profile_id=caller.profile_id)
        if row and row["password_hash"]:
            await self._count_try({_bucket("change", str(caller.profile_id), address): MAX_SIGN_IN_FAILURES})
            fits, _ = await self._passwords.check(current, row["password_hash"])
            if not fits:
                raise BadCredentialsError("The current password is not right.")
        await self.set_password(str(caller.profile_id), new)
        await self._db.run("people.close_other_sessions", profile_id=caller.profile_id, token_hash=hash_token(session))

    async def set_password(self, profile_id: str, password: str) -> None:
        """Set a password without asking for the old one.

        Raises:
            WeakPasswordError: too short or too long.
        """
        hashed = await self._passwords.hash(password)
        await self._db.run("people.keep_password", profile_id=profile_id, password_hash=hashed)

    async def has_password(self, profile_id: str) -> bool:
        """Whether a person can sign in with a password already."""
        row = await self._db.one("people.password_of", profile_id=profile_id)
        return bool(row and row["password_hash"])

    async def _count_try(self, buckets: dict[str, int]) -> None:
        for bucket, limit in buckets.items():
            row = await self._db.one("people.count_try", bucket=bucket, window=SIGN_IN_WINDOW)
            if row is not None and row["tries"] > limit:
                raise TooManyTriesError


def as_caller(row: dict[str, Any], via: Via, app_metadata: object = None) -> Caller:
    """A row of the person queries as a caller.

    An organisation's own profiles may have no role; then that of ``app_metadata`` counts, which only the
    service can write. Policies decide in the same way.
    """
    metadata = app_metadata if isinstance(app_metadata, dict) else {}
    role = row["role"] or metadata.get("role") or "student"
    return Caller(via, row["profile_id"], str(role), row["email"], row["name"], metadata)


def _bucket(*parts: str) -> str:
    # A hash, so that the table of tries is no list of who tried from where.
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()
