"""Webhooks to others: what they are told, that it is signed, and what happens when they do not listen."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from fix_web import LIFTING, RunningSite, upload
from standardwebhooks import Webhook as Verifier
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from courseyard.partners.webhooks import EndpointDraft


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
