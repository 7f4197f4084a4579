"""The SCORM Cloud connector, against a stand-in that speaks its API v2."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from fix_partners import NOW, Connected, fetch_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from partners.standins.scormcloud import APP, SECRET, Cloud, activity
from starlette.responses import JSONResponse, Response

from courseyard.errors import (
    BadDeliveryError,
    PartnerAnswerError,
    PartnerCannotError,
    PartnerError,
    PartnerRefusedError,
)
from courseyard.partners.client import PartnerClient
from courseyard.partners.connector import Config, Connector, Delivery, Person, Scope, Stream
from courseyard.partners.connectors.scormcloud import ScormCloud
from courseyard.partners.records import Course, Enrolment, ModuleProgress, User, from_json, to_json

pytestmark = pytest.mark.anyio

ANNA = User(external_id="anna", email="anna@example.org", name="Anna Maria Ahn")
Make = Callable[..., Connector]


@pytest.fixture
def cloud() -> Cloud:
    """Two courses; Anna is half through the first and has failed the second, Ben has not begun."""
    cloud = Cloud()
    cloud.course(
        "fire/1 ü",
        metadata={"title": "Fire", "description": "<p>About &amp; fire</p>", "typicalTime": "PT1H30M"},
        tags=["safety", "2026"],
        version=3,
    )
    cloud.course("heart", courseLearningStandard="SCORM20044THEDITION")
    cloud.register(
        "r/1 ü", "fire/1 ü", "anna", registrationCompletion="INCOMPLETE", registrationCompletionAmount=0.5,
        totalSecondsTracked=754.5, firstAccessDate="2026-02-21T08:00:00.000Z", score={"scaled": 40.0},
        activityDetails=activity("ORG", children=[
            activity("sco1", attempts=1, activityCompletion="COMPLETED", activitySuccess="PASSED", score={"scaled": 80.0},
                     timeTracked="0000:12:34.50", runtime={"scoreRaw": "16", "scoreMin": "0", "scoreMax": "20", "suspendData": "x"}),
            activity("block", children=[
                activity("sco2", attempts=2, suspended=True, activityCompletion="INCOMPLETE", completionAmount={"scaled": 25.0}),
                activity("sco3"),
            ]),
        ]),
    )  # fmt: skip
    cloud.register(
        "r2", "heart", "anna", updated="2026-03-02T10:00:00.000Z", registrationCompletion="COMPLETED", registrationSuccess="FAILED",
        completedDate="2026-03-02T09:59:00.000Z", firstAccessDate="2026-03-01T08:00:00Z", lastAccessDate="2026-03-02T09:58:00Z",
        activityDetails=activity("ORG", children=[activity("only", attempts=1, activityCompletion="COMPLETED", activitySuccess="FAILED", score={"scaled": 10})]),
    )  # fmt: skip
    cloud.register("r3", "heart", "ben", updated="2026-03-03T10:00:00.000Z")
    return cloud


@pytest.fixture
def make(cloud: Cloud, serve: Callable[[Any], str], connected: Connected) -> Make:
    """A connector on the stand-in, a fresh one each time."""
    address = serve(cloud.app) + "/api/v2/"
    return lambda **values: connected.make(
        ScormCloud, address, **({"app_id": APP, "secret": SECRET, "postback_password": "push"} | values)
    )


async def test_the_catalogue(cloud: Cloud, make: Make) -> None:
    cloud.page = 1
    records, last = await fetch_all(make(), Stream.CATALOGUE)
    fire, heart = records
    assert isinstance(fire, Course) and isinstance(heart, Course)
    assert (fire.external_id, fire.title, fire.description) == ("fire/1 ü", "Course fire/1 ü", "About & fire")
    assert fire.duration_hours == 1.5
    assert fire.data_at == datetime(2026, 2, 1, 10, tzinfo=UTC)
    assert fire.extra["tags"] == "safety, 2026" and fire.extra["version"] == 3
    assert heart.extra["courseLearningStandard"] == "SCORM20044THEDITION"
    assert last.complete


async def test_registrations_become_enrolments_without_modules(cloud: Cloud, make: Make) -> None:
    records, last = await fetch_all(make(), Stream.ENROLMENTS)
    assert all(isinstance(r, Enrolment) for r in records) and last.complete
    half, failed, new = records
    assert isinstance(half, Enrolment) and isinstance(failed, Enrolment) and isinstance(new, Enrolment)
    assert (half.external_id, half.course, half.status, half.progress) == ("r/1 ü", "fire/1 ü", "active", 50.0)
    assert half.user == User(external_id="anna", email="anna@example.org", name="Anna Ahn")
    assert half.enrolled_at == datetime(2026, 2, 20, 9, tzinfo=UTC)
    assert half.extra["totalSecondsTracked"] == 754.5 and half.extra["score"] == 40
    assert (failed.status, failed.completed_at) == ("failed", datetime(2026, 3, 2, 9, 59, tzinfo=UTC))
    assert (new.status, new.progress) == ("active", 0.0)


async def test_activities_become_modules_and_what_groups_them_does_not(cloud: Cloud, make: Make) -> None:
    records, last = await fetch_all(make(), Stream.PROGRESS)
    modules = {m.module_id: m for m in records if isinstance(m, ModuleProgress) and m.enrolment == "r/1 ü"}
    assert {k: (m.status, m.progress, m.score, m.time_spent_seconds) for k, m in modules.items()} == {
        "sco1": ("passed", 100.0, 80.0, 754),
        "sco2": ("in_progress", 25.0, None, 0),
        "sco3": ("not_started", 0.0, None, 0),
    }
    assert modules["sco1"].extra["raw"] == 16 and modules["sco1"].extra["max"] == 20
    assert "suspendData" not in modules["sco1"].extra
    assert modules["sco1"].module_name == "Title of sco1"
    assert modules["sco1"].data_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
    (only,) = [m for m in records if isinstance(m, ModuleProgress) and m.enrolment == "r2"]
    assert only.status == "failed" and only.completed_at is None
    assert only.started_at == datetime(2026, 3, 1, 8, tzinfo=UTC)
    assert last.watermark is not None and not last.complete
    since = datetime.fromisoformat(last.watermark["since"])
    assert timedelta(minutes=5) <= datetime.now(UTC) - since < timedelta(minutes=6), "by the partner's clock"


async def test_times_that_no_column_holds_are_cut_off(cloud: Cloud, make: Make) -> None:
    part = activity("sco", attempts=1, timeTracked="99999:59:59.99")
    forever = activity("sco", attempts=1, timeTracked="P99999999Y")
    for name, one in (("long", part), ("longer", forever)):
        cloud.register(name, "heart", "ben", activityDetails=activity("ORG", children=[one]))
    cloud.course("slow", metadata={"typicalTime": "P" + "9" * 50 + "Y"})
    records, _ = await fetch_all(make(), Stream.PROGRESS)
    found = {
        m.enrolment: m.time_spent_seconds for m in records if isinstance(m, ModuleProgress) and m.module_id == "sco"
    }
    assert found == {"long": 99_999 * 3_600 + 3_599, "longer": 2**31 - 1}
    courses = {c.external_id: c for c in (await fetch_all(make(), Stream.CATALOGUE))[0] if isinstance(c, Course)}
    assert courses["slow"].duration_hours == round((2**31 - 1) / 3_600, 2)


async def test_both_streams_tell_the_same_of_an_enrolment(make: Make) -> None:
    listed, _ = await fetch_all(make(), Stream.ENROLMENTS)
    progress, _ = await fetch_all(make(), Stream.PROGRESS)
    assert listed == [r for r in progress if isinstance(r, Enrolment)]


async def test_the_next_run_asks_for_what_changed(cloud: Cloud, make: Make) -> None:
    _, last = await fetch_all(make(), Stream.PROGRESS)
    cloud.registrations["r2"]["updated"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    records, _ = await fetch_all(make(), Stream.PROGRESS, since=last.watermark)
    assert [r.external_id for r in records if isinstance(r, Enrolment)] == ["r2"]


async def test_a_run_goes_on_from_each_place_in_another_process(cloud: Cloud, make: Make) -> None:
    cloud.page = 1
    seen: list[str] = []
    cursor = None
    begun = None
    while True:
        page = await make().fetch(Stream.PROGRESS, cursor, Scope(now=NOW))
        seen += [r.external_id for r in page.records if isinstance(r, Enrolment)]
        if page.next is None:
            break
        assert page.watermark is None
        cursor = json.loads(json.dumps(page.next))
        begun = begun or cursor["started"]
    assert seen == ["r/1 ü", "r2", "r3"]
    assert page.watermark == {"since": begun}


async def test_a_summary_of_the_course_is_no_module(cloud: Cloud, make: Make) -> None:
    cloud.registrations = {}
    cloud.register("v", "heart", "ben", activityDetails=activity("video", attempts=1, activityCompletion="INCOMPLETE"))
    listed, _ = await fetch_all(make(), Stream.ENROLMENTS)
    assert [type(r) for r in listed] == [Enrolment]
    progress, _ = await fetch_all(make(), Stream.PROGRESS)
    assert [type(r) for r in progress] == [Enrolment, ModuleProgress], "it is all that there is"


async def test_a_broken_record_does_not_stop_the_others(cloud: Cloud, make: Make) -> None:
    cloud.courses += [{"title": "no id"}, "nonsense", None]
    cloud.page = 4
    page = await make().fetch(Stream.CATALOGUE, None, Scope())
    assert len(page.records) == 2 and len(page.rejected) == 2
    page = await make().fetch(Stream.CATALOGUE, page.next, Scope())
    assert page.next is None and not page.complete, "the bad ones may be of any course"
    cloud.page = 100
    cloud.registrations["bad"] = {"id": "bad", "learner": {"id": None}, "course": {"id": "heart"}}
    cloud.answers = [JSONResponse({"registrations": list(cloud.registrations.values())})]
    page = await make().fetch(Stream.ENROLMENTS, None, Scope())
    assert sum(isinstance(r, Enrolment) for r in page.records) == 3
    ((_, reason),) = page.rejected
    assert "whose it is" in reason


@pytest.mark.parametrize("answer", [{}, {"registrations": None}, {"courses": {}}, []])
async def test_an_answer_without_its_list_is_no_empty_list(cloud: Cloud, make: Make, answer: Any) -> None:
    cloud.answers = [JSONResponse(answer)]
    with pytest.raises(PartnerAnswerError):
        await make().fetch(Stream.ENROLMENTS, None, Scope())


async def test_credentials_that_nobody_knows(make: Make) -> None:
    with pytest.raises(PartnerRefusedError):
        await make(secret="wrong").check()


async def test_check_says_what_may_not_be_read(cloud: Cloud, make: Make) -> None:
    assert [c.state for c in await make().check()] == ["ok"] * 4
    cloud.forbidden = {"registrations"}
    found = await make(postback_password="").check()
    assert [c.state for c in found] == ["ok", "ok", "failed", "warning"]
    assert found[2].what == "Registrations may not be read."


async def test_enrolling_twice_is_one_registration_that_is_pushed_back(cloud: Cloud, make: Make) -> None:
    first = await make().enrol(ANNA, "heart")
    assert first.external_id == "r2", "what stands is taken"
    ben = User(external_id="cem", email="cem@example.org", name="Cem von Can")
    made = [await make().enrol(ben, "fire/1 ü") for _ in range(2)]
    assert made[0] == made[1]
    assert cloud.registrations[made[0].external_id]["learner"] == {
        "id": "cem", "firstName": "Cem von", "lastName": "Can", "email": "cem@example.org",
    }  # fmt: skip
    (postback,) = cloud.postbacks.values()
    assert postback["url"].endswith("/in") and postback["authType"] == "HTTPBASIC"


async def test_enrolling_after_a_crash_takes_the_one_that_was_made(cloud: Cloud, make: Make) -> None:
    made = await make().enrol(User(external_id="cem"), "heart")
    # The list lags behind, as it does for some seconds.
    cloud.answers = [JSONResponse({"registrations": []})]
    assert await make().enrol(User(external_id="cem"), "heart") == made
    assert len(cloud.registrations) == 4


async def test_a_refusal_is_told(cloud: Cloud, make: Make) -> None:
    with pytest.raises(PartnerAnswerError, match="learner is not allowed"):
        await make().enrol(User(external_id="forbidden"), "heart")
    with pytest.raises(PartnerCannotError, match="no such course"):
        await make().enrol(ANNA, "gone")


async def test_without_a_password_nothing_is_asked_to_be_pushed(cloud: Cloud, make: Make) -> None:
    await make(postback_password="").enrol(User(external_id="cem"), "heart")
    assert not cloud.postbacks


async def test_ending_twice_is_ending_once(cloud: Cloud, make: Make) -> None:
    for _ in range(2):
        await make().withdraw("r/1 ü", ANNA, "fire/1 ü")
    assert set(cloud.registrations) == {"r2", "r3"}
    await make().withdraw("..", ANNA, "heart")
    assert cloud.calls[-1].endswith("/registrations/%2E%2E")


async def test_launch(make: Make) -> None:
    url = await make().launch_url("r/1 ü", ANNA, "fire/1 ü", "https://learn.example/back")
    assert url.startswith("https://cloud.example/api/cloud/registration/launch/")
    assert await make().launch_url("r2", ANNA, "heart", None)
    with pytest.raises(PartnerCannotError, match="any more"):
        await make().launch_url("gone", ANNA, "heart", None)


async def test_a_launch_link_that_is_no_web_address_is_not_given_on(cloud: Cloud, make: Make) -> None:
    cloud.answers = [JSONResponse({"launchLink": "javascript:alert(1)"})]
    with pytest.raises(PartnerAnswerError, match="launch link"):
        await make().launch_url("r2", ANNA, "heart", None)


async def test_people_are_found_by_their_registrations(make: Make) -> None:
    person = Person("22222222-2222-4222-8222-222222222222", "anna@example.org", "Anna", external_id="anna")
    assert [u.external_id for u in await make().find_users(person)] == ["anna"]
    new = Person("22222222-2222-4222-8222-222222222222", "new@example.org", "New Ahn")
    assert await make().find_users(new) == []
    made = [await make().make_user(new) for _ in range(2)]
    assert made[0] == made[1] == User(external_id=new.profile_id, email="new@example.org", name="New Ahn")


def delivery(body: bytes, content_type: str, **headers: str) -> Delivery:
    return Delivery(headers, body, NOW, content_type)


def signed(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def test_a_postback_is_read_in_both_forms(cloud: Cloud, make: Make) -> None:
    told = json.dumps(cloud.registrations["r/1 ü"])
    polled, _ = await fetch_all(make(), Stream.PROGRESS)
    wanted = [r for r in polled if "r/1 ü" in (getattr(r, "external_id", ""), getattr(r, "enrolment", ""))]
    as_json = make().receive(
        delivery(told.encode(), "application/json; charset=UTF-8", authorization=signed("courseyard", "push"))
    )
    form = urlencode({"data": told, "userName": "courseyard", "password": "push"}).encode()
    as_form = make().receive(delivery(form, "application/x-www-form-urlencoded; charset=UTF-8"))
    assert as_json.records == as_form.records == wanted
    assert as_json.delivery_id is None


@pytest.mark.parametrize(
    ("body", "content_type", "authorization", "words"),
    [
        (b"{}", "application/json", signed("courseyard", "wrong"), "wrong"),
        (b"{}", "application/json", "", "wrong"),
        (b"{}", "application/json", "Basic %%%", "wrong"),
        (b"{}", "application/json", "Bearer push", "wrong"),
        (b"data=%7B%7D&userName=courseyard", "application/x-www-form-urlencoded", "", "wrong"),
        (b"\xff", "application/x-www-form-urlencoded", "", "no form"),
        (b"&".join([b"a=1"] * 100), "application/x-www-form-urlencoded", "", "no form"),
        (b"<registrationreport/>", "text/xml", signed("courseyard", "push"), "no JSON"),
    ],
)
async def test_a_strangers_postback_is_refused(
    make: Make, body: bytes, content_type: str, authorization: str, words: str
) -> None:
    with pytest.raises(BadDeliveryError, match=words):
        make().receive(delivery(body, content_type, authorization=authorization))


async def test_without_a_password_no_postback_is_accepted(make: Make) -> None:
    with pytest.raises(BadDeliveryError, match="accepts no postbacks"):
        make(postback_password="").receive(delivery(b"{}", "application/json", authorization=signed("courseyard", "")))


async def test_a_postback_that_is_no_registration_is_kept(make: Make) -> None:
    received = make().receive(delivery(b"[1]", "application/json", authorization=signed("courseyard", "push")))
    assert received.records == [] and len(received.rejected) == 1


async def test_a_server_in_trouble(cloud: Cloud, make: Make, connected: Connected) -> None:
    cloud.answers = [Response(status_code=429, headers={"Retry-After": "3"}), Response(status_code=503)]
    assert len((await make().fetch(Stream.ENROLMENTS, None, Scope())).records) == 3
    assert connected.waits[0] == 3.0


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from([10**400, "\ud800", "0000-00-00", "99999-01-01T00:00:00Z", "heart", "COMPLETED", "PASSED", "99999:00:00"]),
)  # fmt: skip
names = st.sampled_from([
    "courses", "registrations", "more", "id", "title", "metadata", "typicalTime", "description", "tags", "version", "updated",
    "learner", "course", "email", "firstName", "registrationCompletion", "registrationCompletionAmount", "registrationSuccess",
    "score", "scaled", "activityDetails", "children", "activityCompletion", "timeTracked", "attempts", "suspended", "runtime",
    "scoreRaw", "createdDate", "completedDate", "completionAmount",
])  # fmt: skip
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=8), max_leaves=40
)
likely = st.builds(
    lambda facts, extra: {"id": "r", "learner": {"id": "l"}, "course": {"id": "c"}} | facts | extra,
    st.dictionaries(names.filter(lambda n: n not in ("id", "learner", "course")), anything, max_size=8),
    st.fixed_dictionaries({"activityDetails": anything}),
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    answers=st.lists(
        anything | st.builds(lambda rows: {"courses": rows, "registrations": rows}, st.lists(likely | anything, max_size=4)),
        min_size=1,
        max_size=4,
    ),
    stream=st.sampled_from([Stream.CATALOGUE, Stream.ENROLMENTS, Stream.PROGRESS]),
)  # fmt: skip
async def test_no_answer_breaks_the_connector(answers: list[Any], stream: Stream) -> None:
    left = list(answers)

    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=json.dumps(left.pop(0) if left else None), headers={"Date": "yesterday"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        client = PartnerClient(http, "https://cloud.example/api/v2", requests_per_minute=60_000)
        connector = ScormCloud(Config("p", {}), client)
        cursor = None
        for _ in range(6):
            try:
                page = await connector.fetch(stream, cursor, Scope(now=NOW))
            except PartnerError:
                return
            for record in page.records:
                assert from_json(json.loads(json.dumps(to_json(record)).encode())) == record
            if page.next is None:
                return
            cursor = json.loads(json.dumps(page.next))
