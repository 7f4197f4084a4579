"""How far people are in the courses of a Canvas."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fix_canvas import ISAAC, at
from fix_partners import fetch_all
from partners.standins.canvas import School, enrolment

from courseyard.partners.connector import Connector, Scope, Stream
from courseyard.partners.records import Enrolment, ModuleProgress, from_json, to_json

pytestmark = pytest.mark.anyio


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
