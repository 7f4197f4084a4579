"""What partners tell us, in our words: the records that every connector makes and that the sync writes.

Plain values that go to JSON and back without loss: a record that could not be written is kept as JSON and replayed
later. ``external_id`` is the partner's own key, the same each time the partner tells of the same thing; together with
the provider and the kind it makes every write idempotent. ``data_at`` is the time of the fact at the partner, not
of our asking. Of each field of an enrolment or a module the newest that was told counts, in whatever order records
come; of a course or a credential the newest record does. ``told_at``: in a record that waited and was put together
with later ones, the times of the fields that were told before ``data_at``; connectors leave it empty.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

import msgspec

EnrolmentStatus = Literal["pending", "active", "completed", "failed", "withdrawn"]
ModuleStatus = Literal["not_started", "in_progress", "completed", "passed", "failed"]
Kind = Literal["course", "enrolment", "module", "credential"]

# Statuses of a module that is done.
DONE: tuple[ModuleStatus, ...] = ("completed", "passed")


class User(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person as the partner knows them: their identifier there, and what may tell who it is here.

    ``sis_id``: the organisation's own identifier that the partner keeps (Moodle's idnumber, Canvas's sis_user_id).
    """

    external_id: str
    email: str | None = None
    name: str | None = None
    sis_id: str | None = None


class Course(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="record", tag="course"):
    """A course in the partner's catalogue. ``active`` is false when the partner hides or has closed it.

    ``extra``: further facts of the partner by its own names, plain values; a field mapping may read them.
    """

    external_id: str
    title: str
    code: str | None = None
    description: str | None = None
    category: str | None = None
    duration_hours: float | None = None
    url: str | None = None
    active: bool = True
    data_at: datetime | None = None
    extra: dict[str, Any] = {}


class Enrolment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="record", tag="enrolment"):
    """A person in a course at the partner. ``course`` is the course's external id; ``progress`` from 0 to 100.

    Where the partner has no key for it, ``external_id`` is ``course:user``. ``status`` None: the partner only says that
    the person is in the course; an enrolment that stands and was not withdrawn stays as it is, any other is active.
    """

    external_id: str
    course: str
    user: User
    status: EnrolmentStatus | None = "active"
    progress: float | None = None
    enrolled_at: datetime | None = None
    completed_at: datetime | None = None
    data_at: datetime | None = None
    told_at: dict[str, datetime] = {}
    extra: dict[str, Any] = {}


class ModuleProgress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="record", tag="module"):
    """How far a person is in one module of a course at the partner. ``enrolment`` is the enrolment's external id.

    ``score`` is in percent (0 to 100) of what could be reached; the partner's own numbers go into ``extra`` as
    ``raw``, ``min`` and ``max``. A record of an enrolment that is not known yet waits for it. ``status`` None: the
    partner only says that the person was there; status and completion that stand stay, and a new one is in progress.
    """

    enrolment: str
    module_id: str
    module_name: str | None = None
    status: ModuleStatus | None = "not_started"
    progress: float | None = None
    score: float | None = None
    time_spent_seconds: int | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    last_accessed_at: datetime | None = None
    data_at: datetime | None = None
    told_at: dict[str, datetime] = {}
    extra: dict[str, Any] = {}


class Credential(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="record", tag="credential"):
    """A certificate or badge that the partner issued to a person; ``enrolment`` where it was earned, if told."""

    external_id: str
    user: User
    name: str
    type: str | None = None
    number: str | None = None
    enrolment: str | None = None
    issued: date | None = None
    expires: date | None = None
    verification_url: str | None = None
    certificate_url: str | None = None
    data_at: datetime | None = None
    extra: dict[str, Any] = {}


class Gone(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="record", tag="gone"):
    """The partner says that something is no more. Nothing is deleted here: courses are marked, enrolments withdrawn.

    For a module ``external_id`` is ``enrolment:module``.
    """

    kind: Kind
    external_id: str
    data_at: datetime | None = None


Record = Course | Enrolment | ModuleProgress | Credential | Gone


def to_json(record: Record) -> dict[str, Any]:
    """The record as plain JSON, with its kind under ``record``."""
    plain: dict[str, Any] = msgspec.to_builtins(record)
    return plain


def from_json(document: Any) -> Record:
    """A record from its JSON.

    Raises:
        msgspec.ValidationError: the document is none.
    """
    record: Record = msgspec.convert(document, Record)
    return record
