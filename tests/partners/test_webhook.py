"""Inbound webhooks: who may send, and what events, mapped JSON and statements become."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook as Signer

from courseyard.errors import BadDeliveryError, PartnerCannotError
from courseyard.partners.client import PartnerClient
from courseyard.partners.connector import Config, Delivery, Scope, Stream
from courseyard.partners.connectors.webhook import Webhook
from courseyard.partners.records import Course, Credential, Enrolment, Gone, ModuleProgress, User, from_json, to_json

pytestmark = pytest.mark.anyio

NEW, OLD = ("whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
EVENTS = (Path(__file__).resolve().parents[2] / "docs" / "partners" / "events.md").read_text("utf-8")


def connector(**values) -> Webhook:
    client = PartnerClient(httpx.AsyncClient(), "http://127.0.0.1:9", requests_per_minute=60)
    values = {"secret": NEW, **values}
    return Webhook(Config("11111111-1111-4111-8111-111111111111", values, "https://here.example/in/1"), client)


def delivery(body, headers=None, at=None) -> Delivery:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery({k.lower(): v for k, v in (headers or {}).items()}, data, at or datetime.now(UTC))


def signed(body, secret=NEW, at=None, identifier="msg_1") -> Delivery:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    at = at or datetime.now(UTC)
    signature = Signer(secret).sign(identifier, at, data.decode())
    headers = {"webhook-id": identifier, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}
    return delivery(data, headers)


def event(kind="enrollment.updated", **data):
    return {"type": kind, "timestamp": "2026-11-20T12:00:00.5Z", "data": data}


def documented(kind: str):
    """The example of the documentation, under the heading that names the event."""
    section = next(part for part in EVENTS.split("### ") if f"`{kind}`" in part.splitlines()[0])
    return json.loads(re.search(r"```json\n(.*?)```", section, re.DOTALL)[1])


# Who may send


def test_a_signed_delivery_is_accepted_once_known_by_its_id():
    received = connector().receive(signed(event("webhook.test"), identifier="msg_7"))
    assert (received.delivery_id, received.records, received.rejected) == ("msg_7", [], [])


def test_both_secrets_count_while_they_are_changed():
    both = connector(previous_secret=OLD)
    for secret in (NEW, OLD):
        both.receive(signed(event("webhook.test"), secret))
    with pytest.raises(BadDeliveryError):
        connector().receive(signed(event("webhook.test"), OLD))
    # A sender that changes signs with both.
    one, two = (signed(event("webhook.test"), secret) for secret in (OLD, NEW))
    several = f"v1a,xx {one.headers['webhook-signature']} {two.headers['webhook-signature']}"
    connector().receive(delivery(one.body, {**one.headers, "webhook-signature": several}))


def test_a_changed_body_an_old_time_and_no_signature_are_refused():
    good = signed(event("webhook.test"))
    with pytest.raises(BadDeliveryError, match="not valid"):
        connector().receive(delivery(good.body + b" ", good.headers))
    with pytest.raises(BadDeliveryError, match="too old"):
        connector().receive(signed(event(), at=datetime.now(UTC) - timedelta(minutes=6)))
    with pytest.raises(BadDeliveryError, match="headers"):
        connector().receive(delivery(good.body))
    with pytest.raises(BadDeliveryError, match="No secret"):
        connector(secret="").receive(good)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("webhook-signature", "v1"),
        ("webhook-signature", "v1,!!!"),
        ("webhook-signature", "v1,a,b"),
        ("webhook-signature", "ü"),
        ("webhook-timestamp", "nan"),
        ("webhook-timestamp", "1e999"),
        ("webhook-timestamp", "soon"),
    ],
)
def test_malformed_headers_are_refused(header, value):
    good = signed(event("webhook.test"))
    with pytest.raises(BadDeliveryError):
        connector().receive(delivery(good.body, {**good.headers, header: value}))


def test_bytes_that_are_no_text_and_secrets_that_are_none_are_refused():
    good = signed(b"{}")
    with pytest.raises(BadDeliveryError):
        connector().receive(delivery(b"\xff\xfe", good.headers))
    for secret in ("whsec_", "whsec_ü", "plain words"):
        with pytest.raises(BadDeliveryError):
            connector(secret=secret).receive(good)


@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("prefix", ["", "{algorithm}=", "v0=old,v1="])
def test_an_hmac_in_any_header(encoding, algorithm, prefix):
    body = json.dumps(event("webhook.test")).encode()
    digest = hmac.new(b"key", body, algorithm).digest()
    value = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    hook = connector(
        scheme="hmac", secret="key", header="X-Sig", algorithm=algorithm, encoding=encoding, id_header="X-Id"
    )
    headers = {"X-Sig": prefix.format(algorithm=algorithm) + value, "X-Id": "d-1"}
    assert hook.receive(delivery(body, headers)).delivery_id == "d-1"
    with pytest.raises(BadDeliveryError):
        hook.receive(delivery(body + b" ", headers))
    with pytest.raises(BadDeliveryError):
        hook.receive(delivery(body))


def test_an_hmac_over_the_time_too():
    body, now = json.dumps(event("webhook.test")).encode(), datetime.now(UTC)

    def headers(at):
        digest = hmac.new(b"key", f"{int(at.timestamp())}.".encode() + body, hashlib.sha256).hexdigest()
        return int(at.timestamp()), digest

    inside = connector(scheme="hmac", secret="key", header="Go1-Signature")
    beside = connector(scheme="hmac", secret="key", timestamp_header="X-Time")
    at, digest = headers(now)
    inside.receive(delivery(body, {"Go1-Signature": f"t={at},v1={digest}"}))
    beside.receive(delivery(body, {"X-Signature": digest, "X-Time": str(at)}))
    with pytest.raises(BadDeliveryError):
        inside.receive(delivery(body, {"Go1-Signature": f"t={at + 1},v1={digest}"}))
    with pytest.raises(BadDeliveryError, match="missing"):
        beside.receive(delivery(body, {"X-Signature": digest}))
    at, digest = headers(now - timedelta(hours=1))
    with pytest.raises(BadDeliveryError, match="too far"):
        inside.receive(delivery(body, {"Go1-Signature": f"t={at},v1={digest}"}))


def test_a_bearer_token():
    hook = connector(scheme="bearer", secret="key", previous_secret="old")
    first = hook.receive(delivery(event("webhook.test"), {"Authorization": "Bearer key"}))
    hook.receive(delivery(event("webhook.test"), {"Authorization": "bearer old"}))
    assert (
        first.delivery_id == hook.receive(delivery(event("webhook.test"), {"Authorization": "Bearer key"})).delivery_id
    )
    for value in ("", "Bearer", "Bearer nope", "Basic key", "key", "Bearer ü"):
        with pytest.raises(BadDeliveryError):
            hook.receive(delivery(event("webhook.test"), {"Authorization": value}))


# What events become


def test_the_documented_enrolment():
    at = datetime(2026, 11, 20, 12, 0, 0, 500_000, UTC)
    course, enrolment, module = connector().receive(signed(event(**documented("enrollment.updated")))).records
    assert course == Course(
        external_id="41c1c0de-0000-4000-8000-000000000001", title="Forklift safety", code="FS-1", data_at=at
    )
    assert enrolment == Enrolment(
        external_id="0d4f4c5e-9f3b-4b7e-8a63-2f1f3f3b9f10",
        course=course.external_id,
        user=User(external_id="e-1002", email="ada@example.org", name="Ada Lovelace"),
        status="active",
        progress=50,
        enrolled_at=datetime(2026, 11, 1, 8, tzinfo=UTC),
        data_at=at,
        extra={"score": 85, "started_at": "2026-11-02T09:30:00Z"},
    )
    assert module == ModuleProgress(
        enrolment=enrolment.external_id,
        module_id="lesson-1",
        module_name="Before you start",
        status="passed",
        progress=100,
        score=85,
        time_spent_seconds=640,
        started_at=datetime(2026, 11, 2, 9, 30, tzinfo=UTC),
        completed_at=datetime(2026, 11, 2, 9, 41, tzinfo=UTC),
        last_accessed_at=datetime(2026, 11, 2, 9, 41, tzinfo=UTC),
        data_at=at,
    )


def test_the_documented_course_and_credential():
    (course,) = connector().receive(signed(event("course.updated", **documented("course.updated")))).records
    assert isinstance(course, Course) and (course.duration_hours, course.category) == (1.5, "Safety")
    (credential,) = connector().receive(signed(event("credential.issued", **documented("credential.issued")))).records
    assert isinstance(credential, Credential) and str(credential.expires) == "2028-11-20"


@pytest.mark.parametrize(
    ("kind", "data", "gone"),
    [
        ("enrollment.deleted", {"enrollment_id": "e"}, ("enrolment", "e")),
        ("course.removed", {"course": {"id": 7}}, ("course", "7")),
        ("credential.revoked", {"credential_id": "c"}, ("credential", "c")),
    ],
)
def test_what_is_gone(kind, data, gone):
    (record,) = connector().receive(signed(event(kind, **data))).records
    assert isinstance(record, Gone) and (record.kind, record.external_id) == gone


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (event(), "no enrollment_id"),
        (event(enrollment_id="1", course={}), "no course.id"),
        (event(enrollment_id="1", course={"id": 1}, learner={"id": 1}, status="great"), "status is none of"),
        ({"type": "enrollment.updated"}, "no data"),
        ({}, "no type"),
        ("text", "no type"),
    ],
)
def test_an_event_that_lacks_something_is_kept_with_the_reason(body, reason):
    received = connector().receive(signed(body))
    assert received.records == []
    ((raw, why),) = received.rejected
    assert raw == body and reason in why


def test_events_of_other_types_are_acknowledged():
    received = connector().receive(signed(event("invoice.paid", amount=3)))
    assert (received.records, received.rejected) == ([], [])


def test_what_is_no_json_is_refused():
    for body in (b"", b"<html>", b'{"type": NaN}', b'"\\ud800"'):
        with pytest.raises(BadDeliveryError, match="no JSON"):
            connector().receive(signed(body))


# JSON of any make, and statements

COLUMNS = {
    "enrolment": {
        "fields": {
            "course": {"column": "course.id"},
            "user_email": {"column": "learner.mail"},
            "status": {"column": "state", "values": {"fertig": "completed"}},
        }
    }
}


def test_json_of_any_make_goes_through_the_columns():
    hook = connector(content="mapped", columns=json.dumps(COLUMNS))
    body = [
        {"course": {"id": 7}, "learner": {"mail": "a@x.org"}, "state": "Fertig"},
        {"course": {"id": 7}, "learner": {}, "state": "Fertig"},
    ]
    received = hook.receive(signed(body))
    assert [(r.external_id, r.status) for r in received.records] == [("7:a@x.org", "completed")]
    assert received.records[0].data_at is not None
    assert "enrolment 2: it does not say whose" in received.rejected[0][1]
    with pytest.raises(BadDeliveryError):
        hook.receive(signed(b""))


def test_statements_are_read_and_taken_back_credentials_go():
    statement = {
        "id": "6690e6c9-3ef0-4ed3-8b37-7f3964730bee",
        "actor": {"mbox": "mailto:a@x.org"},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"},
        "object": {"id": "https://x.org/c", "definition": {"name": {"en": "C"}}},
        "timestamp": "2026-11-20T12:00:00Z",
    }
    void = {**statement, "id": "b", "verb": {"id": "http://adlnet.gov/expapi/verbs/voided"},
            "object": {"objectType": "StatementRef", "id": "6690E6C9-3EF0-4ED3-8B37-7F3964730BEE"}}  # fmt: skip
    received = connector(content="xapi").receive(signed([statement, void, 7]))
    assert [type(r) for r in received.records] == [Course, Enrolment, Gone] or [type(r) for r in received.records] == [
        Enrolment,
        Gone,
    ]
    assert received.records[-1].external_id == statement["id"]
    assert len(received.rejected) == 2


async def test_there_is_nothing_to_fetch_and_the_check_tells_the_address():
    with pytest.raises(PartnerCannotError):
        await connector().fetch(Stream.CATALOGUE, None, Scope())
    first, *rest = await connector().check()
    assert (first.state, first.detail, rest) == ("ok", "https://here.example/in/1", [])
    assert [c.state for c in await connector(secret="").check()] == ["ok", "failed"]
    assert [c.state for c in await connector(secret="nonsense!").check()] == ["ok", "failed"]
    assert [c.state for c in await connector(content="mapped").check()] == ["ok", "failed"]
    assert [c.state for c in await connector(content="mapped", columns="{").check()] == ["ok", "failed"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "data", "course", "learner", "id", "title", "status", "modules", "enrollment_id", "credential_id",
                         "name", "timestamp", "score", "issued_date", "actor", "verb", "object", "mbox", "context"]) | st.text(), inner, max_size=6),
    max_leaves=20,
)  # fmt: skip
KINDS = ["enrollment.updated", "course.updated", "credential.issued", "enrollment.deleted", "course.removed"]


def _texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=JSON, kind=st.sampled_from(KINDS), content=st.sampled_from(["events", "mapped", "xapi"]))
def test_no_body_breaks_the_receiving(body, kind, content):
    hook = connector(content=content, columns=json.dumps(COLUMNS), scheme="bearer", secret="key")
    wrapped = {"type": kind, "data": body} if content == "events" else body
    try:
        received = hook.receive(delivery(wrapped, {"Authorization": "Bearer key"}))
    except BadDeliveryError:
        return
    for record in received.records:
        assert from_json(json.loads(json.dumps(to_json(record), allow_nan=False))) == record
    told = [raw for raw, _ in received.rejected]
    json.dumps(told, allow_nan=False)
    # What the database cannot hold: a NUL itself, not the text that stands for one in JSON.
    assert "\0" not in "".join(_texts(told))
