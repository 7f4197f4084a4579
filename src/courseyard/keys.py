"""The secret that signs links and tokens, and the keys made from it: one per purpose.

A token made for one purpose is never valid for another, because each purpose signs with a key of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from courseyard.errors import SetupError

MIN_SECRET_CHARS = 32
_FILE = "secret.key"


def read_secret(data: Path, configured: str | None) -> str:
    """The secret of this installation: the configured one, else a file in the data directory.

    Raises:
        SetupError: the configured one is too short to be safe, or the file cannot be read or written.
    """
    if configured is not None:
        if len(configured) < MIN_SECRET_CHARS:
            raise SetupError(
                f"COURSEYARD_SECRET_KEY is shorter than {MIN_SECRET_CHARS} characters.",
                hint="Set it to a long random string, for example the output of: openssl rand -hex 32",
            )
        return configured
    try:
        return _read_or_make(data / _FILE)
    except OSError as error:
        raise SetupError(
            f"The file {data / _FILE} cannot be read or written: {error.strerror}.",
            hint="Make the data directory writable for this user, or set COURSEYARD_SECRET_KEY.",
        ) from error


def derive_key(secret: str, purpose: str) -> bytes:
    """The 32-byte key for one purpose."""
    return hmac.digest(secret.encode(), f"courseyard/{purpose}".encode(), hashlib.sha256)


def credential_keys(configured: str | None, secret: str) -> list[bytes]:
    """The keys for partners' credentials, the current one first. Without any of its own, one made from the secret.

    Raises:
        SetupError: one of them is too short to be safe.
    """
    own = [key.strip() for key in (configured or "").split(",") if key.strip()]
    if any(len(key) < MIN_SECRET_CHARS for key in own):
        raise SetupError(
            f"A key in COURSEYARD_CREDENTIALS_KEYS is shorter than {MIN_SECRET_CHARS} characters.",
            hint="Set each to a long random string, for example the output of: openssl rand -hex 32",
        )
    # What was sealed before there were keys of its own still opens.
    return [derive_key(key, "credentials") for key in [*own, secret]]


def _read_or_make(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Written aside and linked into place: of two processes that start at once, one secret wins for both.
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text("ascii").strip()
