"""Certificates and badges that partners issued: entered by hand, with a file, reminded of, their addresses looked at.

What a sync or a webhook brings goes the way of all records; see ``records.py``.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from courseyard.db import Database, Queries
from courseyard.errors import InvalidInputError, NotFoundError, TooLargeError
from courseyard.limits import (
    CREDENTIAL_REMINDER_DAYS,
    MAX_CERTIFICATE_BYTES,
    MIB,
    VERIFICATIONS_AT_ONCE,
    VERIFICATIONS_PER_ROUND,
)
from courseyard.partners.addresses import Answered, look
from courseyard.partners.sources import open_source

_PDF = b"%PDF-"

STATES = {"valid": "Valid", "expiring": "Expires within 60 days", "expired": "Expired", "revoked": "Revoked"}


@dataclass(frozen=True, slots=True)
class Entry:
    """What a person enters."""

    user_id: str
    provider_id: str
    credential_name: str
    credential_type: str | None = None
    credential_number: str | None = None
    issued_date: date | None = None
    expiration_date: date | None = None
    verification_url: str | None = None
    partner_enrollment_id: str | None = None
    certificate_url: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which credentials; None: any. ``pattern`` for name, number or person."""

    id: str | None = None
    user_id: str | None = None
    provider_id: str | None = None
    state: str | None = None
    pattern: str | None = None


class Credentials:
    """Reads with the caller's rights, writes as the engine."""

    def __init__(self, db: Database, http: httpx.AsyncClient, files: str, app_url: str) -> None:
        """``files``: where uploaded certificates lie, a folder or an S3 address."""
        self._db = db
        self._http = http
        self._files = files
        self._app_url = app_url

    async def find(self, rights: Queries | Database, wanted: Wanted, limit: int, offset: int) -> list[dict[str, Any]]:
        """A page of what the caller may see, with file and check; each row also carries the ``total``."""
        rows = await rights.all(
            "credentials.seen", id=wanted.id, user_id=wanted.user_id, provider_id=wanted.provider_id,
            state=wanted.state, search=wanted.pattern, limit=limit, offset=offset,
        )  # fmt: skip
        beside = await self._db.all("credentials.beside", ids=[row["id"] for row in rows]) if rows else []
        known = {row["id"]: row for row in beside}
        return [row | known.get(row["id"], {}) for row in rows]

    async def get(self, rights: Queries | Database, credential_id: str) -> dict[str, Any]:
        """One credential.

        Raises:
            NotFoundError: there is none that the caller may see.
        """
        rows = await self.find(rights, Wanted(id=credential_id), 1, 0)
        if not rows:
            raise NotFoundError("There is no such credential.")
        return rows[0]

    async def enter(self, entry: Entry, entered_by: str | None) -> str:
        """Add a credential by hand; its id."""
        _check(entry)
        row = await self._db.one("credentials.add", **asdict(entry), entered_by=entered_by)
        return str(row["id"]) if row else ""

    async def change(self, credential_id: str, entry: Entry) -> None:
        """Change what was entered. What a sync brought may be overwritten by the next one."""
        _check(entry)
        chosen = {
            name: value
            for name, value in asdict(entry).items()
            if name not in ("user_id", "provider_id", "partner_enrollment_id")
        }
        if not await self._db.run("credentials.change", id=credential_id, **chosen):
            raise NotFoundError("There is no such credential.")

    async def delete(self, credential_id: str) -> None:
        """Delete a credential with its file's entry."""
        if not await self._db.run("credentials.delete", id=credential_id):
            raise NotFoundError("There is no such credential.")

    async def keep_file(self, credential_id: str, path: Path, file_name: str) -> None:
        """Keep an uploaded certificate, a PDF; the credential's certificate address then leads to it.

        Raises:
            TooLargeError: it is larger than MAX_CERTIFICATE_BYTES.
            InvalidInputError: it is no PDF.
        """
        size, digest = await asyncio.to_thread(_looked_at, path, file_name)
        # By its content: what is written once stays as it is, also while another upload is under way.
        await open_source(self._files).write(f"{credential_id}/{digest}.pdf", path)
        async with self._db.transaction() as tx:
            await tx.run("credentials.keep_file", id=credential_id, file_name=file_name, size=size, sha256=digest)
            await tx.run(
                "credentials.set_certificate_url",
                id=credential_id,
                url=f"{self._app_url}/credentials/{credential_id}/file",
            )

    async def file(self, credential_id: str) -> tuple[str, bytes]:
        """Name and content of an uploaded certificate. Whether the caller may see it is asked before.

        Raises:
            NotFoundError: none was uploaded.
        """
        row = await self._db.one("credentials.file", id=credential_id)
        if row is None:
            raise NotFoundError("No file was uploaded for this credential.")
        return row["file_name"], await open_source(self._files).read(f"{credential_id}/{row['sha256']}.pdf")

    async def check(self, credential_id: str, provider_id: str, address: str) -> Answered:
        """Look whether a verification address answers, and keep what was found."""
        found = await look(self._http, address, await self._trusted(provider_id))
        await self._db.run(
            "credentials.keep_check", id=credential_id, address=address, state=found.state, detail=found.detail
        )
        return found

    async def minute(self) -> None:
        """Remind of what expires, and look at some of the addresses that are due."""
        await self._remind()
        due = await self._db.all("credentials.to_check", limit=VERIFICATIONS_PER_ROUND)
        for start in range(0, len(due), VERIFICATIONS_AT_ONCE):
            await asyncio.gather(
                *(
                    self.check(row["id"], row["provider_id"], row["verification_url"])
                    for row in due[start : start + VERIFICATIONS_AT_ONCE]
                )
            )

    async def _remind(self) -> None:
        """What goes out and that it went out stand or fall together."""
        async with self._db.transaction() as tx:
            for reminder in await tx.all("credentials.remind", days=list(CREDENTIAL_REMINDER_DAYS)):
                row = await tx.one("credentials.reminder", id=reminder["credential_id"])
                if row is None:
                    continue
                learner = {name: row.pop(f"learner_{name}") for name in ("id", "email", "name")}
                expires: date = row.pop("expiration_date")
                data = {**row, "learner": learner, "expiration_date": expires.isoformat()}
                data["reminder_days"] = reminder["days"]
                await tx.run("webhooks.emit", type="credential.expiring", data=data)

    async def _trusted(self, provider_id: str) -> frozenset[str]:
        row = await self._db.one("credentials.trusted_hosts", provider_id=provider_id)
        return frozenset(_hosts((row or {}).values()))


def _looked_at(path: Path, file_name: str) -> tuple[int, str]:
    """Size and digest of a PDF; of a file that is refused, no more than its beginning is read."""
    size = path.stat().st_size
    if size > MAX_CERTIFICATE_BYTES:
        raise TooLargeError(
            f"'{file_name}' is larger than {MAX_CERTIFICATE_BYTES // MIB} MiB.", hint="Upload a smaller PDF."
        )
    with path.open("rb") as file:
        if file.read(len(_PDF)) != _PDF:
            raise InvalidInputError(f"'{file_name}' is no PDF.", hint="Upload the certificate as a PDF file.")
        file.seek(0)
        return size, hashlib.file_digest(file, "sha256").hexdigest()


def _hosts(addresses: Any) -> Sequence[str]:
    found = []
    for address in addresses:
        try:
            host = urlsplit(str(address)).hostname
        except ValueError:
            continue
        if host:
            found.append(host.lower())
    return found


def _check(entry: Entry) -> None:
    if not entry.credential_name.strip():
        raise InvalidInputError("The credential has no name.", hint="Type what is printed on it.")
    if entry.issued_date and entry.expiration_date and entry.expiration_date < entry.issued_date:
        raise InvalidInputError("It expires before it was issued.", hint="Look at the two dates.")
    addresses: Mapping[str, str | None] = {
        "verification": entry.verification_url,
        "certificate": entry.certificate_url,
    }
    for name, address in addresses.items():
        if address and not address.startswith(("https://", "http://")):
            raise InvalidInputError(f"The {name} address is no web address.", hint="Begin it with https://.")
