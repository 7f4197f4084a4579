"""From records to what the database writes in one call: keys, digests, and who is meant."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from courseyard.limits import MAX_PARTNER_KEY_BYTES, SYNC_BATCH_RECORDS
from courseyard.partners.connector import Stream
from courseyard.partners.records import Course, Credential, Enrolment, Gone, ModuleProgress, Record, to_json

# What a full listing of a stream lists, so that what is missing in it is gone.
LISTED: dict[Stream, str] = {
    Stream.CATALOGUE: "course",
    Stream.ENROLMENTS: "enrolment",
    Stream.PROGRESS: "module",
    Stream.CREDENTIALS: "credential",
}

_ORDER: dict[type[Record], int] = {Course: 0, Enrolment: 1, ModuleProgress: 2, Credential: 3, Gone: 4}
_KIND: dict[type[Record], str] = {
    Course: "course",
    Enrolment: "enrolment",
    ModuleProgress: "module",
    Credential: "credential",
}
_encode = msgspec.json.Encoder(order="sorted").encode


def key_of(record: Record) -> tuple[str, str]:
    """The kind of a record and its key at the partner."""
    if isinstance(record, ModuleProgress):
        return "module", f"{record.enrolment}:{record.module_id}"
    if isinstance(record, Gone):
        return record.kind, record.external_id
    return _KIND[type(record)], record.external_id


def batches(records: Iterable[Record], now: datetime) -> list[list[Record]]:
    """Records as the database takes them, call by call: each key once in a call, for one and the same thing may have
    been told several times; a course before its enrolments, an enrolment before its modules, and last what is gone.

    What is told of a time to come counts as of ``now``: a partner's clock that goes fast must not outdo what is told
    later.
    """
    rounds: list[list[Record]] = [[]]
    told: Counter[tuple[str, str]] = Counter()
    gone: list[Record] = []
    for told_record in records:
        ahead = told_record.data_at is not None and told_record.data_at > now
        record = msgspec.structs.replace(told_record, data_at=now) if ahead else told_record
        if isinstance(record, Gone):
            gone.append(record)
            continue
        key = key_of(record)
        if told[key] == len(rounds):
            rounds.append([])
        rounds[told[key]].append(record)
        told[key] += 1
    rounds[-1] += gone
    ordered = [sorted(some, key=lambda record: _ORDER[type(record)]) for some in rounds]
    size = SYNC_BATCH_RECORDS
    return [some[i : i + size] for some in ordered for i in range(0, len(some), size)]


def keyless(record: Record) -> str | None:
    """Why a record cannot be kept by its partner's identifiers; None where it can."""
    ids = [record.enrolment, record.module_id] if isinstance(record, ModuleProgress) else [record.external_id]
    ids += [record.user.external_id] if isinstance(record, Enrolment | Credential) else []
    if any(len(identifier.encode()) > MAX_PARTNER_KEY_BYTES for identifier in ids):
        return f"An identifier is longer than {MAX_PARTNER_KEY_BYTES:,} bytes."
    return None


def batch_of(records: Sequence[Record]) -> dict[str, Any]:
    """The argument of ``courseyard.partner_apply_v1``."""
    batch: dict[str, Any] = {}
    people: dict[str, dict[str, Any]] = {}
    for record in records:
        kind, key = key_of(record)
        if isinstance(record, Gone):
            gone = {"external_id": key, "data_at": to_json(record).get("data_at")}
            batch.setdefault("gone", {}).setdefault(kind, []).append(gone)
            continue
        batch.setdefault(kind, []).append(item_of(record))
        if isinstance(record, Enrolment | Credential):
            people[record.user.external_id] = msgspec.to_builtins(record.user)
    if people:
        batch["people"] = list(people.values())
    return batch


def item_of(record: Record) -> dict[str, Any]:
    """One record with its key and a digest of all but its time: the same digest means that nothing is new."""
    plain = to_json(record)
    data_at = plain.pop("data_at", None)
    return {
        "external_id": key_of(record)[1],
        "hash": digest_of(plain),
        "data_at": data_at,
        "record": plain | ({"data_at": data_at} if data_at else {}),
    }


def digest_of(document: Any) -> str:
    """The same for the same JSON, whatever the order of its keys."""
    return hashlib.blake2b(_encode(document), digest_size=16).hexdigest()
