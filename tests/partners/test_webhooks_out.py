"""Webhooks to others: what they are told, that it is signed, and what happens when they do not listen."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from fix_web import LIFTING, RunningSite, upload
from partners.scripted import course, draft, page, scripted_kind
from standardwebhooks import Webhook as Verifier
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from courseyard.errors import PartnerRefusedError, PartnerUnreachableError
from courseyard.partners.connector import Stream
from courseyard.partners.webhooks import EndpointDraft
from courseyard.people import NewLearner


class Receiver:
    """Takes deliveries, as told with which status; keeps what it was sent."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.app = Starlette(routes=[Route("/", self.take, methods=["GET", "POST"])])

    async def take(self, request: Request) -> Response:
        body = await request.body()
        if request.method == "POST":
            self.got.append((dict(request.headers), body))
        return Response(status_code=self.statuses.pop(0) if self.statuses else 204)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def endpoint(site: RunningSite, serve: Callable[[Any], str], receiver: Receiver) -> tuple[str, str]:
    address = serve(receiver.app)
    return site.run(site.services.hub.webhooks.add(EndpointDraft(f"{address}/", ["*"])))


def test_news_of_enrolments_are_told_once_signed_and_whole(
    site: RunningSite, receiver: Receiver, endpoint: tuple[str, str]
) -> None:
    package = upload(site.client(), LIFTING).json()["id"]
    learner = {"id": "4711", "name": "Ada", "email": "ada@example.org"}
    enrolment = site.client().post("/api/enrollments", json={"package_id": package, "learner": learner}).json()["id"]
    for value in ("10", "20"):
        site.sql(
            "update public.scorm_enrollments set progress_percentage = %s::numeric, status = 'incomplete' where id = %s",
            value,
            enrolment,
        )
    site.work()
    assert [e["type"] for e in receiver.events] == ["course.updated", "enrollment.created", "enrollment.updated"]
    told = receiver.events[-1]["data"]
    assert told["enrollment_id"] == enrolment and told["progress_percentage"] == 20
    assert told["learner"] == {"id": "4711", "email": "ada@example.org", "name": "Ada"}
    headers, body = receiver.got[-1]
    Verifier(endpoint[1]).verify(body, headers)
    site.sql("update public.scorm_enrollments set status = 'completed', completed_at = now() where id = %s", enrolment)
    site.sql("delete from public.scorm_enrollments where id = %s", enrolment)
    site.work()
    assert receiver.events[-1] | {"timestamp": ""} == {
        "type": "enrollment.deleted", "timestamp": "", "data": {"enrollment_id": enrolment},
    }  # fmt: skip


def test_what_failed_at_a_partner_for_good_is_told_once(
    site: RunningSite, receiver: Receiver, endpoint: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = site.services.hub

    def told() -> list[dict[str, Any]]:
        site.work()
        return [event["data"] for event in receiver.events if event["type"] == "provider.request_failed"]

    with scripted_kind(monkeypatch) as partner:
        provider = site.run(hub.providers.save(draft(import_rule="all", schedule_minutes=None)))
        partner.script = {Stream.CATALOGUE: [page(course(1))]}
        site.run(hub.runs.start(provider))
        site.work()
        [(course_id,)] = site.sql("select id::text from public.partner_courses")
        lea = site.run(site.services.directory.learner(NewLearner("lea@example.org", "4711", "Lea Lind")))
        partner.faults = [PartnerUnreachableError("It did not answer."), PartnerRefusedError("The token may not.")]
        site.run(hub.enrolling.enrol(course_id, [lea], None))
        assert told() == [], "what is tried again has not failed for good"
        site.sql("update courseyard.partner_outbox set next_try_at = now()")
        site.run(hub.outbox.minute())
        [(entry, enrolment)] = site.sql("select id::text, partner_enrollment_id::text from courseyard.partner_outbox")
        [event] = told()
        assert event["reason"] == "The token may not."
        assert event["tries"] == 2 and event["action"] == "enrol"
        assert (event["request_id"], event["enrollment_id"], event["provider_id"]) == (entry, enrolment, provider)
        assert event["course"] == {"id": course_id, "title": "Course 1"}
        assert event["learner"] == {"id": "4711"}, "by the identifier alone"
        assert not {"lea@example.org", "very-secret"} & set(json.dumps(event).split('"'))
        site.run(hub.outbox.work(provider))
        assert len(told()) == 1
        partner.faults = [PartnerRefusedError("Still not.")]
        site.run(hub.outbox.retry(entry))
        assert [event["reason"] for event in told()] == ["The token may not.", "Still not."]


def test_a_failure_is_told_with_the_row_that_says_so_or_not_at_all(
    site: RunningSite, endpoint: tuple[str, str]
) -> None:
    lea = site.person(email="lea@example.org")
    site.sql(
        """
        with l as (insert into public.partner_lms_providers (provider_name, provider_type) values ('A', 'other') returning id),
        c as (insert into public.partner_courses (provider_id, course_name) select id, 'C' from l returning id, provider_id),
        e as (insert into public.partner_lms_enrollments (provider_id, course_id, student_id)
          select provider_id, id, %s from c returning id, provider_id)
        insert into courseyard.partner_outbox (provider_id, partner_enrollment_id, action, state)
          select provider_id, id, 'withdraw', 'working' from e
        """,
        lea,
    )
    fail = "update courseyard.partner_outbox set state = 'failed', error = 'No.'"
    with psycopg.connect(site.database_url) as connection:
        connection.execute(fail)
        connection.rollback()
    count = "select count(*) from courseyard.webhook_notices where type = 'provider.request_failed'"
    assert site.sql(count) == [(0,)]
    for _ in range(2):
        site.sql(fail)
    assert site.sql(count) == [(1,)]


def test_a_receiver_that_fails_is_tried_again_with_the_same_delivery(
    site: RunningSite, receiver: Receiver, endpoint: tuple[str, str]
) -> None:
    receiver.statuses = [500]
    site.run(site.services.hub.webhooks.emit("provider.stale", {"provider": "X"}))
    site.work()
    [notice] = site.run(site.services.hub.webhooks.notices(endpoint[0], None, 10, 0))
    assert (notice["state"], notice["tries"], notice["last_error"]) == (
        "waiting", 1, "the receiver answered with HTTP 500",
    )  # fmt: skip
    assert site.run(site.services.hub.webhooks.endpoint(endpoint[0]))["failing_since"] is not None
    site.run(site.services.hub.webhooks.try_again(endpoint[0]))
    site.work()
    [first, second] = receiver.got
    assert first[1] == second[1] and first[0]["webhook-id"] == second[0]["webhook-id"]
    assert site.run(site.services.hub.webhooks.endpoint(endpoint[0]))["failing_since"] is None


def test_a_receiver_that_is_gone_is_switched_off(
    site: RunningSite, receiver: Receiver, endpoint: tuple[str, str]
) -> None:
    receiver.statuses = [410]
    assert "410" in site.run(site.services.hub.webhooks.test(endpoint[0]))
    found = site.run(site.services.hub.webhooks.endpoint(endpoint[0]))
    assert found["active"] is False and "410" in found["disabled_because"]


def test_only_what_was_asked_for_is_told(site: RunningSite, serve: Callable[[Any], str], receiver: Receiver) -> None:
    site.run(site.services.hub.webhooks.add(EndpointDraft(f"{serve(receiver.app)}/", ["course"])))
    package = upload(site.client(), LIFTING).json()["id"]
    learner = {"email": "ada@example.org"}
    site.client().post("/api/enrollments", json={"package_id": package, "learner": learner})
    site.work()
    assert {e["type"] for e in receiver.events} == {"course.updated"}


def test_a_new_receiver_can_be_told_everything(
    site: RunningSite, serve: Callable[[Any], str], receiver: Receiver
) -> None:
    package = upload(site.client(), LIFTING).json()["id"]
    site.client().post("/api/enrollments", json={"package_id": package, "learner": {"email": "ada@example.org"}})
    endpoint, _ = site.run(site.services.hub.webhooks.add(EndpointDraft(f"{serve(receiver.app)}/", ["*"])))
    assert site.run(site.services.hub.webhooks.tell_everything(endpoint)) == 2
    site.work()
    assert [e["type"] for e in receiver.events] == ["course.updated", "enrollment.updated"]


def test_a_changed_secret_signs_beside_the_old_one(
    site: RunningSite, receiver: Receiver, endpoint: tuple[str, str]
) -> None:
    new = site.run(site.services.hub.webhooks.renew_secret(endpoint[0]))
    assert site.run(site.services.hub.webhooks.test(endpoint[0])) == "Received (HTTP 204)."
    headers, body = receiver.got[-1]
    for secret in (endpoint[1], new):
        Verifier(secret).verify(body, headers)
    assert new not in str(site.sql("select * from courseyard.webhook_endpoints"))
