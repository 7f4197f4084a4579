"""What xAPI statements tell, as our records. Pure; cmi5 and the common verbs.

A statement is one fact and not a state. So the statements of one page are put together per enrolment and module, in the
order in which things happened, and what they do not speak of stays None: that stands as it is. ``data_at`` is when the
LRS stored the last of them, since a statement that was made offline comes late and counts all the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid5

from courseyard.partners import reading
from courseyard.partners.reading import items
from courseyard.partners.records import (
    Course,
    Credential,
    Enrolment,
    EnrolmentStatus,
    Gone,
    ModuleProgress,
    ModuleStatus,
    Record,
    User,
)

Verb = Literal["registered", "began", "moved", "completed", "passed", "failed", "satisfied", "earned", "voided"]

_ADL = "http://adlnet.gov/expapi/verbs/"
_W3ID = "https://w3id.org/xapi/adl/verbs/"
_VERBS: dict[str, Verb] = {
    **{_ADL + name: "began" for name in ("launched", "initialized", "attempted", "resumed")},
    **{_ADL + name: "moved" for name in ("progressed", "experienced", "terminated", "suspended", "exited", "scored")},
    **{_W3ID + name: "moved" for name in ("abandoned", "terminated")},
    **{_W3ID + name: "began" for name in ("launched", "initialized", "resumed")},
    "https://w3id.org/xapi/video/verbs/played": "began",
    _ADL + "registered": "registered",
    _ADL + "completed": "completed",
    "http://activitystrea.ms/schema/1.0/complete": "completed",
    _ADL + "passed": "passed",
    _ADL + "mastered": "passed",
    _ADL + "failed": "failed",
    _W3ID + "satisfied": "satisfied",
    _ADL + "satisfied": "satisfied",
    # cmi5 9.3.7: the requirement is met in another way.
    _W3ID + "waived": "satisfied",
    _ADL + "waived": "satisfied",
    "http://specification.openbadges.org/xapi/verbs/earned": "earned",
    "http://specification.openbadges.org/xapi/verbs/earned.json": "earned",
    "http://id.tincanapi.com/verb/earned": "earned",
    "http://activitystrea.ms/schema/1.0/achieve": "earned",
    "http://activitystrea.ms/schema/1.0/receive": "earned",
    _ADL + "voided": "voided",
}
_COURSES = {
    "http://adlnet.gov/expapi/activities/course",
    "https://w3id.org/xapi/cmi5/activitytype/course",
    "http://id.tincanapi.com/activitytype/lms/course",
}
_CREDENTIALS = {
    "http://activitystrea.ms/schema/1.0/badge": "badge",
    "http://id.tincanapi.com/activitytype/certificate": "certificate",
    "https://www.opigno.org/en/tincan_registry/activity_type/certificate": "certificate",
}
# Questions are parts of a module, and a block is a heading: neither is a module of its own.
_NO_MODULES = {
    "http://adlnet.gov/expapi/activities/cmi.interaction",
    "http://adlnet.gov/expapi/activities/question",
    "https://w3id.org/xapi/cmi5/activitytype/block",
}
_CMI5 = "https://w3id.org/xapi/cmi5/context/categories/cmi5"
_CMI5_PROGRESS = "https://w3id.org/xapi/cmi5/result/extensions/progress"
_ASSERTIONS = (
    "http://specification.openbadges.org/xapi/extensions/badgeassertion",
    "http://specification.openbadges.org/xapi/extensions/badgeassertion.json",
)
_OWN_IDS = UUID("5b1a3e0e-64d5-5c3c-9d4a-6f0a7a3f0c11")


@dataclass(frozen=True, slots=True)
class Told:
    """What statements told. ``voided``: ids of statements that others take back, and when that was stored."""

    records: list[Record] = field(default_factory=list)
    rejected: list[tuple[Any, str]] = field(default_factory=list)
    voided: list[tuple[str, datetime | None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fact:
    """One statement, understood. ``course`` is None where it names none, and the registration alone tells which."""

    id: str
    user: User
    verb: Verb
    activity: Any
    course: Any
    enrolment: str
    module: str | None
    result: Any
    at: datetime | None
    stored: datetime | None


def translate(
    statements: Iterable[Any],
    *,
    known: Collection[str] | None = None,
    received_at: datetime | None = None,
    explicit: bool = False,
) -> Told:
    """Records of what statements tell. Those about nothing of ours (other verbs, groups, questions) are left out.

    ``known``: courses that stand already; one that is new and has no name is named by its address, else left out where
    this is None. ``received_at`` stands in for the time of storing. ``explicit``: these are all statements there are
    of their modules, so that what they do not say is not so.
    """
    told = Told()
    facts: list[Fact] = []
    for statement in statements:
        try:
            fact = read(statement, received_at)
        except ValueError as error:
            told.rejected.append((reading.storable(statement), f"The statement cannot be used: {error}."))
            continue
        if isinstance(fact, str):
            told.voided.append((fact, _stored(statement, received_at)))
        elif fact is not None:
            facts.append(fact)
    facts.sort(key=lambda fact: fact.at.timestamp() if fact.at else 0.0)
    told.records.extend(_courses(facts, known))
    progress = [fact for fact in facts if fact.verb != "earned"]
    for some in _grouped([fact for fact in progress if fact.course is not None], lambda fact: (fact.enrolment,)):
        told.records.append(_enrolment(some, explicit))
    for some in _grouped([fact for fact in progress if fact.module], lambda fact: (fact.enrolment, fact.module)):
        told.records.append(_module(some, explicit))
    told.records.extend(_credential(fact) for fact in facts if fact.verb == "earned")
    return told


def pushed(statements: Iterable[Any], received_at: datetime) -> tuple[list[Record], list[tuple[Any, str]]]:
    """Records and rejections of statements that were sent to us: there is no store to ask what stood before."""
    told = translate(statements, received_at=received_at)
    stands = [
        ({"voided": i}, f"Statement {i} was taken back; what it told of progress stands.") for i, _ in told.voided
    ]
    return [*told.records, *map(taken_back, told.voided)], told.rejected + stands


def taken_back(voided: tuple[str, datetime | None]) -> Record:
    """A credential goes with its statement."""
    return Gone(kind="credential", external_id=voided[0], data_at=voided[1])


def statement_id(statement: Any) -> str:
    """A statement's id; one that comes without gets one that is the same each time it comes."""
    found = reading.text(reading.field(statement, "id"))
    if found is not None:
        return found.lower()
    plain = json.dumps(reading.storable(statement), sort_keys=True)
    return str(uuid5(_OWN_IDS, hashlib.blake2b(plain.encode()).hexdigest()))


def read(statement: Any, received_at: datetime | None = None) -> Fact | str | None:
    """One statement; the id of another that it takes back; or None if it is about nothing of ours.

    Raises:
        ValueError: it is not as a statement must be; the message goes on "it …".
    """
    if not isinstance(statement, dict):
        raise ValueError("it is no object")
    told = reading.text(_inner(statement, "verb", "id"))
    if told is None:
        raise ValueError("it has no verb")
    activity = statement.get("object")
    if not isinstance(activity, dict):
        raise ValueError("it has no object")
    verb = _VERBS.get(told)
    kind = reading.text(activity.get("objectType")) or "Activity"
    if verb == "voided":
        return reading.key(activity.get("id")).lower() if kind == "StatementRef" else None
    what = _type(activity)
    if verb == "completed" and what in _CREDENTIALS:
        verb = "earned"
    if verb is None or kind != "Activity" or what in _NO_MODULES:
        return None
    user = _user(statement.get("actor"))
    if user is None:
        return None
    if reading.text(activity.get("id")) is None:
        raise ValueError("its activity has no id")
    registration = reading.text(_inner(statement, "context", "registration"))
    course = None if verb == "earned" and registration is None else _course(statement, activity, registration)
    key = registration or f"{_id(course) if course else ''}:{user.external_id}"
    stored = _stored(statement, received_at)
    return Fact(
        id=statement_id(statement),
        user=user,
        verb=verb,
        activity=activity,
        course=course,
        enrolment=key,
        module=None if verb == "earned" or (course and _id(course) == _id(activity)) else _id(activity),
        result=statement.get("result"),
        at=reading.moment(statement.get("timestamp")) or stored,
        stored=stored,
    )


def _course(statement: Any, activity: Any, registration: str | None) -> Any:
    """The course that a statement belongs to; None where only the registration knows (a cmi5 unit)."""
    if _type(activity) in _COURSES:
        return activity
    context = _inner(statement, "context", "contextActivities")
    # xAPI 1.0 allowed a single activity where a list is asked for now.
    around = {
        name: [entry for entry in _listed(reading.field(context, name)) if reading.text(reading.field(entry, "id"))]
        for name in ("grouping", "parent", "category")
    }
    for entry in [*around["grouping"], *around["parent"]]:
        if _type(entry) in _COURSES:
            return entry
    if registration is not None and any(_id(entry) == _CMI5 for entry in around["category"]):
        # The grouping of a cmi5 unit is the unit itself, under its publisher's id.
        return None
    return next(iter([*around["grouping"], *around["parent"]]), activity)


def _user(actor: Any) -> User | None:
    """The person; None for a group."""
    if not isinstance(actor, dict):
        raise ValueError("it has no actor")
    if actor.get("objectType") == "Group":
        return None
    name = reading.text(actor.get("name"))
    mbox = reading.text(actor.get("mbox"))
    if mbox is not None:
        email = mbox[7:] if mbox.lower().startswith("mailto:") else mbox
        return User(external_id=reading.key(email).lower(), email=email, name=name)
    account = reading.text(_inner(actor, "account", "name"))
    if account is not None:
        home = reading.text(_inner(actor, "account", "homePage")) or ""
        address = account if "@" in account and " " not in account else None
        return User(external_id=f"{home}|{account}", email=address, name=name, sis_id=account)
    other = reading.text(actor.get("openid")) or reading.text(actor.get("mbox_sha1sum"))
    if other is None:
        raise ValueError("its actor has no identifier")
    return User(external_id=other, name=name)


# Facts put together


def _courses(facts: Sequence[Fact], known: Collection[str] | None) -> list[Record]:
    found: dict[str, Course] = {}
    for fact in facts:
        if fact.course is None or fact.verb == "earned":
            continue
        identifier, name = _id(fact.course), _words(_inner(fact.course, "definition", "name"))
        if name is None and (known is None or identifier in known or identifier in found):
            continue
        found[identifier] = Course(
            external_id=identifier,
            title=name or _last_part(identifier),
            description=_words(_inner(fact.course, "definition", "description")),
            url=reading.url(_inner(fact.course, "definition", "moreInfo")),
            data_at=fact.stored,
        )
    return list(found.values())


def _enrolment(facts: Sequence[Fact], explicit: bool) -> Enrolment:
    status: EnrolmentStatus | None = "active" if explicit else None
    progress = enrolled = completed = None
    extra: dict[str, Any] = {}
    for fact in facts:
        if fact.verb == "registered":
            enrolled = enrolled or fact.at
        if fact.module is not None:
            continue
        told = _progress(fact.result)
        progress = told if told is not None else progress
        extra |= _numbers(fact.result)
        ended = _ended(fact)
        if ended == "failed":
            status, completed = "failed", None
        elif ended is not None and not (ended == "completed" and status == "failed"):
            status, completed = "completed", fact.at
    last = facts[-1]
    return Enrolment(
        external_id=last.enrolment,
        course=_id(last.course),
        user=_fullest(facts),
        status=status,
        progress=progress if progress is not None or not explicit else 100.0 if completed else 0.0,
        enrolled_at=enrolled,
        completed_at=completed,
        data_at=reading.latest(*(fact.stored for fact in facts)),
        extra=extra,
    )


def _module(facts: Sequence[Fact], explicit: bool) -> ModuleProgress:
    status: ModuleStatus | None = "in_progress" if explicit else None
    progress = score = spent = started = completed = None
    extra: dict[str, Any] = {}
    for fact in facts:
        if fact.verb == "began":
            started = started or fact.at
        told, reached = _progress(fact.result), _score(fact.result)
        progress = told if told is not None else progress
        score = reached if reached is not None else score
        extra |= _numbers(fact.result)
        ended = _ended(fact)
        if ended is None:
            continue
        # How long it took to get there; the durations of single sessions are not a sum that we could keep.
        duration = reading.whole(reading.duration(reading.field(fact.result, "duration")))
        spent = duration if duration is not None else spent
        if ended == "failed":
            status = "failed"
        elif not (ended == "completed" and status in {"passed", "failed"}):
            # That it is complete does not take back that it was passed or failed.
            status = ended
        if ended != "failed":
            completed = fact.at
    last = facts[-1]
    names = [name for fact in facts if (name := _words(_inner(fact.activity, "definition", "name")))]
    return ModuleProgress(
        enrolment=last.enrolment,
        module_id=last.module or "",
        module_name=names[-1] if names else None,
        status=status,
        progress=progress if progress is not None or not explicit else 100.0 if completed else 0.0,
        score=score,
        time_spent_seconds=spent,
        started_at=started,
        completed_at=completed,
        last_accessed_at=last.at,
        data_at=reading.latest(*(fact.stored for fact in facts)),
        extra=extra,
    )


def _credential(fact: Fact) -> Credential:
    extensions = reading.field(fact.result, "extensions")
    assertions = [reading.field(reading.field(extensions, name), "@id") for name in _ASSERTIONS]
    return Credential(
        external_id=fact.id,
        user=fact.user,
        name=_words(_inner(fact.activity, "definition", "name")) or _last_part(_id(fact.activity)),
        type=_CREDENTIALS.get(_type(fact.activity) or "", "badge"),
        enrolment=fact.enrolment if fact.course is not None else None,
        issued=fact.at.date() if fact.at else None,
        verification_url=next((found for link in assertions if (found := reading.url(link))), None),
        data_at=fact.stored,
    )


def _ended(fact: Fact) -> Literal["completed", "passed", "failed"] | None:
    """Whether a fact ends what it is about, and how."""
    success = reading.field(fact.result, "success")
    if fact.verb == "failed" or (fact.verb in {"completed", "satisfied"} and success is False):
        return "failed"
    if fact.verb == "passed" or (fact.verb in {"completed", "satisfied"} and success is True):
        return "passed"
    return "completed" if fact.verb in {"completed", "satisfied"} else None


def _progress(result: Any) -> float | None:
    extensions = reading.field(result, "extensions")
    if not isinstance(extensions, dict):
        return None
    if _CMI5_PROGRESS in extensions:
        return reading.percent(extensions[_CMI5_PROGRESS])
    for name, value in extensions.items():
        found = reading.number(value) if name.endswith("/progress") else None
        if found is not None:
            # The video profile and others tell a share of one.
            return reading.percent(found * 100 if "video" in name or 0 < found < 1 else found)
    return None


def _score(result: Any) -> float | None:
    score = reading.field(result, "score")
    scaled = reading.number(reading.field(score, "scaled"))
    if scaled is not None:
        return reading.percent(scaled * 100)
    return reading.share(*(reading.field(score, name) for name in ("raw", "min", "max")))


def _numbers(result: Any) -> dict[str, Any]:
    score = reading.field(result, "score")
    found = {name: reading.number(reading.field(score, name)) for name in ("raw", "min", "max")}
    return {name: value for name, value in found.items() if value is not None}


def _fullest(facts: Sequence[Fact]) -> User:
    """The person as the last statement that names them does."""
    return next((fact.user for fact in reversed(facts) if fact.user.name), facts[-1].user)


def _grouped(facts: Sequence[Fact], by: Any) -> list[list[Fact]]:
    found: dict[Any, list[Fact]] = {}
    for fact in facts:
        found.setdefault(by(fact), []).append(fact)
    return list(found.values())


# Values inside of statements


def _inner(value: Any, *names: str) -> Any:
    for name in names:
        value = reading.field(value, name)
    return value


def _stored(statement: Any, received_at: datetime | None) -> datetime | None:
    return reading.moment(reading.field(statement, "stored")) or received_at


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, dict) else items(value)


def _id(activity: Any) -> str:
    return reading.key(reading.field(activity, "id"))


def _type(activity: Any) -> str | None:
    found = reading.text(_inner(activity, "definition", "type"))
    return found.rstrip("/") if found else None


def _words(languages: Any) -> str | None:
    """A text of a language map: English, else the first."""
    if not isinstance(languages, dict):
        return None
    english = [value for tag, value in languages.items() if str(tag).lower().startswith("en")]
    return next((found for value in [*english, *languages.values()] if (found := reading.text(value))), None)


def _last_part(identifier: str) -> str:
    try:
        parts = [part for part in unquote(urlsplit(identifier).path).split("/") if part]
    except ValueError:
        parts = []
    return (reading.text(parts[-1]) if parts else None) or identifier
