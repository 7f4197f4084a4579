"""Tokens: opaque ones kept as a hash (sessions, links), and the short JWT of a person's own scripts."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from courseyard.errors import NotSignedInError
from courseyard.limits import ACCESS_TOKEN_LIFETIME, TOKEN_LEEWAY_SECONDS

ISSUER = "courseyard"
AUDIENCE = "courseyard-api"
_HEADER = {"alg": "HS256", "typ": "JWT"}


def new_opaque_token() -> tuple[str, str]:
    """A fresh token with 256 random bits, and the hash to keep of it."""
    token = secrets.token_urlsafe(32)
    return token, hash_token(token)


def hash_token(token: str) -> str:
    """What the database keeps of a token. Plain SHA-256 is enough for 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def same_secret(given: str, expected: str) -> bool:
    """Compare two secrets in a time that tells nothing about either, their lengths included."""
    return hmac.compare_digest(
        hashlib.sha256(given.encode("utf-8", "replace")).digest(), hashlib.sha256(expected.encode()).digest()
    )


class AccessTokens:
    """Issues and checks the access tokens of local accounts."""

    def __init__(self, key: bytes) -> None:
        """``key`` must serve nothing else."""
        self._key = OctKey.import_key(key)

    def issue(self, profile_id: str, now: datetime) -> str:
        """A token for one person. It names no role: roles are looked up at each request."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": profile_id,
            "iat": int(now.timestamp()),
            "exp": int((now + ACCESS_TOKEN_LIFETIME).timestamp()),
        }
        return jwt.encode(_HEADER, claims, self._key, algorithms=["HS256"])

    def subject(self, token: str, now: datetime) -> str:
        """Whose token this is.

        Raises:
            NotSignedInError: not ours, changed, expired, or made for something else.
        """
        try:
            decoded = jwt.decode(token, self._key, algorithms=["HS256"])
            jwt.JWTClaimsRegistry(
                now=int(now.timestamp()),
                leeway=TOKEN_LEEWAY_SECONDS,
                iss={"essential": True, "value": ISSUER},
                aud={"essential": True, "value": AUDIENCE},
                sub={"essential": True},
                exp={"essential": True},
            ).validate(decoded.claims)
        except (JoseError, ValueError, TypeError) as error:
            raise NotSignedInError("The access token is not valid or has expired.") from error
        return str(decoded.claims["sub"])
