"""What the REST interface takes and gives, as pydantic models: strict, and nothing unknown let through."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from courseyard.limits import MAX_PASSWORD_CHARS

# JSON has no UUID: the text form is the only one, so strictness would refuse them all.
Id = Annotated[UUID, Field(strict=False)]
_ADDRESS = r"^[^@\x00-\x20\x7f-\xa0]+@[^@\x00-\x20\x7f-\xa0]+$"
Email = Annotated[str, Field(min_length=3, max_length=320, pattern=_ADDRESS)]


# PostgreSQL keeps no character zero.
TEXT = r"^[^\x00]*$"
Title = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*[^\x00-\x20][^\x00]*$")]
LongText = Annotated[str, Field(max_length=10_000, pattern=TEXT)]


def _whole(value: object) -> object:
    """JSON has one kind of number: 21.0 is the whole number 21 (JSON Schema says so too)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)


class Body(BaseModel):
    """Base of everything that comes in."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Answer(BaseModel):
    """Base of everything that goes out."""

    model_config = ConfigDict(extra="forbid")


class Shown(BaseModel):
    """Base of rows of the database: what is not named here is not shown."""

    model_config = ConfigDict(extra="ignore")


class TokenRequest(Body):
    """E-mail and password of a local account."""

    email: Email
    password: Annotated[str, Field(min_length=1, max_length=MAX_PASSWORD_CHARS)]


class TokenAnswer(Answer):
    """A short-lived access token."""

    access_token: str
    token_type: Literal["bearer"] = Field(default="bearer", description="How to send it.")
    expires_in: int = Field(description="Seconds until it stops working.")


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable; all codes are in docs/errors.md.")
    hint: str = Field(description="What to do about it.")


class Finding(BaseModel):
    """Something that was found in a package, and what to do about it."""

    model_config = ConfigDict(extra="allow")

    severity: str
    code: str
    message: str
    hint: str = ""
    file: str | None = None
    line: int | None = None


class PackageImported(Answer):
    """What an import found."""

    id: str
    title: str
    version: str = Field(description="SCORM version: 1.2 or 2004.")
    edition: str = Field(description="1.2, or 2nd to 4th of SCORM 2004.")
    activities: int = Field(description="How many activities can be opened.")
    findings: list[Finding]


class PackageAnswer(Shown):
    """A package in a list."""

    id: str
    title: str
    description: str | None
    version: str | None
    edition: str
    activities: int
    is_active: bool | None
    passing_score: int | None
    max_attempts: int | None
    created_at: datetime | None
    updated_at: datetime | None


class Version(Shown):
    """One version of a package's files."""

    id: str
    number: int
    edition: str
    file_name: str
    sha256: str
    file_count: int
    total_bytes: int
    activity_count: int
    attempts: int = Field(description="Attempts that run or ran on this version.")
    is_current: bool | None
    created_at: datetime


class PackageDetail(PackageAnswer):
    """One package."""

    duration_minutes: int | None
    enrollments: int
    completed: int
    launch_window: Literal["frame", "new"]
    strict: bool
    findings: list[Finding]
    versions: list[Version]


class PackageChange(Body):
    """Fields of a package to change."""

    title: Title = Field(default="")
    description: LongText | None = None
    passing_score: Annotated[int, Field(ge=0, le=100), WHOLE] | None = None
    max_attempts: Annotated[int, Field(ge=1, le=10_000), WHOLE] | None = None
    duration_minutes: Annotated[int, Field(ge=0, le=1_000_000), WHOLE] | None = None
    is_active: bool = True
    launch_window: Literal["frame", "new"] = "frame"
    strict: bool = False


class Learner(Body):
    """Who learns. The same `id`, or else the same `email`, is the same learner."""

    id: Annotated[str, Field(min_length=1, max_length=255, pattern=TEXT)] | None = Field(
        default=None, description="Your own identifier, any string; becomes cmi.learner_id."
    )
    name: Annotated[str, Field(min_length=1, max_length=255, pattern=TEXT)] | None = Field(
        default=None, description="Becomes cmi.learner_name."
    )
    email: Email


class EnrollmentRequest(Body):
    """Who is to learn what."""

    package_id: Id
    learner: Learner


class EnrolledLearner(Answer):
    """The learner of an enrolment."""

    id: str | None = Field(description="Your own identifier, if one was given.")
    profile_id: str
    name: str | None
    email: str | None


class RelatedCourse(Shown):
    """A course at a partner that has to do with a package here."""

    partner_course_id: str
    title: str | None
    provider: str | None
    partner_enrollment_id: str | None = Field(description="The learner's enrolment there; null where there is none.")
    completed: bool = Field(description="Whether the learner has completed it there.")


class EnrollmentAnswer(Answer):
    """An enrolment and how it stands."""

    id: str
    package_id: str
    title: str
    learner: EnrolledLearner
    status: str | None
    success: str = Field(description="Of the newest attempt: passed, failed or unknown.")
    progress_percentage: float | None
    score: float | None
    attempts: int | None
    time_spent_seconds: int | None = Field(description="As the course reports it.")
    measured_seconds: float = Field(description="As the server measured it.")
    started_at: datetime | None
    completed_at: datetime | None
    last_accessed_at: datetime | None
    created_at: datetime | None
    prerequisites: list[RelatedCourse] = Field(description="Courses at partners that come first.")
    held: bool = Field(description="Whether it cannot be launched yet, because one of these is not completed.")
    also_offered: list[RelatedCourse] = Field(description="Courses at partners that are offered in addition.")


class LaunchRequest(Body):
    """How to open the player."""

    mode: Literal["normal", "browse", "review"] = "normal"
    redirect_url: Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\x00-\x20\x7f-\xa0\\]+$")] | None = Field(
        default=None, description="Where the learner goes after leaving the player."
    )


class LaunchAnswer(Answer):
    """The way into the player."""

    url: str = Field(description="Open it in a browser within 15 minutes; no login is needed.")


class TrackingRecord(Shown):
    """One recorded value."""

    id: str
    element: str
    value: str | None
    timestamp: datetime | None


class AttemptAnswer(Shown):
    """One attempt in the list."""

    number: int
    completion: str
    success: str
    score_scaled: float | None
    score_raw: float | None
    score_min: float | None
    score_max: float | None
    progress: float
    reported_seconds: float
    measured_seconds: float
    suspended: bool
    started_at: datetime
    last_activity_at: datetime
    completed_at: datetime | None
    ended_at: datetime | None
    version_number: int


class ActivityState(Shown):
    """What one activity recorded in one of its attempts."""

    item: str
    title: str
    activity_attempt: int
    completion: str
    success: str
    score: str | None
    location: str | None
    seconds: float
    interactions: list[dict[str, Any]]
    objectives: list[dict[str, Any]]
    data: dict[str, Any] = Field(description="Every element as the course set it.")
    updated_at: datetime


class LearningDay(Shown):
    """Learning time of one day (UTC), as the server measured it."""

    day: date
    seconds: float


class RuntimeFinding(Shown):
    """What the course did against the specification while it ran."""

    item: str
    code: str
    element: str
    detail: str
    occurrences: int
    first_at: datetime
    last_at: datetime


class AttemptDetail(AttemptAnswer):
    """One attempt in full."""

    activities: list[ActivityState]
    days: list[LearningDay]
    findings: list[RuntimeFinding]
