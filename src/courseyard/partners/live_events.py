"""Canvas's Live Events: the envelope, signed or not, and what an event tells.

Signed ones are a JWT whose claims are the event, by keys that Instructure publishes and changes every month. All of its
customers have these keys in common, so that a good signature alone does not say whose event it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from courseyard.errors import BadDeliveryError, PartnerAnswerError
from courseyard.limits import TOKEN_LEEWAY_SECONDS
from courseyard.partners import reading
from courseyard.partners.records import Enrolment, EnrolmentStatus, ModuleProgress, Record, User

# States of an enrolment that is over without having been finished.
ENDED = {"inactive", "rejected", "deleted"}

_ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384"]
# Ids in events hold the number of the database that they are from before the last 13 digits.
_SHARD = 10**13


def is_signed(body: bytes) -> bool:
    """Whether a body is a compact JWT, and not the event itself."""
    return body.lstrip()[:1] not in (b"{", b"[") and body.count(b".") == 2


def key_id(body: bytes) -> Any:
    """The id of the key that a JWT says it was signed with; None if it says nothing readable."""
    try:
        return jws.extract_compact(_compact(body).encode()).headers().get("kid")
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def read_keys(document: Any) -> KeySet:
    """The public keys of a JWKS document.

    Raises:
        PartnerAnswerError: it is none.
    """
    try:
        found = KeySet.import_key_set(document)
    except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PartnerAnswerError("The published keys of Live Events cannot be read.") from error
    # A published secret would be none.
    return KeySet([key for key in found if isinstance(key, RSAKey | ECKey)])


def verified(body: bytes, keys: KeySet, now: datetime) -> Any:
    """The event in a JWT.

    Raises:
        BadDeliveryError: it was not signed by one of the keys, or it has expired.
    """
    try:
        token = jwt.decode(_compact(body), keys, algorithms=_ALGORITHMS)
        jwt.JWTClaimsRegistry(now=int(now.timestamp()), leeway=TOKEN_LEEWAY_SECONDS).validate(token.claims)
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BadDeliveryError("The signature is not by one of the published keys, or too old.") from error
    return token.claims


def unsigned(body: bytes) -> Any:
    """The event in a body that is not signed.

    Raises:
        BadDeliveryError: it is no JSON.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadDeliveryError("The body is not JSON.") from error


def is_from(metadata: Any, host: str) -> bool:
    """Whether an event is of the Canvas with this host name, which its root account's guid ends with."""
    guid = (reading.text(reading.field(metadata, "root_account_lti_guid")) or "").lower()
    return bool(host) and guid.partition(".")[2] == host.lower()


def _compact(body: bytes) -> str:
    return body.strip().strip(b'"').decode("ascii", "replace")


def told(metadata: dict[str, Any], body: dict[str, Any]) -> Iterator[Record]:
    """What an event tells; of kinds that are of no use here nothing.

    Raises:
        ValueError: something that must be there is not.
    """
    at = reading.moment(metadata.get("event_time"))
    match metadata.get("event_name"):
        case "enrollment_created" | "enrollment_updated" if body.get("type") == "StudentEnrollment":
            course, person = (_local(body.get(name), metadata) for name in ("course_id", "user_id"))
            state = reading.text(body.get("workflow_state"))
            status: EnrolmentStatus | None = "withdrawn" if state in ENDED else None
            yield Enrolment(
                external_id=f"{course}:{person}",
                course=course,
                user=User(external_id=person, name=reading.text(body.get("user_name"))),
                status="pending" if state in ("invited", "creation_pending") else status,
                enrolled_at=reading.moment(body.get("created_at")),
                data_at=reading.moment(body.get("updated_at")) or at,
            )
        case "course_completed" | "course_progress":
            learner = body.get("user")
            course = _local(reading.field(body.get("course"), "id"), metadata)
            user = User(
                external_id=_local(reading.field(learner, "id"), metadata),
                email=reading.text(reading.field(learner, "email")),
                name=reading.text(reading.field(learner, "name")),
            )
            counts = body.get("progress")
            done, wanted = (
                reading.number(reading.field(counts, name))
                for name in ("requirement_completed_count", "requirement_count")
            )
            # Canvas also sends this when a single module is completed.
            complete = bool(wanted) and done is not None and wanted is not None and done >= wanted
            finished = reading.moment(reading.field(counts, "completed_at"))
            yield Enrolment(
                external_id=f"{course}:{user.external_id}",
                course=course,
                user=user,
                status="completed" if complete else "active",
                progress=reading.share(done, 0, wanted),
                completed_at=(finished or at) if complete else None,
                data_at=at,
            )
        case "grade_change":
            course = _local(metadata.get("context_id"), metadata)
            person = _local(body.get("student_id") or body.get("user_id"), metadata)
            assignment = _local(body.get("assignment_id"), metadata)
            raw, possible = reading.number(body.get("score")), reading.number(body.get("points_possible"))
            yield ModuleProgress(
                enrolment=f"{course}:{person}",
                module_id=f"assignment:{assignment}",
                module_name=reading.text(body.get("assignment_name")),
                status="completed" if reading.flag(body.get("grading_complete")) else "in_progress",
                score=reading.share(raw, 0, possible),
                # What is read of the same grade later knows whether it was enough, and must not count as older.
                data_at=at - timedelta(minutes=1) if at else None,
                extra=reading.plain(raw=raw, min=None if raw is None else 0, max=possible, grade=body.get("grade")),
            )


def _local(identifier: Any, metadata: dict[str, Any]) -> str:
    """An id as REST has it: events put the number of the database before it."""
    found = reading.key(identifier)
    root = reading.text(metadata.get("root_account_id")) or ""
    if found.isdecimal() and root.isdecimal() and len(found) <= 20 and len(root) <= 20:
        shard, local = divmod(int(found), _SHARD)
        if shard and shard == int(root) // _SHARD:
            return str(local)
    return found
