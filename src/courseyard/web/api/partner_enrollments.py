"""REST: enrolments in partners' courses, and what partners' courses are mapped to."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response

from courseyard.errors import NotFoundError
from courseyard.partners.mappings import Filter, Link
from courseyard.people import NewLearner
from courseyard.web import partner_enrollments
from courseyard.web.api.access import BEARER, Admin, AnyCaller, Staff, Svc, problems
from courseyard.web.api.paging import Limit, Offset, Search, add_page_headers
from courseyard.web.api.partner_schemas import (
    MappingAnswer,
    MappingChange,
    MappingRequest,
    MappingType,
    PartnerEnrollmentAnswer,
    PartnerEnrollmentRequest,
    PartnerLaunchAnswer,
    PartnerLaunchRequest,
    PartnerLearner,
    Status,
)
from courseyard.web.api.schemas import Id
from courseyard.web.rights import like_pattern

mappings = APIRouter(prefix="/partner-mappings", tags=["Partners' courses"], dependencies=[BEARER])
enrollments = APIRouter(prefix="/partner-enrollments", tags=["Partners' courses"], dependencies=[BEARER])

OfProvider = Annotated[Id | None, Query(description="Only of this partner.")]
OfCourse = Annotated[Id | None, Query(description="Only of this course of a partner.")]


@mappings.get("", responses=problems(422))
async def list_mappings(
    request: Request,
    response: Response,
    svc: Svc,
    caller: Staff,  # noqa: ARG001  # lets only staff in
    search: Search = None,
    provider_id: OfProvider = None,
    partner_course_id: OfCourse = None,
    mapping_type: Annotated[MappingType | None, Query(description="Only of this type.")] = None,
    active: Annotated[bool | None, Query(description="Only those that are active, or that are not.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> list[MappingAnswer]:
    """What partners' courses count as here, by the title of the partner's course."""
    chosen = Filter(
        str(provider_id) if provider_id else None,
        str(partner_course_id) if partner_course_id else None,
        mapping_type,
        active,
        like_pattern(search),
    )
    rows = await svc.hub.mappings.find(chosen, limit, offset)
    add_page_headers(request, response, rows[0]["total"] if rows else 0, limit, offset)
    return [MappingAnswer.model_validate(row) for row in rows]


@mappings.post(
    "",
    status_code=201,
    responses=problems(404, 409, 422) | {200: {"model": MappingAnswer, "description": "Was mapped already."}},
)
async def add_mapping(response: Response, svc: Svc, caller: Admin, body: MappingRequest) -> MappingAnswer:
    """Map a partner's course. The same course and target again answers 200: it has the type now, and is active."""
    link = Link(str(body.partner_course_id), body.target.kind, str(body.target.id))
    [(mapping_id, created), *_] = await svc.hub.mappings.add([link], body.mapping_type, caller.profile_id)
    if not created:
        response.status_code = 200
    return MappingAnswer.model_validate(await svc.hub.mappings.get(mapping_id))


@mappings.get("/{mapping_id}", responses=problems(404, 422))
async def get_mapping(svc: Svc, caller: Staff, mapping_id: Id) -> MappingAnswer:  # noqa: ARG001  # lets only staff in
    """One mapping."""
    return MappingAnswer.model_validate(await svc.hub.mappings.get(str(mapping_id)))


@mappings.patch("/{mapping_id}", responses=problems(404, 409, 422))
async def change_mapping(
    svc: Svc,
    caller: Admin,  # noqa: ARG001  # lets only administrators in
    mapping_id: Id,
    body: MappingChange,
) -> MappingAnswer:
    """Change type or activity. What was enrolled or credited by the mapping stays."""
    await svc.hub.mappings.change([str(mapping_id)], mapping_type=body.mapping_type, active=body.is_active)
    return MappingAnswer.model_validate(await svc.hub.mappings.get(str(mapping_id)))


@mappings.delete("/{mapping_id}", status_code=204, responses=problems(404, 422))
async def delete_mapping(svc: Svc, caller: Admin, mapping_id: Id) -> None:  # noqa: ARG001  # lets only administrators in
    """Delete a mapping. What was enrolled or credited by it stays."""
    if await svc.hub.mappings.delete([str(mapping_id)]) == 0:
        raise NotFoundError("There is no such mapping.")


@enrollments.post(
    "",
    status_code=201,
    responses=problems(404, 409, 422)
    | {200: {"model": PartnerEnrollmentAnswer, "description": "Was enrolled already."}},
)
async def enroll(
    response: Response, svc: Svc, caller: Admin, body: PartnerEnrollmentRequest
) -> PartnerEnrollmentAnswer:
    """Enrol a learner in a partner's course; who is not known is made known. Twice answers 200 with what stands.

    The partner is told in the background: `outbox_state` says how far that is. Mapped enrolments here are made at once.
    """
    course_id = str(body.partner_course_id)
    await svc.hub.enrolling.course(course_id)
    profile_id = await svc.directory.learner(NewLearner(body.learner.email, body.learner.id, body.learner.name))
    [made] = await svc.hub.enrolling.enrol(course_id, [profile_id], caller.profile_id)
    if made.outcome == "stands":
        response.status_code = 200
    return _answer(await partner_enrollments.detail(svc, caller, made.id))


@enrollments.get("", responses=problems(422))
async def list_enrollments(
    request: Request,
    response: Response,
    svc: Svc,
    caller: AnyCaller,
    search: Search = None,
    provider_id: OfProvider = None,
    partner_course_id: OfCourse = None,
    status: Annotated[Status | None, Query(description="Only with this status.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> list[PartnerEnrollmentAnswer]:
    """The enrolments at partners that the caller may see, last changed first; a learner sees the own ones."""
    wanted = partner_enrollments.Wanted(
        str(provider_id) if provider_id else None,
        str(partner_course_id) if partner_course_id else None,
        None,
        status,
        search,
    )
    rows, total = await partner_enrollments.find(svc, caller, wanted, limit, offset)
    add_page_headers(request, response, total, limit, offset)
    return [_answer(row) for row in rows]


@enrollments.get("/{partner_enrollment_id}", responses=problems(404, 422))
async def get_enrollment(svc: Svc, caller: AnyCaller, partner_enrollment_id: Id) -> PartnerEnrollmentAnswer:
    """How an enrolment at a partner stands."""
    return _answer(await partner_enrollments.detail(svc, caller, str(partner_enrollment_id)))


@enrollments.post("/{partner_enrollment_id}/launch", responses=problems(404, 409, 422, 502))
async def launch(
    svc: Svc,
    caller: AnyCaller,
    partner_enrollment_id: Id,
    body: Annotated[PartnerLaunchRequest | None, Body()] = None,
) -> PartnerLaunchAnswer:
    """An address that opens the course at the partner for this learner, signed in where the partner offers that."""
    wanted = body or PartnerLaunchRequest()
    url = await partner_enrollments.launch(svc, caller, str(partner_enrollment_id), wanted.redirect_url)
    return PartnerLaunchAnswer(url=url)


@enrollments.post("/{partner_enrollment_id}/withdraw", responses=problems(404, 409, 422))
async def withdraw(svc: Svc, caller: Admin, partner_enrollment_id: Id) -> PartnerEnrollmentAnswer:
    """End an enrolment, at the partner too; `outbox_state` says how far that is. Enrolments here stay."""
    await svc.hub.enrolling.withdraw(str(partner_enrollment_id), caller.profile_id)
    return _answer(await partner_enrollments.detail(svc, caller, str(partner_enrollment_id)))


def _answer(row: dict[str, Any]) -> PartnerEnrollmentAnswer:
    learner = PartnerLearner(
        id=row["learner_external_id"],
        profile_id=row["profile_id"],
        name=row["learner_name"],
        email=row["learner_email"],
    )
    return PartnerEnrollmentAnswer.model_validate(
        row | {"learner": learner, "partner_course_id": row["course_id"], "credited_by": row["credit_title"]}
    )
