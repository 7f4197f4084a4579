"""Passwords: argon2id, in a thread, few at a time, and as slow for an unknown account as for a known one."""

from __future__ import annotations

import asyncio

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError

from courseyard.errors import WeakPasswordError
from courseyard.limits import MAX_PARALLEL_PASSWORD_CHECKS, MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS


class Passwords:
    """Hashes and checks passwords for one process."""

    def __init__(self) -> None:
        """Make the hasher, and the hash that unknown accounts are checked against."""
        self._hasher = PasswordHash.recommended()
        self._turns = asyncio.Semaphore(MAX_PARALLEL_PASSWORD_CHECKS)
        self._decoy = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """The hash to keep.

        Raises:
            WeakPasswordError: shorter or longer than we take.
        """
        if not MIN_PASSWORD_CHARS <= len(password) <= MAX_PASSWORD_CHARS:
            raise WeakPasswordError
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def check(self, password: str, kept: str | None) -> tuple[bool, str | None]:
        """Whether the password fits, and a newer hash to keep when ours got stronger since.

        ``kept`` is None where there is no account or no password: the answer is no, after the same work.
        """
        if len(password) > MAX_PASSWORD_CHARS:
            return False, None
        async with self._turns:
            fits, renewed = await asyncio.to_thread(self._check, password, kept or self._decoy)
        return (fits, renewed) if kept is not None else (False, None)

    def _check(self, password: str, kept: str) -> tuple[bool, str | None]:
        try:
            return self._hasher.verify_and_update(password, kept)
        except UnknownHashError:
            return False, None
