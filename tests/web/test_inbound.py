"""What partners push, over HTTP: kept before it is acknowledged, once, and only when it is the partner's."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fix_web import RunningSite
from standardwebhooks import Webhook

from courseyard.errors import PartnerUnreachableError
from courseyard.limits import MAX_DELIVERY_BYTES
from courseyard.partners.connector import Delivery
from courseyard.partners.connectors.webhook import Webhook as WebhookKind
from courseyard.partners.providers import Draft, Settings

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
EVENT = {
    "type": "enrollment.updated",
    "timestamp": "2026-11-20T12:00:00Z",
    "data": {
        "enrollment_id": "e-1",
        "course": {"id": "c-1", "title": "Forklift safety"},
        "learner": {"id": "4711", "email": "ada@example.org", "name": "Ada"},
        "status": "active",
        "progress_percentage": 50,
        "modules": [{"id": "m1", "title": "One", "status": "passed", "score": 85}],
    },
}
STATEMENT = {
    "id": "6690e6c9-3ef0-4ed3-8b37-7f3964730bee",
    "actor": {"mbox": "mailto:ada@example.org", "name": "Ada"},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"},
    "object": {"id": "https://academy.example/courses/7", "definition": {"name": {"en": "Course 7"}}},
    "timestamp": "2026-11-20T12:00:00Z",
}


def provider(site: RunningSite, **options: Any) -> str:
    settings = Settings(import_rule="all", unknown_people="make", schedule_minutes=None)
    draft = Draft("webhook", "Academy", {"secret": SECRET, **options}, settings)
    return site.run(site.services.hub.providers.save(draft))


def push(
    site: RunningSite, provider_id: str, body: Any = EVENT, identifier: str = "msg_1", secret: str = SECRET
) -> httpx.Response:
    data, now = json.dumps(body), datetime.now(UTC)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": identifier,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(identifier, now, data),
    }
    return site.client(None).post(f"/api/partners/inbound/{provider_id}", content=data, headers=headers)


def test_a_signed_event_ends_in_the_tables_once(site: RunningSite) -> None:
    academy = provider(site)
    for _ in range(2):
        assert push(site, academy).status_code == 204
    site.work()
    assert site.sql("select module_id, status, score from public.external_module_progress") == [("m1", "passed", 85)]
    assert site.sql("select email, full_name from public.profiles") == [("ada@example.org", "Ada")]
    assert site.sql("select sync_type, status from public.lms_sync_log") == [("webhook", "succeeded")]


def test_what_is_not_the_partners_is_refused_and_not_kept(site: RunningSite) -> None:
    academy = provider(site)
    other = "whsec_" + base64.b64encode(b"o" * 32).decode()
    answer = push(site, academy, secret=other)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad-delivery")
    assert push(site, "11111111-1111-4111-8111-111111111111").status_code == 404
    assert site.client(None).post("/api/partners/inbound/x", content=b"").json()["code"] == "not-found"
    assert site.sql("select count(*) from courseyard.partner_inbox") == [(0,)]


def test_strangers_learn_nothing_of_the_providers(site: RunningSite) -> None:
    pulled = Draft("moodle", "Pulled", {"base_url": "https://moodle.example", "token": "t"}, Settings())
    [(by_hand,)] = site.sql(
        "insert into public.partner_lms_providers (provider_name, provider_type) values ('By hand', 'x') returning id::text"
    )
    told = []
    for identifier in (
        "11111111-1111-4111-8111-111111111111", "no-identifier", site.run(site.services.hub.providers.save(pulled)), by_hand,
    ):  # fmt: skip
        address, stranger = f"/api/partners/inbound/{identifier}", site.client(None)
        answers = [
            stranger.post(address, json=EVENT),
            stranger.put(f"{address}/statements", json=STATEMENT, params={"statementId": STATEMENT["id"]}),
            stranger.get(f"{address}/about"),
        ]
        assert [answer.status_code for answer in answers] == [404] * 3, identifier
        told += [answer.text for answer in answers]
    assert len(set(told)) == 1


def test_what_cannot_be_checked_now_is_to_be_sent_again(site: RunningSite, monkeypatch: pytest.MonkeyPatch) -> None:
    async def prepare(self: WebhookKind, delivery: Delivery) -> None:
        raise PartnerUnreachableError("keys.partner.example does not answer.")

    monkeypatch.setattr(WebhookKind, "prepare", prepare)
    answer = push(site, provider(site))
    assert answer.status_code == 502 and "partner.example" not in answer.text
    assert site.sql("select count(*) from courseyard.partner_inbox") == [(0,)]


def test_a_delivery_too_large_is_refused_while_it_comes(site: RunningSite) -> None:
    answer = push(site, provider(site), {"padding": "x" * (MAX_DELIVERY_BYTES + 1)})
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


def test_one_larger_than_an_ordinary_request_is_taken(site: RunningSite) -> None:
    event = {**EVENT, "data": {**EVENT["data"], "note": "x" * 2_000_000}}
    assert push(site, provider(site), event).status_code == 204


def test_another_sites_page_cannot_make_a_browser_push(site: RunningSite) -> None:
    academy = provider(site, scheme="bearer")
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = site.client(None).post(f"/api/partners/inbound/{academy}", json=EVENT, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross-site")


@pytest.mark.parametrize(("method", "status"), [("POST", 200), ("PUT", 204)])
def test_statements_as_a_store_takes_them(site: RunningSite, method: str, status: int) -> None:
    options = {"base_url": "http://lrs.example/xapi", "username": "u", "password": "p"}
    pushing = {"receive_username": "academy", "receive_password": "a-long-password"}
    settings = Settings(import_rule="all", unknown_people="make", schedule_minutes=None)
    store = site.run(site.services.hub.providers.save(Draft("xapi", "Store", {**options, **pushing}, settings)))
    client = site.client(None, **{"X-Experience-API-Version": "1.0.3"})
    client.auth = ("academy", "a-long-password")
    address = f"/api/partners/inbound/{store}"
    assert "1.0.3" in client.get(f"{address}/about").json()["version"]
    query = {"statementId": STATEMENT["id"]} if method == "PUT" else {}
    assert client.put(f"{address}/statements", json=STATEMENT).status_code == 400, "put needs the identifier"
    answer = client.request(method, f"{address}/statements", json=STATEMENT, params=query)
    assert answer.status_code == status, answer.text
    assert answer.headers["x-experience-api-version"] == "1.0.3"
    if method == "POST":
        assert answer.json() == [STATEMENT["id"]]
    site.work()
    assert site.sql("select status from public.partner_lms_enrollments") == [("completed",)]
