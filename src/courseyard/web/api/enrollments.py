"""REST: enrolments, launches, and what was recorded."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request, Response

from courseyard.errors import ForbiddenError
from courseyard.people import NewLearner
from courseyard.web import attempts, enrollments, packages
from courseyard.web.api.access import BEARER, AnyCaller, Staff, Svc, problems
from courseyard.web.api.paging import Limit, Offset, Search, add_page_headers
from courseyard.web.api.schemas import (
    TEXT,
    AttemptAnswer,
    AttemptDetail,
    EnrolledLearner,
    EnrollmentAnswer,
    EnrollmentRequest,
    Id,
    LaunchAnswer,
    LaunchRequest,
    RelatedCourse,
    TrackingRecord,
)

router = APIRouter(prefix="/enrollments", tags=["Enrolments"], dependencies=[BEARER])

_MADE = frozenset({"learner", "success", "held", "prerequisites", "also_offered"})

# PostgreSQL's integer ends there.
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the attempt, from 1.")]


@router.post(
    "",
    status_code=201,
    responses=problems(404, 409, 422) | {200: {"model": EnrollmentAnswer, "description": "Was enrolled already."}},
)
async def enroll(response: Response, svc: Svc, caller: Staff, body: EnrollmentRequest) -> EnrollmentAnswer:
    """Enrol a learner, who is made known if need be. Enrolling twice answers 200 with what stands."""
    package_id = str(body.package_id)
    await packages.require_change(svc, caller, package_id)
    learner = NewLearner(body.learner.email, body.learner.id, body.learner.name)
    profile_id = await svc.directory.learner(learner)
    enrollment_id, is_new = await svc.courses.enroll(package_id, profile_id)
    if not is_new:
        response.status_code = 200
    return _answer(await enrollments.detail(svc, caller, enrollment_id))


@router.get("", responses=problems(422))
async def list_enrollments(
    request: Request,
    response: Response,
    svc: Svc,
    caller: AnyCaller,
    search: Search = None,
    package_id: Annotated[Id | None, Query(description="Only those in this package.")] = None,
    status: Annotated[str | None, Query(max_length=50, pattern=TEXT, description="Only with this status.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> list[EnrollmentAnswer]:
    """The enrolments that the caller may see, last worked on first; a learner sees the own ones."""
    rows, total = await enrollments.find(
        svc,
        caller,
        search=search,
        status=status,
        package_id=str(package_id) if package_id else None,
        limit=limit,
        offset=offset,
    )
    add_page_headers(request, response, total, limit, offset)
    return [_answer(row) for row in rows]


@router.get("/{enrollment_id}", responses=problems(404, 422))
async def get_enrollment(svc: Svc, caller: AnyCaller, enrollment_id: Id) -> EnrollmentAnswer:
    """How an enrolment stands."""
    return _answer(await enrollments.detail(svc, caller, str(enrollment_id)))


@router.post("/{enrollment_id}/launch", responses=problems(404, 409, 422))
async def launch(
    svc: Svc,
    caller: AnyCaller,
    enrollment_id: Id,
    body: Annotated[LaunchRequest | None, Body()] = None,
) -> LaunchAnswer:
    """An address that opens the course for this learner. `browse` and `review` record nothing.

    Refused with 409 `prerequisite-open` as long as the learner has not completed a course at a partner that comes
    first; `prerequisites` names it.
    """
    wanted = body or LaunchRequest()
    found = await enrollments.detail(svc, caller, str(enrollment_id))
    if not caller.is_staff and found["profile_id"] != caller.profile_id:
        raise ForbiddenError("This enrolment belongs to somebody else.")
    return LaunchAnswer(url=await svc.courses.launch(found["id"], wanted.mode, wanted.redirect_url))


@router.get("/{enrollment_id}/tracking", responses=problems(404, 422))
async def get_tracking(
    request: Request,
    response: Response,
    svc: Svc,
    caller: AnyCaller,
    enrollment_id: Id,
    element: Annotated[
        str | None, Query(max_length=300, pattern=TEXT, description="Only this data model element.")
    ] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> list[TrackingRecord]:
    """What was recorded, newest first."""
    rows, total = await enrollments.tracking(
        svc, caller, str(enrollment_id), element=element, limit=limit, offset=offset
    )
    add_page_headers(request, response, total, limit, offset)
    return [TrackingRecord.model_validate(row) for row in rows]


@router.get("/{enrollment_id}/attempts", responses=problems(404, 422))
async def list_attempts(svc: Svc, caller: AnyCaller, enrollment_id: Id) -> list[AttemptAnswer]:
    """All attempts, newest first."""
    rows = await enrollments.attempts(svc, caller, str(enrollment_id))
    return [AttemptAnswer.model_validate(row) for row in rows]


@router.get("/{enrollment_id}/attempts/{number}", responses=problems(404, 422))
async def get_attempt(svc: Svc, caller: AnyCaller, enrollment_id: Id, number: Number) -> AttemptDetail:
    """One attempt: each activity with its interactions and objectives, and the learning time by day."""
    found = await enrollments.attempt(svc, caller, str(enrollment_id), number)
    return AttemptDetail.model_validate(found | {"activities": attempts.activities(found)})


def _answer(row: dict[str, Any]) -> EnrollmentAnswer:
    learner = EnrolledLearner(
        id=row["external_id"],
        profile_id=row["profile_id"],
        name=row["display_name"] or row["learner_name"],
        email=row["learner_email"],
    )
    return EnrollmentAnswer(
        learner=learner,
        success=row["success"] or "unknown",
        held=bool(row["held_by"]),
        prerequisites=[RelatedCourse.model_validate(other) for other in row["prerequisites"]],
        also_offered=[RelatedCourse.model_validate(other) for other in row["also_offered"]],
        **{name: row[name] for name in EnrollmentAnswer.model_fields if name not in _MADE},
    )
