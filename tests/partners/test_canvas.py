"""The Canvas connector, against a stand-in that speaks as Canvas does, and Live Events as Instructure documents them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fix_partners import NOW, Connected, fetch_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey
from partners.standins.canvas import (
    TOKEN,
    School,
    course,
    enrolment,
    item,
    module,
    submission,
    throttled,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from courseyard.errors import (
    BadDeliveryError,
    PartnerAnswerError,
    PartnerBusyError,
    PartnerCannotError,
    PartnerError,
    PartnerRefusedError,
)
from courseyard.partners.client import PartnerClient
from courseyard.partners.connector import Config, Connector, Delivery, Person, Scope, Stream
from courseyard.partners.connectors.canvas import Canvas
from courseyard.partners.records import Course, Enrolment, ModuleProgress, User, from_json, to_json

pytestmark = pytest.mark.anyio

ISAAC = User(external_id="11", email="isaac@example.org", name="Isaac Newton", sis_id="S-11")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.fixture
def school() -> School:
    """Three courses, of which 21 has modules with requirements and 22 has assignments alone."""
    school = School()
    school.users[1] = {"id": 1, "name": "Courseyard", "login_id": "yard", "email": "yard@example.org"}
    for identifier, name in ((11, "Isaac Newton"), (12, "Ada Lovelace"), (13, "Emmy Noether"), (14, "Alan Turing")):
        short = name.split()[0].lower()
        school.users[identifier] = {
            "id": identifier, "name": name, "sortable_name": name, "login_id": short, "sis_user_id": f"S-{identifier}",
            "email": f"{short}@example.org",
        }  # fmt: skip
    school.courses = [course(21, "Physics"), course(22, "Engines"), course(23, "Rings", workflow_state="unpublished")]
    grades = {"current_score": 88.5, "final_score": 70, "current_grade": "B", "final_grade": "C"}
    school.enrolments = [
        enrolment(901, 21, 11, last_activity_at="2026-03-01T10:00:00Z", total_activity_time=3600, grades=grades),
        # The same person in another section, long ago.
        enrolment(902, 21, 11, "inactive"),
        enrolment(903, 21, 12, "invited"),
        enrolment(904, 21, 13, "inactive", updated_at="2026-03-02T08:00:00Z"),
        enrolment(905, 22, 14, "completed", updated_at="2026-03-03T08:00:00Z"),
        enrolment(906, 21, 14, type="TeacherEnrollment"),
    ]
    school.modules[21] = [
        module(
            1, "Motion",
            item(101, "Read me", "Page", requirement={"type": "must_view"}),
            item(102, "Falling apples", "Quiz", 501, {"type": "min_score", "min_score": 8}),
            item(103, "Further reading", "ExternalUrl"),
        ),
        module(
            2, "Light",
            item(201, "Prism", "Assignment", 602, {"type": "must_submit"}),
            item(202, "Debate", "Discussion", 701, {"type": "must_contribute"}),
        ),
    ]  # fmt: skip
    school.met = {(11, 101), (11, 201)}
    school.completed[11, 2] = "2026-03-01T09:30:00Z"
    school.submissions = [
        submission(21, 11, 601, "graded", 6, "2026-03-01T09:00:00Z", quiz_id=501, submitted_at="2026-03-01T08:59:00Z"),
        submission(21, 11, 602, "submitted", submitted_at="2026-03-01T09:10:00Z"),
        submission(21, 11, 603, discussion_topic={"id": 701}),
        submission(22, 14, 604, "graded", 45, "2026-03-02T09:00:00Z", points_possible=50),
        submission(22, 14, 605),
        submission(22, 14, 606, points_possible=50) | {"excused": True},
        submission(22, 14, 607, "graded", 1, published=False),
    ]
    return school


@pytest.fixture
def canvas(school: School, serve: Callable[[Any], str], connected: Connected) -> Callable[..., Connector]:
    """A connector on the stand-in, a fresh one each time."""
    address = serve(school.app)
    return lambda **values: connected.make(Canvas, address, **({"token": TOKEN} | values))


async def test_the_catalogue(canvas: Callable[..., Connector]) -> None:
    records, last = await fetch_all(canvas(), Stream.CATALOGUE)
    courses = {r.external_id: r for r in records if isinstance(r, Course)}
    physics = courses["21"]
    assert (physics.title, physics.code, physics.category, physics.description) == (
        "Physics", "C-21", "Fire Academy", "On Physics",
    )  # fmt: skip
    assert physics.extra["sis_course_id"] == "SIS-21" and physics.extra["term"] == "2026"
    assert physics.url is not None and physics.url.endswith("/courses/21")
    assert physics.active and not courses["23"].active
    assert last.complete


async def test_all_pages_are_followed_from_each_place(school: School, canvas: Callable[..., Connector]) -> None:
    school.page_size = 7
    school.courses = [course(n, f"Course {n}") for n in range(100, 150)]
    cursor, seen = None, []
    while True:
        page = await canvas().fetch(Stream.CATALOGUE, cursor, Scope())
        seen += [r.external_id for r in page.records if isinstance(r, Course)]
        if page.next is None:
            break
        assert not page.complete
        cursor = json.loads(json.dumps(page.next))
    assert len(seen) == len(set(seen)) == 50 and page.complete


async def test_enrolments_are_one_a_person_whatever_their_sections(
    school: School, canvas: Callable[..., Connector]
) -> None:
    school.page_size = 2
    records, last = await fetch_all(canvas(), Stream.ENROLMENTS, ("21", "22"))
    found = {r.external_id: r for r in records if isinstance(r, Enrolment)}
    assert {k: e.status for k, e in found.items()} == {
        "21:11": None, "21:12": "pending", "21:13": "withdrawn", "22:14": None,
    }  # fmt: skip
    assert found["21:11"].user == ISAAC
    assert found["21:11"].extra["current_score"] == 88.5 and found["21:11"].extra["total_activity_time"] == 3600
    assert found["21:13"].data_at == at("2026-03-02T08:00:00Z")
    assert last.complete


async def test_a_course_that_may_not_be_read_is_told_and_its_enrolments_are_not_gone(
    school: School, canvas: Callable[..., Connector]
) -> None:
    school.lacks.add("course 21")
    page = await canvas().fetch(Stream.ENROLMENTS, None, Scope(courses=("21", "22")))
    assert page.rejected == [
        ({"course": "21"}, "Canvas does not allow this: user not authorized to perform that action.")
    ]
    _, last = await fetch_all(canvas(), Stream.ENROLMENTS, ("21", "22"))
    assert not last.complete
    _, last = await fetch_all(canvas(), Stream.ENROLMENTS, ("22", "99"))
    assert last.complete, "a course that was deleted has no enrolments"


async def test_progress_by_requirements(school: School, canvas: Callable[..., Connector]) -> None:
    records, _ = await fetch_all(canvas(), Stream.PROGRESS, ("21",))
    isaac = next(r for r in records if isinstance(r, Enrolment) and r.external_id == "21:11")
    modules = {m.module_id: m for m in records if isinstance(m, ModuleProgress) and m.enrolment == "21:11"}
    assert (isaac.status, isaac.progress, isaac.user) == ("active", 50.0, ISAAC)
    assert {k: (m.module_name, m.status, m.progress, m.score) for k, m in modules.items()} == {
        "item:101": ("Read me", "completed", 100, None),
        "assignment:601": ("Falling apples", "failed", 0, 60.0),
        "assignment:602": ("Prism", "completed", 100, None),
        "assignment:603": ("Debate", "not_started", 0, None),
    }
    quiz = modules["assignment:601"].extra
    assert (quiz["raw"], quiz["max"], quiz["module"], quiz["requirement"], quiz["min_score"]) == (
        6,
        10,
        "Motion",
        "min_score",
        8,
    )
    assert modules["assignment:602"].completed_at == at("2026-03-01T09:10:00Z")
    assert modules["item:101"].data_at == at("2026-03-01T10:00:00Z")


async def test_all_requirements_met_is_completed(school: School, canvas: Callable[..., Connector]) -> None:
    school.met |= {(11, 102), (11, 202)}
    records, _ = await fetch_all(canvas(), Stream.PROGRESS, ("21",))
    isaac = next(r for r in records if isinstance(r, Enrolment) and r.external_id == "21:11")
    modules = {m.module_id: m.status for m in records if isinstance(m, ModuleProgress)}
    assert (isaac.status, isaac.progress, isaac.completed_at) == ("completed", 100, at("2026-03-01T09:30:00Z"))
    assert modules["assignment:601"] == "passed"


async def test_concluded_is_completed_only_where_nothing_is_left_to_do(
    school: School, canvas: Callable[..., Connector]
) -> None:
    school.enrolments[0]["enrollment_state"] = "completed"
    records, _ = await fetch_all(canvas(), Stream.PROGRESS, ("21", "22"))
    assert {r.external_id: r.status for r in records if isinstance(r, Enrolment)} == {
        "21:11": "withdrawn",
        "22:14": "completed",
    }


async def test_a_module_of_which_one_item_is_enough_is_one(school: School, canvas: Callable[..., Connector]) -> None:
    school.modules[21][0]["requirement_type"] = "one"
    for completed, status in ((None, "in_progress"), ("2026-03-01T09:00:00Z", "completed")):
        if completed:
            school.completed[11, 1] = completed
        records, _ = await fetch_all(canvas(), Stream.PROGRESS, ("21",))
        found = [m for m in records if isinstance(m, ModuleProgress) and m.enrolment == "21:11"]
        assert [m.module_id for m in found] == ["module:1", "assignment:602", "assignment:603"]
        assert (found[0].module_name, found[0].status) == ("Motion", status)


async def test_a_course_without_requirements_goes_by_its_assignments(canvas: Callable[..., Connector]) -> None:
    records, _ = await fetch_all(canvas(), Stream.PROGRESS, ("22",))
    modules = {m.module_id: m for m in records if isinstance(m, ModuleProgress)}
    assert {k: (m.module_name, m.status, m.score) for k, m in modules.items()} == {
        "assignment:604": ("Task 604", "completed", 90.0),
        "assignment:605": ("Task 605", "not_started", None),
        "assignment:606": ("Task 606", "completed", None),
    }


async def test_items_of_large_modules_are_fetched_one_module_at_a_time(
    school: School, canvas: Callable[..., Connector]
) -> None:
    school.largest_module, school.page_size = 1, 1
    records, _ = await fetch_all(canvas(), Stream.PROGRESS, ("21",))
    assert len([r for r in records if isinstance(r, ModuleProgress)]) == 4


async def test_only_people_who_moved_or_were_graded_are_asked_about(
    school: School, canvas: Callable[..., Connector]
) -> None:
    _, last = await fetch_all(canvas(), Stream.PROGRESS, ("21", "22"))
    assert last.watermark is not None
    # Canvas's clock, with room for what it notes late.
    assert timedelta(minutes=19) < datetime.now(UTC) - at(last.watermark["since"]) < timedelta(minutes=22)
    school.calls.clear()
    records, again = await fetch_all(canvas(), Stream.PROGRESS, ("21", "22"), since=last.watermark)
    assert records == [] and len(school.calls) == 4

    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    school.submissions[0] |= {"graded_at": now, "score": 9}
    records, _ = await fetch_all(canvas(), Stream.PROGRESS, ("21", "22"), since=again.watermark)
    assert {m.module_id: m.score for m in records if isinstance(m, ModuleProgress)}["assignment:601"] == 90.0
    school.submissions[0] |= {"graded_at": None}
    school.enrolments[4]["last_activity_at"] = now
    records, _ = await fetch_all(canvas(), Stream.PROGRESS, ("21", "22"), since=again.watermark)
    assert [r.external_id for r in records if isinstance(r, Enrolment)] == ["22:14"]


async def test_without_the_right_to_grades_there_is_progress_without_scores(
    school: School, canvas: Callable[..., Connector]
) -> None:
    school.lacks.add("view_all_grades")
    for since in (None, {"since": "2026-01-01T00:00:00+00:00"}):
        records, _ = await fetch_all(canvas(), Stream.PROGRESS, ("21",), since=since)
        modules = {m.module_name: (m.status, m.score) for m in records if isinstance(m, ModuleProgress)}
        assert modules["Read me"] == ("completed", None) and modules["Prism"] == ("completed", None)


async def test_progress_goes_on_from_each_place_in_a_fresh_connector(
    school: School, canvas: Callable[..., Connector]
) -> None:
    school.page_size = 20
    for n in range(1000, 1050):
        school.users[n] = {"id": n, "name": f"U {n}", "login_id": f"u{n}@example.org"}
        school.enrolments.append(enrolment(n, 22, n))
    cursor, seen = None, []
    while True:
        before = len(school.calls)
        page = await canvas().fetch(Stream.PROGRESS, cursor, Scope(courses=("21", "22")))
        assert len(school.calls) - before <= 6
        seen += [r.external_id for r in page.records if isinstance(r, Enrolment)]
        for record in page.records:
            assert from_json(json.loads(json.dumps(to_json(record)))) == record
        if page.next is None:
            break
        cursor = json.loads(json.dumps(page.next))
    assert len(seen) == len(set(seen)) == 52
    assert "22:1003" in seen


async def test_throttling_is_waited_for(school: School, canvas: Callable[..., Connector], connected: Connected) -> None:
    school.answers = [throttled(), JSONResponse({}, 429, {"Retry-After": "3"})]
    records, _ = await fetch_all(canvas(), Stream.CATALOGUE)
    assert len(records) == 3 and 3.0 in connected.waits
    school.answers = [throttled() for _ in range(5)]
    with pytest.raises(PartnerBusyError):
        await canvas().fetch(Stream.CATALOGUE, None, Scope())


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (HTMLResponse("<!doctype html>Log in"), PartnerAnswerError, "a web page"),
        (Response('[{"id": 1'), PartnerAnswerError, "broken or cut off"),
        (JSONResponse({"id": 1}), PartnerAnswerError, "not a list"),
        (JSONResponse([], headers={"Link": '<https://evil.example/x>; rel="next"'}), PartnerAnswerError, r"evil\.example"),
    ],
)  # fmt: skip
async def test_answers_that_are_none_end_the_run(
    school: School, canvas: Callable[..., Connector], answer: Response, kind: type[PartnerError], words: str
) -> None:
    school.answers = [answer]
    with pytest.raises(kind, match=words):
        await fetch_all(canvas(), Stream.ENROLMENTS, ("21",))


async def test_a_wrong_token_ends_the_run_and_is_not_told(canvas: Callable[..., Connector]) -> None:
    with pytest.raises(PartnerRefusedError, match="Invalid access token") as caught:
        await fetch_all(canvas(token="7~wrong"), Stream.ENROLMENTS, ("21",))
    assert "7~wrong" not in str(caught.value) + caught.value.advice
    with pytest.raises(PartnerRefusedError):
        await canvas(token="7~wrong").check()


async def test_broken_rows_are_put_aside_with_a_reason(school: School, canvas: Callable[..., Connector]) -> None:
    broken: list[Any] = [None, 7, [], {"id": None}, {"id": {}}]
    school.answers = [JSONResponse([*broken, course(21, "Good")]), JSONResponse([*broken, {"id": 12, "name": "B\0en"}])]
    page = await canvas().fetch(Stream.CATALOGUE, None, Scope())
    assert len(page.records) == 1 and len(page.rejected) == 5
    page = await canvas().fetch(Stream.ENROLMENTS, None, Scope(courses=("21",)))
    assert len(page.records) == 1 and len(page.rejected) == 5


async def test_check_says_what_works_and_which_rights_are_missing(
    school: School, canvas: Callable[..., Connector]
) -> None:
    assert {c.state for c in await canvas().check()} == {"ok"}
    school.lacks = {"view_all_grades", "manage_user_logins"}
    found = [c for c in await canvas().check() if c.state == "warning"]
    assert [c.what for c in found] == ["No right to progress and scores.", "No right to new accounts."]
    assert "view all grades" in found[0].detail
    school.lacks = {"account"}
    found = await canvas().check()
    assert found[-1].state == "failed" and "administrator" in found[-1].detail


async def test_people_are_found_by_id_then_sis_id_then_mail(school: School, canvas: Callable[..., Connector]) -> None:
    assert await canvas().find_users(Person("x", "Isaac@Example.org", "")) == [ISAAC]
    assert (await canvas().find_users(Person("S-12", "isaac@example.org", "")))[0].external_id == "12"
    assert (await canvas().find_users(Person("S-12", None, "", "13")))[0].external_id == "13"
    assert await canvas().find_users(Person("x", "saac@example.org", "")) == []
    assert await canvas().find_users(Person("x", None, "")) == []
    school.lacks.add("read_sis")
    assert await canvas().find_users(Person("S-12", "isaac@example.org", "")) == [ISAAC]


async def test_an_account_is_made_once(school: School, canvas: Callable[..., Connector]) -> None:
    person = Person("P-77", "new@example.org", "New Person")
    made = await canvas().make_user(person)
    assert await canvas().make_user(person) == made
    assert (made.email, made.name, made.sis_id) == ("new@example.org", "New Person", "P-77") and len(school.users) == 6
    with pytest.raises(PartnerCannotError, match="e-mail"):
        await canvas().make_user(Person("x", None, "Anna"))
    school.users[88] = {"id": 88, "name": "Hidden", "login_id": "taken@example.org"}
    school.users[89] = {"id": 89, "name": "Second", "login_id": "x", "email": "taken@example.org"}
    with pytest.raises(PartnerCannotError, match="2 accounts"):
        await canvas().make_user(Person("x", "taken@example.org", "Anna"))


async def test_what_canvas_says_to_a_refused_account_is_told(school: School, canvas: Callable[..., Connector]) -> None:
    # Of another account of the same Canvas, so that looking here does not find it.
    school.users[88] = {"id": 88, "name": "Other", "login_id": "other@example.org", "elsewhere": True}
    with pytest.raises(PartnerAnswerError, match="ID already in use"):
        await canvas().make_user(Person("x", "other@example.org", "Anna"))
    school.lacks.add("manage_user_logins")
    with pytest.raises(PartnerRefusedError, match="not authorized"):
        await canvas().make_user(Person("x", "another@example.org", "Anna"))


async def test_enrolling_and_ending_twice(school: School, canvas: Callable[..., Connector]) -> None:
    first = await canvas().enrol(ISAAC, "22")
    assert await canvas().enrol(ISAAC, "22") == first
    assert first.external_id == "22:11" and first.user == ISAAC
    assert len([e for e in school.enrolments if e["course_id"] == 22]) == 2
    for _ in range(2):
        await canvas().withdraw("22:11", ISAAC, "22")
    assert school.enrolments[-1]["enrollment_state"] == "inactive"
    await canvas().enrol(ISAAC, "22")
    assert school.enrolments[-1]["enrollment_state"] == "active"
    with pytest.raises(PartnerAnswerError, match="does not exist"):
        await canvas().enrol(ISAAC, "99")


async def test_launch_opens_the_course(canvas: Callable[..., Connector]) -> None:
    assert (await canvas().launch_url("21:11", ISAAC, "21", None)).endswith("/courses/21")


# Live Events -------------------------------------------------------------------------------------------------------

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


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.sampled_from([10**400, "\ud800", "0000-00-00", "21", "99999-01-01"])
)  # fmt: skip
names = st.sampled_from([
    "id", "name", "workflow_state", "concluded", "term", "account", "enrollments", "enrollment_state", "updated_at", "last_activity_at",
    "created_at", "grades", "current_score", "items", "completion_requirement", "type", "completed", "completed_at", "content_id",
    "title", "assignment_id", "assignment", "quiz_id", "discussion_topic", "points_possible", "score", "graded_at", "submitted_at",
    "excused", "user_id", "email", "login_id", "message", "errors",
])  # fmt: skip
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=8), max_leaves=40
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    answers=st.lists(st.lists(anything, max_size=5) | anything, min_size=1, max_size=6),
    status=st.sampled_from([200, 200, 200, 401, 403, 404]),
    stream=st.sampled_from([Stream.CATALOGUE, Stream.ENROLMENTS, Stream.PROGRESS]),
    since=st.none() | st.just({"since": "2026-01-01T00:00:00+00:00"}) | st.just({"since": "x"}),
)
async def test_no_answer_breaks_the_connector(answers: list[Any], status: int, stream: Stream, since: Any) -> None:
    left = list(answers)

    def answer(_request: httpx.Request) -> httpx.Response:
        found = left.pop(0) if left else []
        return httpx.Response(200 if left else status, text=json.dumps(found), headers={"Date": "yesterday"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        client = PartnerClient(http, "https://canvas.example", requests_per_minute=60_000)
        connector = Canvas(Config("p", {"token": "t"}), client)
        cursor = None
        for _ in range(10):
            try:
                page = await connector.fetch(stream, cursor, Scope(courses=("21", "22"), now=NOW, since=since))
            except PartnerError:
                return
            for record in page.records:
                assert from_json(json.loads(json.dumps(to_json(record)).encode())) == record
            if page.next is None:
                return
            cursor = json.loads(json.dumps(page.next))


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
