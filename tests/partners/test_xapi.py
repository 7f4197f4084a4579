"""The xAPI connector, against a stand-in that follows the specification."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fix_partners import NOW, Connected, fetch_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from partners.standins.lrs import Lrs
from partners.test_statements import ADA, COURSE, UNIT, said
from starlette.responses import JSONResponse, Response

from courseyard.errors import BadDeliveryError, PartnerAnswerError, PartnerError, PartnerRefusedError
from courseyard.partners.connector import Connector, Delivery, Scope, Stream
from courseyard.partners.connectors.xapi import Xapi
from courseyard.partners.records import Course, Credential, Enrolment, Gone, ModuleProgress

pytestmark = pytest.mark.anyio


def told(verb: str, activity: Any = UNIT, **options: Any) -> dict[str, Any]:
    """A statement as a provider sends it: the store gives id and times."""
    statement = said(verb, activity, **options)
    return {k: v for k, v in statement.items() if k not in {"id", "stored", "timestamp"}}


def learner(number: int) -> dict[str, str]:
    return {"mbox": f"mailto:learner{number}@x.org"}


@pytest.fixture
def lrs() -> Lrs:
    return Lrs()


@pytest.fixture
def address(lrs: Lrs, serve: Callable[[Any], str]) -> str:
    return serve(lrs.app) + "/lrs/xapi"


@pytest.fixture
def make(address: str, connected: Connected) -> Callable[..., Connector]:
    return lambda **values: connected.make(Xapi, address, **{"username": "key", "password": "secret", **values})


async def test_all_pages_and_what_they_tell(lrs, make):
    lrs.largest = 3
    lrs.store(
        told("registered", COURSE),
        told("initialized"),
        told("passed"),
        *(told("completed", actor=learner(n)) for n in range(9)),
    )
    records, page = await fetch_all(make(), Stream.PROGRESS)
    kinds = [type(record) for record in records]
    assert kinds.count(ModuleProgress) == 10 and kinds.count(Enrolment) == 10
    assert page.data_at == lrs.clock
    courses, _ = await fetch_all(make(), Stream.CATALOGUE)
    assert {course.external_id for course in courses} == {COURSE["id"]}


async def test_any_page_can_be_fetched_by_another_process(lrs, make):
    lrs.largest = 2
    lrs.store(*(told("completed", actor=learner(n)) for n in range(7)))
    found, cursor = [], None
    while True:
        page = await make().fetch(Stream.PROGRESS, cursor, Scope(now=NOW))
        found += [r.user.external_id for r in page.records if isinstance(r, Enrolment)]
        if page.next is None:
            break
        cursor = json.loads(json.dumps(page.next))
    assert found == [f"learner{n}@x.org" for n in range(7)]


async def test_the_next_run_asks_for_what_was_stored_since(lrs, make):
    lrs.store(told("completed"))
    lrs.clock = lrs.clock.replace(hour=13)
    _, page = await fetch_all(make(), Stream.PROGRESS)
    lrs.clock = lrs.clock.replace(hour=14)
    lrs.store(told("completed", actor=learner(1)))
    records, page = await fetch_all(make(), Stream.PROGRESS, since=page.watermark)
    assert [r.user.external_id for r in records if isinstance(r, Enrolment)] == ["learner1@x.org"]
    assert page.watermark == {"since": "2026-11-20T13:59:02Z"}, "a minute before what the store vouches for"


async def test_what_is_stored_while_pages_are_read_is_not_missed(lrs, make):
    lrs.largest = 2
    lrs.store(*(told("completed", actor=learner(n)) for n in range(4)))
    connector = make()
    first = await connector.fetch(Stream.PROGRESS, None, Scope(now=NOW))
    lrs.store(told("completed", actor=learner(9)), seconds=600)
    last = await connector.fetch(Stream.PROGRESS, first.next, Scope(now=NOW))
    assert last.next is None
    records, _ = await fetch_all(make(), Stream.PROGRESS, since=last.watermark)
    assert "learner9@x.org" in [r.user.external_id for r in records if isinstance(r, Enrolment)]


async def test_a_store_that_does_not_say_how_complete_it_is(lrs, make):
    lrs.consistent = False
    lrs.store(told("completed"))
    _, page = await fetch_all(make(), Stream.PROGRESS)
    assert page.watermark == {"since": "2026-11-20T11:59:01Z"}
    again, page = await fetch_all(make(), Stream.PROGRESS, since={"since": "2026-11-21T00:00:00Z"})
    assert (again, page.watermark) == ([], {"since": "2026-11-21T00:00:00Z"}), "never earlier than before"
    assert [check.state for check in await make().check()] == ["ok", "warning"]


async def test_runs_that_find_nothing_do_not_go_back_in_time(lrs, make):
    lrs.consistent = False
    lrs.store(told("completed"))
    _, page = await fetch_all(make(), Stream.PROGRESS)
    before = page.watermark
    for _ in range(3):
        _, page = await fetch_all(make(), Stream.PROGRESS, since=page.watermark)
    assert page.watermark == before


async def test_a_store_that_vouches_for_the_future_is_not_believed(lrs, make):
    lrs.clock = datetime.now(UTC) + timedelta(days=20_000)
    _, page = await fetch_all(make(), Stream.PROGRESS)
    assert datetime.fromisoformat(page.watermark["since"]) < datetime.now(UTC)


async def test_an_expired_link_goes_on_from_the_last_statement(lrs, make):
    lrs.largest = 2
    lrs.store(*(told("completed", actor=learner(n)) for n in range(5)))
    first = await make().fetch(Stream.PROGRESS, None, Scope(now=NOW))
    lrs.listings.clear()
    second = await make().fetch(Stream.PROGRESS, first.next, Scope(now=NOW))
    assert [r.user.external_id for r in second.records if isinstance(r, Enrolment)] == [
        "learner2@x.org",
        "learner3@x.org",
    ]


async def test_a_store_behind_a_proxy_names_a_host_of_its_own(lrs, make):
    lrs.largest, lrs.foreign_more = 2, True
    lrs.store(*(told("completed", actor=learner(n)) for n in range(5)))
    records, _ = await fetch_all(make(), Stream.PROGRESS)
    assert len([r for r in records if isinstance(r, Enrolment)]) == 5


async def test_only_what_belongs_to_an_activity(lrs, make):
    other = {"id": "https://x.org/other"}
    lrs.store(told("completed"), told("completed", other, course=None))
    records, _ = await fetch_all(make(activity=COURSE["id"]), Stream.PROGRESS)
    assert {r.course for r in records if isinstance(r, Enrolment)} == {COURSE["id"]}


async def test_what_was_taken_back_is_told_anew_from_what_is_left(lrs, make):
    _, passed = lrs.store(told("initialized"), told("passed", score={"scaled": 1}))
    lrs.clock = lrs.clock.replace(hour=13)
    _, page = await fetch_all(make(), Stream.PROGRESS)
    lrs.clock = lrs.clock.replace(hour=14)
    lrs.void(passed)
    records, _ = await fetch_all(make(), Stream.PROGRESS, since=page.watermark)
    assert Gone(kind="credential", external_id=passed, data_at=lrs.clock) in records
    (module,) = [r for r in records if isinstance(r, ModuleProgress)]
    assert (module.status, module.progress, module.completed_at, module.data_at) == ("in_progress", 0, None, lrs.clock)


async def test_a_module_of_which_nothing_is_left_is_gone_and_a_course_is_active(lrs, make):
    module, course = lrs.store(told("passed"), told("completed", COURSE))
    lrs.void(module)
    lrs.void(course)
    records, _ = await fetch_all(make(), Stream.PROGRESS)
    key = f"{COURSE['id']}:ada@x.org"
    assert [r.external_id for r in records if isinstance(r, Gone) and r.kind == "module"] == [f"{key}:{UNIT['id']}"]
    (enrolment,) = [r for r in records if isinstance(r, Enrolment)]
    assert (enrolment.external_id, enrolment.status, enrolment.progress) == (key, "active", 0)


async def test_a_badge_that_is_taken_back(lrs, make):
    badge = {"id": "https://x.org/b", "definition": {"type": "http://activitystrea.ms/schema/1.0/badge"}}
    (identifier,) = lrs.store(told("http://id.tincanapi.com/verb/earned", badge, course=None))
    records, _ = await fetch_all(make(), Stream.PROGRESS)
    assert [(type(r), r.external_id) for r in records] == [(Credential, identifier)]
    lrs.void(identifier)
    records, _ = await fetch_all(make(), Stream.PROGRESS)
    assert [(type(r), r.external_id) for r in records] == [(Gone, identifier)]


async def test_a_store_that_does_not_show_what_was_taken_back(lrs, make):
    lrs.void("6690e6c9-3ef0-4ed3-8b37-7f3964730bee")
    connector = make()
    page = await connector.fetch(Stream.PROGRESS, None, Scope(now=NOW))
    page = await connector.fetch(Stream.PROGRESS, page.next, Scope(now=NOW))
    assert "does not tell what it said" in page.rejected[0][1] and page.next is None


async def test_a_broken_statement_does_not_stop_the_others(lrs, make):
    lrs.store(told("completed"), told("completed", actor={}))
    page = await make().fetch(Stream.PROGRESS, None, Scope(now=NOW))
    assert len(page.rejected) == 1 and any(isinstance(r, ModuleProgress) for r in page.records)


async def test_version_and_credentials(lrs, make):
    assert [c.state for c in await make(version="2.0.0").check()] == ["ok"]
    assert lrs.requests[0].headers["X-Experience-API-Version"] == "2.0.0"
    with pytest.raises(PartnerRefusedError):
        await make(password="wrong").check()
    lrs.versions = ("2.0.0",)
    with pytest.raises(PartnerAnswerError):
        await make().check()
    lrs.versions = ("1.0.3", "1.0.1")
    assert [c.state for c in await make().check()] == ["ok"]


async def test_an_answer_that_is_none(lrs, make):
    for answer in (
        Response("<html>"),
        JSONResponse([]),
        JSONResponse({"statements": 3}),
        JSONResponse({"statements": [], "more": "http://["}),
    ):
        lrs.answers = [answer]
        with pytest.raises(PartnerAnswerError):
            await fetch_all(make(), Stream.PROGRESS)


# Pushed to us


def push(body: Any, *, key: str = "p", content_type: str = "application/json", **query: str) -> Delivery:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    packed = base64.b64encode(f"lrs:{key}".encode()).decode()
    return Delivery({"authorization": f"Basic {packed}"}, data, datetime(2026, 11, 20, tzinfo=UTC), content_type, query)


@pytest.fixture
def receiver(make: Callable[..., Connector]) -> Connector:
    return make(receive_username="lrs", receive_password="p")


async def test_statements_that_are_pushed_are_answered_with_their_ids(receiver):
    one, two = said("initialized"), {k: v for k, v in said("passed").items() if k not in {"id", "stored"}}
    received = receiver.receive(push([one, two]))
    assert received.answer[0] == "id-initialized-0" and len(received.answer) == 2
    assert [type(r) for r in received.records] == [Course, Enrolment, ModuleProgress]
    again = receiver.receive(push([one, two]))
    assert (again.delivery_id, again.answer) == (received.delivery_id, received.answer)
    assert receiver.receive(push(one)).answer == ["id-initialized-0"]


async def test_a_statement_that_is_put(receiver):
    statement = {k: v for k, v in said("passed").items() if k != "id"}
    received = receiver.receive(push(statement, statementId="6690e6c9-3ef0-4ed3-8b37-7f3964730bee"))
    assert received.answer is None and received.records
    with pytest.raises(BadDeliveryError, match="another"):
        receiver.receive(push({**statement, "id": "a"}, statementId="b"))


async def test_statements_with_attachments(receiver):
    part = b"--B\r\nContent-Type: application/json\r\n\r\n" + json.dumps([said("passed")]).encode()
    body = part + b"\r\n--B\r\nContent-Type: image/png\r\n\r\nxx\r\n--B--\r\n"
    assert receiver.receive(push(body, content_type="multipart/mixed; boundary=B")).answer == ["id-passed-0"]
    with pytest.raises(BadDeliveryError):
        receiver.receive(push(b"nothing", content_type="multipart/mixed; boundary=B"))


async def test_who_may_push(make, receiver):
    with pytest.raises(BadDeliveryError):
        receiver.receive(push([], key="wrong"))
    with pytest.raises(BadDeliveryError):
        make().receive(push([]))
    with pytest.raises(BadDeliveryError, match="no JSON"):
        receiver.receive(push(b"{"))
    assert [c.state for c in await receiver.check()] == ["ok", "ok"]


NAMES = ["id", "actor", "verb", "object", "mbox", "account", "name", "homePage", "result", "score", "scaled", "context", "more",
         "contextActivities", "grouping", "category", "definition", "type", "timestamp", "stored", "extensions", "objectType", "registration"]  # fmt: skip
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.sampled_from(
    ["http://adlnet.gov/expapi/verbs/passed", "http://adlnet.gov/expapi/verbs/voided", "StatementRef", "99999-01-01T00:00:00Z", "PT9999999999H", "\ud800"]
)  # fmt: skip
JSON = st.recursive(
    VALUES, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(NAMES), x, max_size=8), max_leaves=15
)
STATEMENT = st.fixed_dictionaries(
    {
        "actor": st.just(ADA) | JSON,
        "verb": st.just({"id": "http://adlnet.gov/expapi/verbs/passed"}) | JSON,
        "object": st.just(UNIT) | JSON,
    },
    optional={"result": JSON, "context": JSON, "timestamp": JSON, "stored": JSON, "id": JSON},
)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    answers=st.lists(
        st.fixed_dictionaries({"statements": st.lists(STATEMENT | JSON, max_size=3)}, optional={"more": JSON}) | JSON,
        min_size=1,
        max_size=3,
    )
)
async def test_nothing_that_a_store_answers_breaks_the_sync(lrs, make, answers):
    lrs.answers = [Response(json.dumps(answer), media_type="application/json") for answer in answers]
    connector, cursor = make(), None
    try:
        for _ in range(4):
            page = await connector.fetch(Stream.PROGRESS, cursor, Scope(now=NOW))
            json.dumps([page.next, page.watermark, [raw for raw, _ in page.rejected]], allow_nan=False).encode()
            if page.next is None:
                break
            cursor = page.next
    except PartnerError:
        pass
