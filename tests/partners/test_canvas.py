"""Catalogue and enrolments out of Canvas, against a stand-in that speaks as Canvas does, and what it does with faults."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fix_canvas import ISAAC, anything, at
from fix_partners import NOW, Connected, fetch_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from partners.standins.canvas import School, course, throttled
from starlette.responses import HTMLResponse, JSONResponse, Response

from courseyard.errors import PartnerAnswerError, PartnerBusyError, PartnerError, PartnerRefusedError
from courseyard.partners.client import PartnerClient
from courseyard.partners.connector import Config, Connector, Scope, Stream
from courseyard.partners.connectors.canvas import Canvas
from courseyard.partners.records import Course, Enrolment, from_json, to_json

pytestmark = pytest.mark.anyio


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


async def test_a_date_of_the_year_one_breaks_nothing(school: School, canvas: Callable[..., Connector]) -> None:
    school.enrolments[0]["last_activity_at"] = school.enrolments[0]["updated_at"] = "0001-01-01T00:00:00Z"
    records, last = await fetch_all(canvas(), Stream.ENROLMENTS, ("21",))
    found = {r.external_id: r.data_at for r in records if isinstance(r, Enrolment)}
    assert set(found) == {"21:11", "21:12", "21:13"} and found["21:11"] is None and last.complete


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
    assert {reason for _, reason in page.rejected} == {"This is not a course: it has no identifier."}
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
