"""What lets a browser into the player: launch links, session tokens, and the signed prefix of content addresses.

Each kind is signed with a key of its own, so none passes for another. Course content shares the page's origin and
can see them; that is why each opens one enrolment, one attempt or one package version, and nothing else.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from courseyard.errors import LaunchLinkError, NotFoundError, PlayerTokenError
from courseyard.keys import derive_key
from courseyard.limits import (
    CONTENT_PREFIX_BUCKET,
    LAUNCH_LINK_LIFETIME,
    PLAYER_TOKEN_LIFETIME,
    PLAYER_TOKEN_RENEW_AFTER,
    TOKEN_LEEWAY_SECONDS,
)

MODES = ("normal", "browse", "review", "preview")
_HEADER = {"alg": "HS256", "typ": "JWT"}
_SIGNATURE_BYTES = 16


@dataclass(frozen=True, slots=True)
class LaunchLink:
    """What a launch link opens: an enrolment in a mode, or a package version as a preview for staff."""

    mode: str
    enrollment_id: str | None = None
    version_id: str | None = None
    profile_id: str | None = None
    redirect_url: str | None = None


@dataclass(frozen=True, slots=True)
class PlayerSession:
    """What a session token speaks for: one window (epoch) on one attempt."""

    attempt: str
    epoch: int
    mode: str


class PlayTokens:
    """Issues and checks launch links and session tokens."""

    def __init__(self, secret: str) -> None:
        """``secret`` is the installation's; the keys for each purpose are derived from it."""
        self._launch = OctKey.import_key(derive_key(secret, "launch"))
        self._session = OctKey.import_key(derive_key(secret, "player"))

    def issue_launch(self, link: LaunchLink, now: datetime, lifetime: timedelta = LAUNCH_LINK_LIFETIME) -> str:
        """The token of a launch link."""
        facts = {name: value for name, value in asdict(link).items() if value is not None}
        return _encode(facts, self._launch, now, lifetime)

    def read_launch(self, token: str, now: datetime) -> LaunchLink:
        """What a link opens.

        Raises:
            LaunchLinkError: not ours, changed, or expired.
        """
        try:
            claims = _decode(token, self._launch, now, timedelta())
            link = LaunchLink(**{k: v for k, v in claims.items() if k in LaunchLink.__slots__})
        except (JoseError, ValueError, TypeError) as error:
            raise LaunchLinkError from error
        if link.mode not in MODES or not (link.enrollment_id or link.version_id):
            raise LaunchLinkError
        return link

    def issue_session(self, session: PlayerSession, now: datetime) -> str:
        """The token of an opened player."""
        return _encode(asdict(session), self._session, now, PLAYER_TOKEN_LIFETIME)

    def read_session(self, token: str, now: datetime, late: timedelta = timedelta()) -> tuple[PlayerSession, bool]:
        """Whom a token speaks for, and whether it is time to renew it.

        ``late``: for how long after its end the token still counts. What an earlier window left in the browser
        may come weeks later; the epoch keeps it from overwriting anything newer.

        Raises:
            PlayerTokenError: not ours, changed, or expired.
        """
        try:
            claims = _decode(token, self._session, now, late)
            session = PlayerSession(str(claims["attempt"]), int(claims["epoch"]), str(claims["mode"]))
            age = now.timestamp() - int(claims["iat"])
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise PlayerTokenError from error
        return session, age > PLAYER_TOKEN_RENEW_AFTER.total_seconds()


class ContentPrefixes:
    """Signs the first part of content addresses, so that only who plays a package version reads its files.

    All prefixes of a version within some days are the same, so that browsers and CDNs can cache what lies below.
    """

    def __init__(self, secret: str) -> None:
        """``secret`` is the installation's."""
        self._key = derive_key(secret, "content")

    def sign(self, version_id: str, now: datetime) -> str:
        """The prefix for a version's files; good for one to two buckets."""
        bucket = int(now.timestamp() // CONTENT_PREFIX_BUCKET.total_seconds()) + 2
        return _text(self._packed(UUID(version_id), bucket))

    def version(self, prefix: str, now: datetime) -> str:
        """The version whose files a prefix opens.

        Raises:
            NotFoundError: not signed by this server, or expired.
        """
        try:
            raw = urlsafe_b64decode(prefix + "=" * (-len(prefix) % 4))
            version, bucket = UUID(bytes=raw[:16]), int.from_bytes(raw[16:20])
        except ValueError as error:
            raise NotFoundError("This address is not complete.") from error
        if not hmac.compare_digest(raw, self._packed(version, bucket)):
            raise NotFoundError("This address is not complete.")
        if now.timestamp() >= bucket * CONTENT_PREFIX_BUCKET.total_seconds():
            raise NotFoundError("This address is no longer valid.", hint="Open the course again.")
        return str(version)

    def _packed(self, version: UUID, bucket: int) -> bytes:
        body = version.bytes + bucket.to_bytes(4)
        return body + hmac.digest(self._key, body, sha256)[:_SIGNATURE_BYTES]


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _encode(facts: dict[str, Any], key: OctKey, now: datetime, lifetime: timedelta) -> str:
    claims = facts | {"iat": int(now.timestamp()), "exp": int((now + lifetime).timestamp())}
    return jwt.encode(_HEADER, claims, key, algorithms=["HS256"])


def _decode(token: str, key: OctKey, now: datetime, late: timedelta) -> dict[str, Any]:
    claims = jwt.decode(token, key, algorithms=["HS256"]).claims
    # Decoding checks the signature alone; the time is for the registry.
    jwt.JWTClaimsRegistry(
        now=int((now - late).timestamp()),
        leeway=TOKEN_LEEWAY_SECONDS,
        exp={"essential": True},
    ).validate({"exp": claims.get("exp")})
    return claims
