"""Live Events of Canvas, as Instructure documents them, signed and not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from fix_canvas import anything, at, scalars
from fix_partners import NOW, Connected
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey
from partners.standins.canvas import TOKEN
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from courseyard.errors import BadDeliveryError
from courseyard.partners.client import PartnerClient
from courseyard.partners.connector import Config, Connector, Delivery
from courseyard.partners.connectors.canvas import Canvas
from courseyard.partners.records import Enrolment, ModuleProgress, User, from_json, to_json

pytestmark = pytest.mark.anyio

ROOT = "21070000000000001"


def event(name: str, body: Any, host: str = "oxana.instructure.com", **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "event_name": name, "event_time": "2026-11-01T19:11:26.615Z", "context_id": "21070000000000565", "context_type": "Course",
            "root_account_id": ROOT, "root_account_lti_guid": f"VicYj3cu5BIFpoZhDVU4DZumnlBrWi1grgJEzADs.{host}",
            "root_account_uuid": "VicYj3cu5BIFpoZhDVU4DZumnlBrWi1grgJEzADs", "producer": "canvas",
        } | metadata,
        "body": body,
    }  # fmt: skip


def enrolled(state: str = "active", kind: str = "StudentEnrollment") -> dict[str, Any]:
    return {
        "course_id": "21070000000000565", "course_section_id": "21070000000000598", "created_at": "2026-10-09T21:07:33Z",
        "enrollment_id": "21070000000046825", "limit_privileges_to_course_section": False, "type": kind,
        "updated_at": "2026-10-10T21:07:33Z", "user_id": "21070000000020064", "user_name": "Isaac Newton", "workflow_state": state,
    }  # fmt: skip


PROGRESS = {
    "course": {"account_id": "79", "id": "565", "name": "Physics", "sis_source_id": "P-1"},
    "progress": {
        "completed_at": "2026-11-01T19:11:00.218Z", "next_requirement_url": None, "requirement_completed_count": 6,
        "requirement_count": 6,
    },
    "user": {"email": "isaac@example.com", "id": "20064", "name": "Isaac Newton"},
}  # fmt: skip


GRADE = {
    "assignment_id": "21070000000000355", "grade": "5", "grader_id": "21070000000000987", "grading_complete": True, "muted": False,
    "points_possible": 10, "score": 5, "student_id": "21070000000000048", "student_sis_id": "ABC.123",
    "submission_id": "21070000000011086", "user_id": "21070000000000048", "assignment_name": "Prism",
}  # fmt: skip


def delivery(body: Any, key: str | None = None, at: datetime = NOW) -> Delivery:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery({}, raw, at, query={"key": key} if key is not None else {})


@pytest.fixture
def plain(connected: Connected) -> Connector:
    return connected.make(Canvas, "https://oxana.instructure.com", token=TOKEN, events_secret="open sesame")


async def test_events_with_the_secret_in_the_address(plain: Connector) -> None:
    told = plain.receive(delivery(event("enrollment_created", enrolled()), "open sesame"))
    assert told.records == [
        Enrolment(
            external_id="565:20064", course="565", user=User(external_id="20064", name="Isaac Newton"), status=None,
            enrolled_at=at("2026-10-09T21:07:33Z"), data_at=at("2026-10-10T21:07:33Z"),
        )
    ]  # fmt: skip
    again = plain.receive(delivery(event("enrollment_created", enrolled()), "open sesame"))
    assert again.delivery_id == told.delivery_id
    for wrong in (None, "", "open"):
        with pytest.raises(BadDeliveryError, match="secret"):
            plain.receive(delivery(event("enrollment_created", enrolled()), wrong))


@pytest.mark.parametrize(
    ("state", "status"),
    [("invited", "pending"), ("creation_pending", "pending"), ("inactive", "withdrawn"), ("deleted", "withdrawn"), ("completed", None)],
)  # fmt: skip
async def test_states_of_enrolments_in_events(plain: Connector, state: str, status: str | None) -> None:
    told = plain.receive(delivery(event("enrollment_updated", enrolled(state)), "open sesame"))
    assert [r.status for r in told.records if isinstance(r, Enrolment)] == [status]


async def test_events_of_teachers_and_of_other_kinds_are_taken_and_tell_nothing(plain: Connector) -> None:
    for found in (
        event("enrollment_created", enrolled(kind="TeacherEnrollment")),
        event("logged_in", {"redirect_url": "/"}),
    ):
        told = plain.receive(delivery(found, "open sesame"))
        assert not told.records and not told.rejected


async def test_a_completed_course_and_one_whose_module_was_completed(plain: Connector) -> None:
    told = plain.receive(delivery(event("course_completed", PROGRESS), "open sesame")).records[0]
    assert isinstance(told, Enrolment)
    assert (told.external_id, told.status, told.progress) == ("565:20064", "completed", 100.0)
    assert told.completed_at == at("2026-11-01T19:11:00.218Z") and told.user.email == "isaac@example.com"
    part = PROGRESS | {"progress": {"requirement_completed_count": 3, "requirement_count": 6, "completed_at": None}}
    told = plain.receive(delivery(event("course_completed", part), "open sesame")).records[0]
    assert isinstance(told, Enrolment) and (told.status, told.progress, told.completed_at) == ("active", 50.0, None)


async def test_a_grade(plain: Connector) -> None:
    told = plain.receive(delivery(event("grade_change", GRADE), "open sesame")).records[0]
    assert isinstance(told, ModuleProgress)
    assert (told.enrolment, told.module_id, told.status, told.score) == ("565:48", "assignment:355", "completed", 50.0)
    assert told.extra["raw"] == 5 and told.module_name == "Prism"


async def test_events_that_lack_what_they_need_are_put_aside(plain: Connector) -> None:
    told = plain.receive(delivery(event("grade_change", {"score": 1}), "open sesame"))
    assert told.records == [] and "identifier" in told.rejected[0][1]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"metadata": {}}', b'{"sensor": "x", "data": []}', b"\xff\x00", b"null"]
)
async def test_bodies_that_are_no_events_are_refused(plain: Connector, body: bytes) -> None:
    with pytest.raises(BadDeliveryError):
        plain.receive(delivery(body, "open sesame"))


class Publisher:
    """The site where Instructure publishes the keys."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "2026-11"})
        self.asked = 0
        self.app = Starlette(routes=[Route("/", self.root), Route("/jwks", self.keys)])

    async def root(self, _: Request) -> Response:
        return Response()

    async def keys(self, request: Request) -> Response:
        assert "authorization" not in request.headers
        self.asked += 1
        return JSONResponse(KeySet([self.key]).as_dict(private=False))

    def sign(self, claims: Any, **header: Any) -> bytes:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid} | header, claims, self.key).encode()


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def signed(connected: Connected, publisher: Publisher, serve: Callable[[Any], str]) -> Callable[..., Connector]:
    jwks = serve(publisher.app) + "/jwks"
    return lambda **values: connected.make(
        Canvas, "https://oxana.instructure.com", **({"token": TOKEN, "jwks_url": jwks} | values)
    )


async def test_signed_events(signed: Callable[..., Connector], publisher: Publisher) -> None:
    sent = delivery(publisher.sign(event("course_completed", PROGRESS)))
    with pytest.raises(BadDeliveryError):
        signed().receive(sent)
    await signed().prepare(sent)
    told = signed().receive(sent)
    assert [r.external_id for r in told.records if isinstance(r, Enrolment)] == ["565:20064"]
    await signed().prepare(delivery(publisher.sign(event("grade_change", GRADE))))
    assert publisher.asked == 1


async def test_keys_that_were_changed_are_fetched_anew(signed: Callable[..., Connector], publisher: Publisher) -> None:
    await signed().prepare(delivery(publisher.sign(event("grade_change", GRADE))))
    publisher.key = RSAKey.generate_key(2048, {"kid": "2026-12"})
    sent = delivery(publisher.sign(event("grade_change", GRADE)), at=NOW + timedelta(minutes=1))
    await signed().prepare(sent)
    assert signed().receive(sent).records


async def test_events_that_are_forged_or_somebody_elses_are_refused(
    signed: Callable[..., Connector], publisher: Publisher
) -> None:
    good = publisher.sign(event("grade_change", GRADE))
    await signed().prepare(delivery(good))
    other = Publisher()
    forged = [
        other.sign(event("grade_change", GRADE), kid="2026-11"),
        good[:-8] + b"AAAAAAAA",
        jwt.encode(
            {"alg": "HS256", "kid": "2026-11"}, event("grade_change", GRADE), OctKey.import_key("x" * 40)
        ).encode(),
        b"eyJhbGciOiJub25lIn0." + good.split(b".")[1] + b".",
        publisher.sign(event("grade_change", GRADE) | {"exp": int(NOW.timestamp()) - 3600}),
        b"a.b.c",
    ]
    for body in forged:
        with pytest.raises(BadDeliveryError, match="signature"):
            signed().receive(delivery(body))
    # Another school's Canvas has the same keys.
    elsewhere = delivery(publisher.sign(event("grade_change", GRADE, host="evil.instructure.com")))
    with pytest.raises(BadDeliveryError, match="not from this Canvas"):
        signed().receive(elsewhere)
    # Not signed, where no secret is set.
    with pytest.raises(BadDeliveryError, match="not signed"):
        signed().receive(delivery(event("grade_change", GRADE), ""))
    # With a secret, Canvas may go by an address of its own.
    vanity = delivery(publisher.sign(event("grade_change", GRADE, host="school.instructure.com")), "s3")
    assert signed(events_secret="s3").receive(vanity).records
    with pytest.raises(BadDeliveryError, match="secret"):
        signed(events_secret="s3").receive(delivery(good))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(["grade_change", "course_completed", "enrollment_updated"]), body=st.dictionaries(
    st.sampled_from(["course", "user", "progress", "id", "course_id", "user_id", "type", "workflow_state", "score", "student_id", "assignment_id"]),
    anything | st.just("StudentEnrollment"), max_size=8,
), root=scalars)  # fmt: skip
def test_no_event_breaks_the_connector(name: str, body: Any, root: Any) -> None:
    client = PartnerClient(httpx.AsyncClient(), "https://canvas.example", requests_per_minute=60_000)
    connector = Canvas(Config("p", {"token": "t", "events_secret": "k"}), client)
    told = connector.receive(delivery(event(name, body, root_account_id=root), "k"))
    for record in told.records:
        assert from_json(json.loads(json.dumps(to_json(record)))) == record
