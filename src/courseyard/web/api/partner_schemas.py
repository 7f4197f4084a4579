"""What the REST interface takes and gives about partners' courses: mappings and enrolments."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from courseyard.web.api.schemas import Answer, Body, Id, Learner, Shown

MappingType = Literal["equivalent", "credit", "prerequisite", "elective"]
TargetKind = Literal["package", "course", "program"]
Status = Literal["pending", "active", "completed", "failed", "withdrawn"]


class Target(Body):
    """What of ours a partner's course is mapped to."""

    kind: TargetKind
    id: Id


class MappingRequest(Body):
    """A partner's course and what it counts as here."""

    partner_course_id: Id
    target: Target
    mapping_type: MappingType = Field(
        default="equivalent",
        description="equivalent: enrols here, completions count both ways; credit: enrols here, the partner's "
        "completion counts here; prerequisite: the package cannot be launched before the partner's course is "
        "completed; elective: is shown as offered in addition.",
    )


class MappingChange(Body):
    """What to change of a mapping; what is left out stays."""

    mapping_type: MappingType | None = None
    is_active: bool | None = None


class TargetShown(Shown):
    """A target with its title."""

    kind: str
    id: str
    title: str


class MappingAnswer(Shown):
    """A mapping."""

    id: str
    partner_course_id: str
    partner_course: str
    provider_id: str | None
    provider: str | None
    mapping_type: str
    is_active: bool
    targets: list[TargetShown] = Field(description="Empty when what it pointed to was deleted.")
    created_at: datetime | None
    updated_at: datetime | None


class PartnerEnrollmentRequest(Body):
    """Who is to take which course of a partner."""

    partner_course_id: Id
    learner: Learner


class PartnerLearner(Answer):
    """The learner of an enrolment at a partner."""

    id: str | None = Field(description="Your own identifier, if one was given.")
    profile_id: str | None
    name: str | None
    email: str | None


class PartnerEnrollmentAnswer(Shown):
    """An enrolment at a partner and how it stands."""

    id: str
    provider_id: str | None
    provider: str | None
    partner_course_id: str | None
    title: str | None
    learner: PartnerLearner
    status: str | None = Field(
        description="As the table has it: pending, active, completed, failed, withdrawn, or own words."
    )
    progress_percentage: float | None
    enrolled_at: datetime | None
    completed_at: datetime | None
    data_at: datetime | None = Field(
        description="How fresh these data are: their time at the partner, where it tells it."
    )
    at_partner: bool = Field(description="Whether the partner knows of this enrolment.")
    outbox_state: str | None = Field(
        description="What is being done at the partner: waiting, working, person (somebody must choose the account), "
        "done, failed or cancelled; null when nothing was asked."
    )
    outbox_error: str | None
    credited_by: str | None = Field(
        description="What of ours this counts as completed by, if it was not completed there."
    )


class PartnerLaunchRequest(Body):
    """How to open the course at the partner."""

    redirect_url: Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\x00-\x20\x7f-\xa0\\]+$")] | None = Field(
        default=None, description="Where the learner goes afterwards, if the partner can lead there."
    )


class PartnerLaunchAnswer(Answer):
    """The way into the course at the partner."""

    url: str = Field(description="Open it at once in the learner's browser: such links run out within minutes.")
