"""Whether a delivery comes from who holds the secret: Standard Webhooks, HMAC headers of any make, tokens. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from standardwebhooks import Webhook

from courseyard.errors import BadDeliveryError
from courseyard.limits import MAX_DELIVERY_AGE_SECONDS

ALGORITHMS = {"sha256": hashlib.sha256, "sha512": hashlib.sha512, "sha1": hashlib.sha1}

# "t=1700000000,v1=…" and "sha256=…"; a bare signature in base64 may hold "=" too, but only at its end.
_NAMED = re.compile(r"(t|v\d+|s|sha\d+|hmac-sha\d+)=(.+)", re.IGNORECASE)


def standard(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
    """Standard Webhooks 1.0.0, symmetric; one of the secrets must fit.

    Raises:
        BadDeliveryError: none does, or the time is too far from ours.
    """
    reasons = []
    for secret in secrets:
        try:
            Webhook(secret).verify(body, dict(headers), json_parse=False)
        except Exception as error:  # malformed headers let ValueError, UnicodeError and more out
            reasons.append(str(error))
        else:
            return
    told = next((reason for reason in reasons if "timestamp" in reason.lower() or "headers" in reason), "")
    raise BadDeliveryError(f"The signature is not valid{': ' + told.lower() if told else ''}.")


def is_standard_secret(secret: str) -> bool:
    """Whether it is a secret as Standard Webhooks asks for; the library takes anything that looks like base64."""
    try:
        return len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) >= 24
    except ValueError:
        return False


def hmac_header(
    value: str,
    body: bytes,
    secrets: Sequence[str],
    *,
    algorithm: str,
    encoding: str,
    timestamp: str = "",
    now: datetime,
) -> None:
    """An HMAC of the body in a header, bare or behind a name (``sha256=…``), several separated by commas.

    A time that is signed with it (``t=…`` in the header, or ``timestamp`` of a header of its own) stands before the
    body with a point between, and must be near ours. ``encoding``: ``hex`` or ``base64``.

    Raises:
        BadDeliveryError: none of the secrets fits, or the time is too far from ours.
    """
    given: list[str] = []
    for part in value.split(","):
        named = _NAMED.fullmatch(part.strip())
        if named and named[1].lower() == "t":
            timestamp = named[2]
        else:
            given.append(named[2] if named else part.strip())
    signed = body
    if timestamp:
        if not re.fullmatch(r"\d{1,13}", timestamp):
            raise BadDeliveryError("The time of the signature cannot be read.")
        seconds = int(timestamp) / (1000 if len(timestamp) > 10 else 1)
        if abs(now.timestamp() - seconds) > MAX_DELIVERY_AGE_SECONDS:
            raise BadDeliveryError("The time of the signature is too far from this server's.")
        signed = f"{timestamp}.".encode() + body
    for secret in secrets:
        digest = hmac.new(secret.encode(), signed, ALGORITHMS[algorithm]).digest()
        expected = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
        for signature in given:
            plain = signature.lower() if encoding == "hex" else signature
            if hmac.compare_digest(plain.encode("utf-8", "replace"), expected.encode()):
                return
    raise BadDeliveryError("The signature is missing or not valid.")


def bearer(headers: Mapping[str, str], secrets: Sequence[str]) -> None:
    """A fixed token in the Authorization header.

    Raises:
        BadDeliveryError: it is missing or wrong.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    given = token.strip().encode("utf-8", "replace")
    fits = [hmac.compare_digest(given, secret.encode("utf-8", "replace")) for secret in secrets]
    if scheme.lower() != "bearer" or not any(fits):
        raise BadDeliveryError("The token is missing or not valid.")


def basic(headers: Mapping[str, str], user: str, password: str) -> None:
    """User name and password, RFC 7617.

    Raises:
        BadDeliveryError: they are missing or wrong.
    """
    scheme, _, packed = headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(packed.strip())
    except ValueError:
        given = b""
    fits = hmac.compare_digest(given, f"{user}:{password}".encode("utf-8", "replace"))
    if scheme.lower() != "basic" or not user or not password or not fits:
        raise BadDeliveryError("User name or password is missing or not valid.")
