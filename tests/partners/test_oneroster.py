"""The OneRoster connector, against a stand-in that speaks the standard's REST binding."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fix_partners import NOW, Connected, fetch_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from partners.standins.oneroster import CLIENT, SECRET, Service, school, to
from starlette.responses import JSONResponse, Response

from courseyard.errors import PartnerAnswerError, PartnerError, PartnerRefusedError
from courseyard.partners.client import PartnerClient
from courseyard.partners.connector import Config, Connector, Scope, Stream
from courseyard.partners.connectors import oneroster as connector_module
from courseyard.partners.connectors.oneroster import OneRoster
from courseyard.partners.records import Course, Enrolment, Gone, ModuleProgress, Record, User, from_json, to_json

pytestmark = pytest.mark.anyio

Make = Callable[..., Connector]
LATER = "2026-03-05T08:00:00.000Z"
SINCE = {"since": "2026-02-01T00:00:00.000Z"}


@pytest.fixture(params=["1.2", "1.1"])
def service(request: pytest.FixtureRequest) -> Service:
    return school(request.param)


@pytest.fixture
def make(service: Service, serve: Callable[[Any], str], connected: Connected) -> Make:
    """A connector on the stand-in, a fresh one each time."""
    address = serve(service.app)
    return lambda **values: connected.make(
        OneRoster,
        address,
        **(
            {
                "version": service.version,
                "token_url": f"{address}/token",
                "client_id": CLIENT,
                "client_secret": SECRET,
            }
            | values
        ),
    )


def modules(records: list[Record]) -> dict[str, ModuleProgress]:
    return {f"{r.enrolment}:{r.module_id}": r for r in records if isinstance(r, ModuleProgress)}


async def test_classes_are_the_courses_that_people_are_in(service: Service, make: Make) -> None:
    records, last = await fetch_all(make(), Stream.CATALOGUE)
    maths, other = records
    assert isinstance(maths, Course) and isinstance(other, Course)
    assert (maths.external_id, maths.title, maths.code, maths.category) == ("m1", "Maths 1a", "MA-1a", "Maths")
    assert maths.extra["courseTitle"] == "Mathematics" and maths.extra["term"] == "Autumn"
    assert maths.extra["endDate"] == "2026-12-20" and maths.extra["grades"] == "09"
    assert maths.data_at == datetime(2026, 1, 10, 8, tzinfo=UTC)
    assert (other.external_id, other.title) == ("x/2 ü", "Other")
    assert last.complete


async def test_students_are_enrolled_and_teachers_are_not(make: Make) -> None:
    records, last = await fetch_all(make(), Stream.ENROLMENTS)
    anna, ben = records
    assert isinstance(anna, Enrolment) and isinstance(ben, Enrolment)
    assert (anna.external_id, anna.course, anna.status) == ("m1:u1", "m1", None)
    assert anna.user == User(external_id="u1", email="u1@example.org", name="Anna Ahn", sis_id="P-u1")
    assert anna.enrolled_at == datetime(2026, 8, 15, tzinfo=UTC) and anna.extra["sourcedId"] == "e-u1"
    assert last.watermark == {"since": "2026-01-10T07:00:00.000Z"} and last.complete


async def test_results_become_progress_and_what_is_open_is_told_too(make: Make) -> None:
    records, _ = await fetch_all(make(), Stream.PROGRESS, ("m1", "x/2 ü"))
    found = modules(records)
    assert {k: (m.status, m.progress, m.score) for k, m in found.items()} == {
        "m1:u1:l1": ("completed", 100.0, 75.0),
        "m1:u1:l2": ("completed", 100.0, 95.0),
        "m1:u1:l3": ("not_started", 0.0, None),
        "m1:u2:l1": ("in_progress", None, None),
        "m1:u2:l2": ("not_started", 0.0, None),
        "m1:u2:l3": ("not_started", 0.0, None),
    }
    test = found["m1:u1:l1"]
    assert test.module_name == "Test" and test.completed_at == datetime(2026, 9, 30, tzinfo=UTC)
    assert test.data_at == datetime(2026, 1, 10, 8, tzinfo=UTC)
    assert (test.extra["raw"], test.extra["min"], test.extra["max"]) == (15, 0, 20)
    assert found["m1:u1:l2"].extra["textScore"] == "a" and found["m1:u1:l2"].extra["scoreScale"] == "Letters"
    assert found["m1:u1:l3"].data_at is None, "what was told of it before stands"


@pytest.mark.parametrize(
    ("status", "facts", "expected"),
    [
        ("exempt", {}, "completed"),
        ("not submitted", {}, "not_started"),
        ("notSubmitted", {}, "not_started"),
        ("partially graded", {"score": 3}, "in_progress"),
        ("fully graded", {"incomplete": "true"}, "completed"),
        ("submitted", {}, "in_progress"),
        ("something new", {}, "not_started"),
        ("something new", {"score": 3}, "completed"),
        (None, {"inProgress": "true"}, "in_progress"),
    ],
)
async def test_each_score_status(service: Service, make: Make, status: Any, facts: Any, expected: str) -> None:
    service.rows["results"] = []
    service.add("results", "r", lineItem=to("lineItem", "l1"), student=to("user", "u1"), scoreStatus=status, **facts)
    records, _ = await fetch_all(make(), Stream.PROGRESS, ("m1",))
    assert modules(records)["m1:u1:l1"].status == expected


@pytest.mark.parametrize(("counts", "links"), [(True, True), (True, False), (False, True), (False, False)])
async def test_lists_are_read_to_their_end_whatever_the_server_caps(
    service: Service, make: Make, counts: bool, links: bool
) -> None:
    service.counts, service.links, service.most = counts, links, 7
    for n in range(60):
        service.add("users", f"s{n:02}", givenName=f"S{n}", familyName="Z", email=f"s{n}@example.org")
        service.add("enrollments", f"s{n:02}", user=to("user", f"s{n:02}"), role="student", **{"class": to("class", "x/2 ü")})  # fmt: skip
        service.add("results", f"x{n}", lineItem=to("lineItem", "l3"), student=to("user", f"s{n:02}"), score=1)
    records, last = await fetch_all(make(), Stream.ENROLMENTS)
    assert len(records) == 62 and last.complete
    assert all(isinstance(r, Enrolment) and r.user.email for r in records)
    service.add("lineItems", "l9", title="Swim", **{"class": to("class", "x/2 ü")})
    service.add("results", "last", lineItem=to("lineItem", "l9"), student=to("user", "s59"), score=1)
    records, _ = await fetch_all(make(), Stream.PROGRESS, ("x/2 ü",))
    assert sorted(m.status for m in modules(records).values()) == ["completed"] + ["not_started"] * 59


async def test_many_people_are_listed_and_few_are_looked_up(service: Service, make: Make) -> None:
    await fetch_all(make(), Stream.ENROLMENTS)
    assert not any(call.endswith("/users") for call in service.calls)
    for n in range(30):
        service.add("users", f"s{n:02}", givenName="S", familyName="Z")
        service.add("enrollments", f"s{n:02}", user=to("user", f"s{n:02}"), role="student", **{"class": to("class", "m1")})  # fmt: skip
    service.calls.clear()
    await fetch_all(make(), Stream.ENROLMENTS)
    assert sum("/users/" in call for call in service.calls) == 0


async def test_a_run_goes_on_from_each_place_in_another_process(service: Service, make: Make) -> None:
    service.most = 5
    for n in range(20):
        service.add("users", f"s{n:02}", givenName="S", familyName="Z", email=f"s{n}@example.org")
        service.add("enrollments", f"s{n:02}", user=to("user", f"s{n:02}"), role="student", **{"class": to("class", "m1")})  # fmt: skip
        service.add("results", f"x{n}", lineItem=to("lineItem", "l3"), student=to("user", f"s{n:02}"), score=1)
    for stream in (Stream.CATALOGUE, Stream.ENROLMENTS, Stream.PROGRESS):
        scope = Scope(courses=("m1", "x/2 ü"), now=NOW)
        at_once, _ = await fetch_all(make(), stream, scope.courses)
        found: list[Record] = []
        cursor = None
        for _ in range(100):
            page = await make().fetch(stream, cursor, scope)
            found += page.records
            if page.next is None:
                break
            cursor = json.loads(json.dumps(page.next))
        assert found == at_once and found


async def test_later_runs_ask_for_what_changed(service: Service, make: Make) -> None:
    service.touch("enrollments", "e-u2", LATER)
    records, last = await fetch_all(make(), Stream.ENROLMENTS, since=SINCE)
    assert [r.external_id for r in records if isinstance(r, Enrolment)] == ["m1:u2"]
    assert last.watermark == {"since": "2026-03-05T07:00:00.000Z"} and not last.complete

    again, last = await fetch_all(make(), Stream.ENROLMENTS, since={"since": "2026-04-01T00:00:00.000Z"})
    assert again == [] and last.watermark == {"since": "2026-04-01T00:00:00.000Z"}


async def test_only_classes_in_which_anything_changed_are_read_again(service: Service, make: Make) -> None:
    courses = ("m1", "x/2 ü")
    assert (await fetch_all(make(), Stream.PROGRESS, courses, SINCE))[0] == []
    service.add("lineItems", "l9", title="Swim", dateLastModified=LATER, **{"class": to("class", "not imported")})
    assert (await fetch_all(make(), Stream.PROGRESS, courses, SINCE))[0] == []
    service.touch("results", "r3", LATER, scoreStatus="fully graded", score=20)
    service.calls.clear()
    records, last = await fetch_all(make(), Stream.PROGRESS, courses, SINCE)
    assert modules(records)["m1:u2:l1"].score == 100
    assert last.watermark == {"since": "2026-03-05T07:00:00.000Z"}
    assert not any("classes/x" in call for call in service.calls)


async def test_a_future_date_does_not_hide_what_comes(service: Service, make: Make) -> None:
    service.touch("enrollments", "e-u2", "2999-01-01T00:00:00.000Z")
    _, last = await fetch_all(make(), Stream.ENROLMENTS)
    assert last.watermark is not None
    assert datetime.fromisoformat(last.watermark["since"]) < datetime.now(UTC)


async def test_what_is_to_be_deleted_is_gone(service: Service, make: Make) -> None:
    service.touch("classes", "x/2 ü", LATER, status="tobedeleted")
    service.touch("enrollments", "e-u1", LATER, status="tobedeleted")
    service.touch("lineItems", "l3", LATER, status="toBeDeleted")
    service.touch("results", "r3", LATER, status="tobedeleted")
    at = datetime(2026, 3, 5, 8, tzinfo=UTC)
    catalogue, _ = await fetch_all(make(), Stream.CATALOGUE)
    assert catalogue[1] == Gone(kind="course", external_id="x/2 ü", data_at=at)
    enrolments, _ = await fetch_all(make(), Stream.ENROLMENTS, since=SINCE)
    assert enrolments == [Gone(kind="enrolment", external_id="m1:u1", data_at=at)]
    records, _ = await fetch_all(make(), Stream.PROGRESS, ("m1",))
    assert [r for r in records if isinstance(r, Gone)] == [Gone(kind="module", external_id="m1:u2:l3")]
    assert {k: m.status for k, m in modules(records).items()} == {
        "m1:u2:l1": "not_started",
        "m1:u2:l2": "not_started",
    }


async def test_who_left_and_came_back_is_in(service: Service, make: Make) -> None:
    service.touch("enrollments", "e-u1", LATER, status="tobedeleted")
    service.add("enrollments", "e-u1b", user=to("user", "u1"), role="student", **{"class": to("class", "m1")})
    records, _ = await fetch_all(make(), Stream.ENROLMENTS)
    assert [type(r) for r in records] == [Enrolment, Enrolment]


async def test_a_list_that_ends_early_says_of_nobody_that_they_are_gone(service: Service, make: Make) -> None:
    cut = {"sourcedId": "e", "user": to("user", "u1"), "class": to("class", "m1"), "role": "student"}
    connector = make()
    await connector.check()
    service.answers = [JSONResponse({"enrollments": [cut]}, headers={"X-Total-Count": "9"})]
    page = await connector.fetch(Stream.ENROLMENTS, None, Scope())
    service.answers = [JSONResponse({"enrollments": []}, headers={"X-Total-Count": "9"})]
    page = await connector.fetch(Stream.ENROLMENTS, page.next, Scope())
    assert page.next is None and not page.complete


async def test_a_count_that_no_column_holds_is_cut_off(service: Service, make: Make) -> None:
    connector = make()
    await connector.check()
    service.answers = [JSONResponse({"classes": []}, headers={"X-Total-Count": "1e300"})]
    page = await connector.fetch(Stream.CATALOGUE, None, Scope())
    assert page.total == 2**31 - 1 and not page.complete


async def test_a_server_that_pays_no_attention_to_the_offset_is_noticed(service: Service, make: Make) -> None:
    cut = {"sourcedId": "e", "user": to("user", "u1"), "class": to("class", "m1"), "role": "student"}
    connector = make()
    await connector.check()
    service.answers = [JSONResponse({"enrollments": [cut]}, headers={"X-Total-Count": "9"})]
    page = await connector.fetch(Stream.ENROLMENTS, None, Scope())
    service.answers = [JSONResponse({"enrollments": [cut]}, headers={"X-Total-Count": "9"})]
    with pytest.raises(PartnerAnswerError, match="again and again"):
        await connector.fetch(Stream.ENROLMENTS, page.next, Scope())


async def test_in_a_huge_class_only_what_was_done_is_told(
    service: Service, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector_module, "_OPEN", 5)
    records, _ = await fetch_all(make(), Stream.PROGRESS, ("m1",))
    assert set(modules(records)) == {"m1:u1:l1", "m1:u1:l2", "m1:u2:l1"}


async def test_a_class_that_is_no_more_does_not_stop_the_others(make: Make) -> None:
    records, _ = await fetch_all(make(), Stream.PROGRESS, ("a", "m1"))
    assert len(modules(records)) == 6


async def test_a_broken_record_does_not_stop_the_others(service: Service, make: Make) -> None:
    service.rows["enrollments"] += [{"sourcedId": "bad", "role": "student"}, {"sourcedId": 3, "user": "u1"}]
    service.rows["classes"] += [{"title": "no id"}]
    page = await make().fetch(Stream.ENROLMENTS, None, Scope())
    assert len(page.records) == 2 and not page.complete, "the bad ones may be of anybody"
    assert {reason for _, reason in page.rejected} == {
        "This is not an enrolment: it does not say who is in which class."
    }
    page = await make().fetch(Stream.CATALOGUE, None, Scope())
    assert len(page.records) == 2 and len(page.rejected) == 1 and not page.complete


async def test_the_token_endpoint_may_be_elsewhere_and_gets_no_token(
    service: Service, make: Make, serve: Callable[[Any], str]
) -> None:
    elsewhere = Service(service.version)
    elsewhere.tokens = service.tokens
    service.headers.clear()
    records, _ = await fetch_all(make(token_url=f"{serve(elsewhere.app)}/token"), Stream.CATALOGUE)
    assert len(records) == 2
    assert [h for _, h in elsewhere.headers if h and not h.startswith("Basic")] == []
    assert [h for _, h in service.headers if h and not h.startswith("Bearer")] == []


async def test_a_link_to_the_token_endpoints_host_is_not_followed_with_the_token(
    make: Make, serve: Callable[[Any], str], service: Service
) -> None:
    elsewhere = Service(service.version)
    elsewhere.tokens = service.tokens
    address = serve(elsewhere.app)
    connector = make(token_url=f"{address}/token")
    await fetch_all(connector, Stream.CATALOGUE)
    with pytest.raises(PartnerAnswerError, match="points to"):
        await connector.client.get(f"{address}/ims/oneroster/v1p1/classes")
    assert elsewhere.calls == []


async def test_a_token_that_runs_out_is_renewed(service: Service, make: Make) -> None:
    connector = make()
    await fetch_all(connector, Stream.CATALOGUE)
    service.tokens.clear()
    assert len((await fetch_all(connector, Stream.CATALOGUE))[0]) == 2


@pytest.mark.parametrize("lifetime", ["3600", 10**400, -5, None, "soon", 1e300])
async def test_any_lifetime_of_a_token_will_do(service: Service, make: Make, lifetime: Any) -> None:
    service.expires_in = lifetime
    assert len((await fetch_all(make(), Stream.CATALOGUE))[0]) == 2


async def test_check_says_what_the_client_may_not_read(service: Service, make: Make) -> None:
    found = await make().check()
    assert [c.state for c in found] == ["ok"] * 9 and found[0].what == "Classes can be read (2)."
    service.allowed = {"roster.readonly"}
    found = await make().check()
    assert [c.state for c in found] == ["ok"] * 4 + ["warning"] * 4 + ["ok"]
    assert "Line items may not be read" in found[4].what and "scope" in found[4].detail
    with pytest.raises(PartnerRefusedError, match="client id and secret"):
        await make(client_secret="wrong").check()


async def test_another_versions_address_is_told(service: Service, make: Make) -> None:
    with pytest.raises(PartnerAnswerError, match="404"):
        await make(version="1.1" if service.version == "1.2" else "1.2", scopes="none").check()


async def test_scopes_can_be_others_or_none(service: Service, make: Make) -> None:
    assert len((await fetch_all(make(scopes="none"), Stream.CATALOGUE))[0]) == 2
    with pytest.raises(PartnerRefusedError):
        await make(scopes="results.readonly").check()


async def test_an_address_with_the_path_in_it_works(service: Service, make: Make) -> None:
    connector = make()
    connector.client.base_url += "/ims/oneroster/rostering/v1p2"
    assert len((await fetch_all(connector, Stream.CATALOGUE))[0]) == 2


async def test_a_server_in_trouble(service: Service, make: Make, connected: Connected) -> None:
    service.answers = [Response(status_code=429, headers={"Retry-After": "3"}), Response(status_code=500)]
    assert len((await fetch_all(make(), Stream.CATALOGUE))[0]) == 2
    assert connected.waits[0] == 3.0


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from([10**400, "\ud800", "0001-01-01", "99999-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "m1", "student", "tobedeleted", "fully graded", "90-100"]),
)  # fmt: skip
names = st.sampled_from([
    "sourcedId", "status", "dateLastModified", "title", "course", "terms", "subjects", "grades", "class", "user", "role", "beginDate",
    "lineItem", "student", "scoreStatus", "score", "textScore", "scoreScale", "resultValueMax", "resultValueMin", "scoreDate", "email",
    "scoreScaleValue", "itemValueLHS", "itemValueRHS", "givenName", "incomplete", "lineItem", "startDate",
])  # fmt: skip
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=8), max_leaves=40
)
reference = st.builds(lambda i: {"sourcedId": i}, st.sampled_from(["a", "b", "m1", 3, None]))
row = st.builds(
    lambda facts, refs, i: facts | refs | {"sourcedId": i, "role": "student"},
    st.dictionaries(names, anything, max_size=6),
    st.fixed_dictionaries({"class": reference, "user": reference, "lineItem": reference, "student": reference}),
    st.sampled_from(["a", "b", "m1", 3, None]),
)
kinds = ["classes", "enrollments", "lineItems", "results", "users", "courses", "academicSessions", "scoreScale", "user"]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    answers=st.lists(anything | st.builds(lambda rows: dict.fromkeys(kinds, rows), st.lists(row | anything, max_size=4)), max_size=8),
    stream=st.sampled_from([Stream.CATALOGUE, Stream.ENROLMENTS, Stream.PROGRESS]),
    since=st.sampled_from([None, SINCE]),
)  # fmt: skip
async def test_no_answer_breaks_the_connector(answers: list[Any], stream: Stream, since: Any) -> None:
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return httpx.Response(200, json={"access_token": "t"})
        found = left.pop(0) if left else None
        return httpx.Response(200, text=json.dumps(found), headers={"X-Total-Count": "nan", "Link": "x"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        client = PartnerClient(http, "https://sis.example", requests_per_minute=60_000)
        connector = OneRoster(Config("p", {"token_url": "https://login.example/token"}), client)
        cursor = None
        for _ in range(10):
            try:
                page = await connector.fetch(stream, cursor, Scope(courses=("m1", "n"), since=since, now=NOW))
            except PartnerError:
                return
            for record in page.records:
                assert from_json(json.loads(json.dumps(to_json(record)).encode())) == record
            if page.next is None:
                assert page.watermark is None or datetime.fromisoformat(page.watermark["since"])
                return
            cursor = json.loads(json.dumps(page.next))
