"""Enrolments as the pages and the REST interface see them."""

from __future__ import annotations

from typing import Any

from courseyard.errors import NotFoundError
from courseyard.people import Caller
from courseyard.web.context import Services
from courseyard.web.rights import like_pattern, rights_of


async def find(
    svc: Services,
    caller: Caller,
    *,
    limit: int,
    offset: int,
    search: str | None = None,
    status: str | None = None,
    package_id: str | None = None,
    profile_id: str | None = None,
) -> tuple[list[dict[str, Any]], int]:
    """A page of the enrolments that the caller may see, last worked on first, and how many there are."""
    pattern = like_pattern(search)
    named = await svc.db.one("web.find_learners", search=pattern) if pattern else None
    async with rights_of(svc.db, caller) as own:
        rows = await own.all(
            "web.list_enrollments",
            search=pattern,
            learners=named["ids"] if named else [],
            status=status,
            package_id=package_id,
            profile_id=profile_id,
            limit=limit,
            offset=offset,
        )
    return await _with_facts(svc, rows), rows[0]["total"] if rows else 0


async def detail(svc: Services, caller: Caller, enrollment_id: str) -> dict[str, Any]:
    """One enrolment.

    Raises:
        NotFoundError: there is none, or the caller may not see it.
    """
    async with rights_of(svc.db, caller) as own:
        row = await own.one("web.enrollment", enrollment_id=enrollment_id)
    if row is None:
        raise NotFoundError("There is no such enrolment.")
    return (await _with_facts(svc, [row]))[0]


async def tracking(
    svc: Services, caller: Caller, enrollment_id: str, *, element: str | None, limit: int, offset: int
) -> tuple[list[dict[str, Any]], int]:
    """What was recorded, newest first, and how many records there are.

    Raises:
        NotFoundError: there is no such enrolment, or the caller may not see it.
    """
    async with rights_of(svc.db, caller) as own:
        if await own.one("web.enrollment", enrollment_id=enrollment_id) is None:
            raise NotFoundError("There is no such enrolment.")
        rows = await own.all("web.tracking", enrollment_id=enrollment_id, element=element, limit=limit, offset=offset)
    return rows, rows[0]["total"] if rows else 0


async def attempts(svc: Services, caller: Caller, enrollment_id: str) -> list[dict[str, Any]]:
    """All attempts, newest first.

    Raises:
        NotFoundError: there is no such enrolment, or the caller may not see it.
    """
    await detail(svc, caller, enrollment_id)
    return await svc.db.all("web.attempts", enrollment_id=enrollment_id)


async def attempt(svc: Services, caller: Caller, enrollment_id: str, number: int) -> dict[str, Any]:
    """One attempt with the run-time data of its activities, its days, findings and refused commits.

    Raises:
        NotFoundError: there is none, or the caller may not see the enrolment.
    """
    await detail(svc, caller, enrollment_id)
    row = await svc.db.one("web.attempt", enrollment_id=enrollment_id, number=number)
    if row is None:
        raise NotFoundError(f"There is no attempt {number} of this enrolment.")
    key = row["id"]
    return row | {
        "states": await svc.db.all("web.sco_states", attempt_id=key),
        "days": await svc.db.all("web.activity_days", attempt_id=key),
        "findings": await svc.db.all("web.runtime_findings", attempt_id=key),
        "refused": await svc.db.all("web.refused_commits", attempt_id=key),
    }


async def _with_facts(svc: Services, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ids = [row["id"] for row in rows]
    by_id = {row["id"]: row for row in await svc.db.all("web.enrollments_facts", ids=ids)}
    related = await svc.db.all("web.enrollments_relations", ids=ids)
    for row in by_id.values():
        own = [other for other in related if other["enrollment_id"] == row["id"]]
        row["prerequisites"] = [other for other in own if other["relation"] == "prerequisite"]
        row["also_offered"] = [other for other in own if other["relation"] == "elective"]
        row["held_by"] = [other for other in own if other["holds"]]
    return [row | by_id[row["id"]] for row in rows if row["id"] in by_id]
