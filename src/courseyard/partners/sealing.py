"""Encrypts what partners gave us to sign in with, so that a copy of the database opens no partner's door."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from courseyard.errors import CredentialsKeyError


class Sealing:
    """Seals with the first key, opens with any: the old key stays behind a new one until all is sealed anew."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """``keys``: 32 bytes each, the current one first."""
        self._fernets = [Fernet(base64.urlsafe_b64encode(key)) for key in keys]
        self._all = MultiFernet(self._fernets)

    def seal(self, secrets: Mapping[str, str]) -> str | None:
        """The secrets as one text that may lie in the database; None for none."""
        kept = {name: value for name, value in secrets.items() if value}
        return self._all.encrypt(json.dumps(kept).encode()).decode() if kept else None

    def open(self, sealed: str | None) -> dict[str, str]:
        """The secrets again.

        Raises:
            CredentialsKeyError: none of the keys fits.
        """
        if sealed is None:
            return {}
        try:
            found: dict[str, str] = json.loads(self._all.decrypt(sealed.encode()))
        except InvalidToken as error:
            raise CredentialsKeyError from error
        return found

    def opens(self, sealed: str) -> bool:
        """Whether one of the keys fits."""
        try:
            self.open(sealed)
        except CredentialsKeyError:
            return False
        return True

    def is_current(self, sealed: str) -> bool:
        """Whether it was sealed with the first key."""
        try:
            self._fernets[0].decrypt(sealed.encode())
        except InvalidToken:
            return False
        return True

    def anew(self, sealed: str) -> str | None:
        """The same secrets sealed with the first key; None where they are already, or where no key opens them."""
        if self.is_current(sealed) or not self.opens(sealed):
            return None
        return self.seal(self.open(sealed))
