"""Enrolments at partners as the pages and the REST interface see them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from courseyard.db import Database, Queries
from courseyard.errors import ForbiddenError, NotFoundError
from courseyard.people import Caller
from courseyard.web.context import Services
from courseyard.web.rights import like_pattern, rights_of

# Our word for a state, and the words that an organisation's own table may have for it.
STATUSES: dict[str, tuple[str, ...]] = {
    "pending": ("pending", "enrolled", "not_started", "invited"),
    "active": ("active", "in_progress"),
    "completed": ("completed",),
    "failed": ("failed",),
    "withdrawn": ("withdrawn", "cancelled", "canceled", "dropped"),
}
_OUR_WORD = {word: ours for ours, words in STATUSES.items() for word in words}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which enrolments: None is any. ``status`` is one of ``STATUSES``; ``search`` is for people and courses."""

    provider_id: str | None = None
    course_id: str | None = None
    profile_id: str | None = None
    status: str | None = None
    search: str | None = None


async def find(
    svc: Services, caller: Caller, wanted: Wanted, limit: int, offset: int
) -> tuple[list[dict[str, Any]], int]:
    """A page of the enrolments that the caller may see, last changed first, and how many there are."""
    pattern = like_pattern(wanted.search)
    named = await svc.db.one("partner_flow.search", search=pattern) if pattern else None
    async with _rights(svc, caller) as own:
        rows = await own.all(
            "partner_flow.find", id=None, provider_id=wanted.provider_id, course_id=wanted.course_id,
            profile_id=wanted.profile_id, statuses=list(STATUSES[wanted.status]) if wanted.status else None,
            search=pattern, people=named["people"] if named else [], courses=named["courses"] if named else [],
            limit=limit, offset=offset,
        )  # fmt: skip
    return await _with_facts(svc, rows), rows[0]["total"] if rows else 0


async def own_courses(svc: Services, caller: Caller, limit: int) -> list[dict[str, Any]]:
    """The caller's own enrolments at partners that have not ended; ``closed``: why one cannot be opened, or None."""
    try:
        rows, _ = await find(svc, caller, Wanted(profile_id=caller.profile_id), limit, 0)
    except ForbiddenError:
        # The organisation's own table may be closed to everybody; the courses beside it are not.
        return []
    shown = [row for row in rows if row["state"] != "withdrawn"]
    closed = await svc.hub.enrolling.closed([row["id"] for row in shown]) if shown else {}
    return [row | {"closed": closed.get(row["id"])} for row in shown]


async def detail(svc: Services, caller: Caller, enrolment_id: str) -> dict[str, Any]:
    """One enrolment.

    Raises:
        NotFoundError: there is none, or the caller may not see it.
    """
    async with _rights(svc, caller) as own:
        row = await own.one(
            "partner_flow.find", id=enrolment_id, provider_id=None, course_id=None, profile_id=None, statuses=None,
            search=None, people=[], courses=[], limit=1, offset=0,
        )  # fmt: skip
    if row is None:
        raise NotFoundError("There is no such enrolment.")
    return (await _with_facts(svc, [row]))[0]


async def in_full(svc: Services, caller: Caller, enrolment_id: str) -> dict[str, Any]:
    """One enrolment with modules, credentials, what follows from it here, and what was done for it at the partner.

    Raises:
        NotFoundError: there is none, or the caller may not see it.
    """
    found = await detail(svc, caller, enrolment_id)
    return found | {
        "module_rows": await svc.db.all("partner_flow.modules", enrolment_id=enrolment_id),
        "credentials": await svc.db.all("partner_flow.credentials", enrolment_id=enrolment_id),
        "consequences": await svc.db.all("partner_flow.consequences", enrolment_id=enrolment_id),
        "relations": await svc.db.all("partner_flow.relations", enrolment_id=enrolment_id),
        "outbox": await svc.hub.outbox.entries(enrolment_id=enrolment_id, limit=50),
    }


async def launch(svc: Services, caller: Caller, enrolment_id: str, return_url: str | None) -> str:
    """The address that opens the course at the partner, as the person whose enrolment it is.

    Raises:
        NotFoundError: there is none, or the caller may not see it.
        ForbiddenError: it is somebody else's: the link signs in as that person.
    """
    found = await detail(svc, caller, enrolment_id)
    if not caller.is_service and found["profile_id"] != caller.profile_id:
        raise ForbiddenError("This course belongs to somebody else.")
    return await svc.hub.enrolling.launch(found["id"], return_url)


@asynccontextmanager
async def _rights(svc: Services, caller: Caller) -> AsyncIterator[Database | Queries]:
    """As a person for whom policies decide; administrators see all, whatever policies an older table has of its own."""
    if caller.is_admin:
        yield svc.db
    else:
        async with rights_of(svc.db, caller) as own:
            yield own


async def _with_facts(svc: Services, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    facts = await svc.db.all("partner_flow.facts", ids=[row["id"] for row in rows])
    by_id = {row["id"]: row for row in facts}
    known = (row | by_id[row["id"]] for row in rows if row["id"] in by_id)
    return [row | {"state": _OUR_WORD.get((row["status"] or "pending").lower(), row["status"])} for row in known]
