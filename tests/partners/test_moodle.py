"""The Moodle connector, against a stand-in that speaks as Moodle does."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fix_partners import NOW, Connected, fetch_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from partners.standins.moodle import TOKEN, Site, course, grade, status
from starlette.responses import HTMLResponse, JSONResponse, Response

from courseyard.errors import (
    PartnerAnswerError,
    PartnerCannotError,
    PartnerError,
    PartnerRefusedError,
    PartnerUnreachableError,
)
from courseyard.partners.client import PartnerClient
from courseyard.partners.connector import Config, Connector, Person, Scope, Stream
from courseyard.partners.connectors.moodle import Moodle
from courseyard.partners.records import Course, Credential, Enrolment, ModuleProgress, User, from_json, to_json

pytestmark = pytest.mark.anyio

T = 1_780_000_000
ANNA = User(external_id="11", email="anna@example.org", name="Anna Ahn", sis_id="P-11")


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.fixture
def site() -> Site:
    """Two courses with people, a SCORM, a quiz and a page, and a hidden course."""
    site = Site()
    site.categories = [
        {"id": 1, "name": "Health", "parent": 0, "path": "/1", "coursecount": 0, "visible": 1},
        {"id": 2, "name": "First aid", "parent": 1, "path": "/1/2", "coursecount": 2, "visible": 1},
        {"id": 3, "name": "Fire", "parent": 0, "path": "/3", "coursecount": 1, "visible": 1},
    ]
    site.courses = {
        1: course(1, "Feuerwehrschule", 0, format="site"),
        21: course(21, "Bandages"),
        22: course(22, "Heart", customfields=[{"name": "Hours", "shortname": "hours", "type": "text", "value": "8"}]),
        31: course(31, "Extinguishers", 3, visible=0),
    }
    for identifier, name in ((11, "Anna Ahn"), (12, "Ben Bo"), (13, "Cem Can"), (14, "Dora Doe")):
        short = name.split()[0].lower()
        site.users[identifier] = {
            "id": identifier, "username": short, "fullname": name, "email": f"{short}@example.org", "idnumber": f"P-{identifier}",
        }  # fmt: skip
    site.enrol(21, 11, access=T)
    site.enrol(21, 12)
    site.enrol(21, 13, access=T - 5, suspended=True)
    site.enrol(21, 14, access=T, role="editingteacher")
    site.enrol(22, 11, access=T + 60)
    site.contents[21] = [
        {"id": 5, "name": "Week 1", "modules": [{"id": 101, "name": "Knots", "modname": "scorm"}]},
        {"id": 6, "name": "Week 2", "modules": [{"id": 102, "name": "Test", "modname": "quiz"}, {"id": 103, "name": "Read me", "modname": "page"}]},
    ]  # fmt: skip
    site.statuses[21, 11] = [
        status(101, 2, T - 100),
        status(102, 3, T - 50, "quiz"),
        status(103, 0, 0, "page", tracking=1),
        status(104, 1, T - 10, "forum"),
    ]
    site.grades[21, 11] = [
        grade(101, 8, 0, 10, T - 100),
        grade(102, 3, 1, 5, T - 40),
        grade(102, 2, 1, 3, T, itemnumber=1000),
        grade(None, 71.5, 0, 100),
    ]
    site.completed[21, 11] = 0
    return site


@pytest.fixture
def moodle(site: Site, serve: Callable[[Any], str], connected: Connected) -> Callable[..., Connector]:
    """A connector on the stand-in, a fresh one each time."""
    address = serve(site.app) + "/moodle"
    return lambda **values: connected.make(Moodle, address, **({"token": TOKEN} | values))


async def test_the_catalogue_has_categories_by_path_and_no_front_page(
    site: Site, moodle: Callable[..., Connector]
) -> None:
    records, last = await fetch_all(moodle(), Stream.CATALOGUE)
    courses = {r.external_id: r for r in records if isinstance(r, Course)}
    assert set(courses) == {"21", "22", "31"}
    bandages = courses["21"]
    assert (bandages.title, bandages.code, bandages.category) == ("Bandages", "C21", "Health / First aid")
    assert bandages.description == "About Bandages ."
    assert bandages.url is not None and bandages.url.endswith("/moodle/course/view.php?id=21")
    assert bandages.data_at == at(1767312000) and bandages.extra["idnumber"] == "ext-21"
    assert courses["22"].extra["customfield_hours"] == "8"
    assert bandages.active and not courses["31"].active
    assert last.complete


async def test_without_categories_the_catalogue_is_read_at_once(site: Site, moodle: Callable[..., Connector]) -> None:
    site.functions.discard("core_course_get_categories")
    records, last = await fetch_all(moodle(), Stream.CATALOGUE)
    assert {(r.external_id, r.category) for r in records if isinstance(r, Course)} == {
        (c, "Safety") for c in ("21", "22", "31")
    }
    assert last.complete


async def test_a_large_catalogue_goes_on_from_each_place(site: Site, moodle: Callable[..., Connector]) -> None:
    site.categories = [{"id": n, "name": f"K{n}", "path": f"/{n}", "coursecount": 20} for n in range(50)]
    site.courses = {n: course(n, f"Course {n}", n % 50) for n in range(1000)}
    pages, cursor = 0, None
    seen: list[str] = []
    while True:
        page = await moodle().fetch(Stream.CATALOGUE, cursor, Scope())
        seen += [r.external_id for r in page.records if isinstance(r, Course)]
        pages += 1
        if page.next is None:
            break
        assert not page.complete
        cursor = json.loads(json.dumps(page.next))
    assert len(seen) == len(set(seen)) == 1000 and page.complete and pages == 10


async def test_enrolments_are_learners_and_the_suspended_are_withdrawn(
    site: Site, moodle: Callable[..., Connector]
) -> None:
    records, last = await fetch_all(moodle(), Stream.ENROLMENTS, ("21", "22"))
    found = {r.external_id: r for r in records if isinstance(r, Enrolment)}
    assert {k: e.status for k, e in found.items()} == {
        "21:11": None,
        "21:12": None,
        "21:13": "withdrawn",
        "22:11": None,
    }
    assert found["21:11"].user == ANNA
    assert last.complete


async def test_long_rosters_are_paged_and_go_on_from_each_place(site: Site, moodle: Callable[..., Connector]) -> None:
    for n in range(1000, 1250):
        site.users[n] = {
            "id": n,
            "username": f"u{n}",
            "fullname": f"U {n}",
            "email": f"u{n}@example.org",
            "idnumber": "",
        }
        site.enrol(22, n)
    cursor, seen = None, []
    while True:
        page = await moodle().fetch(Stream.ENROLMENTS, cursor, Scope(courses=("21", "22")))
        seen += [r.external_id for r in page.records if isinstance(r, Enrolment)]
        if page.next is None:
            break
        cursor = json.loads(json.dumps(page.next))
    assert len(seen) == len(set(seen)) == 254


async def test_a_course_that_may_not_be_read_is_told_and_its_enrolments_are_not_gone(
    site: Site, moodle: Callable[..., Connector]
) -> None:
    site.lacks.add("course 21")
    connector = moodle()
    page = await connector.fetch(Stream.ENROLMENTS, None, Scope(courses=("21", "22")))
    assert page.rejected[0][0] == {"course": "21"} and "View participants" in page.rejected[0][1]
    records, last = await fetch_all(connector, Stream.ENROLMENTS, ("21", "22"))
    assert [r.external_id for r in records if isinstance(r, Enrolment)] == ["22:11"]
    assert not last.complete


async def test_a_course_that_was_deleted_has_no_enrolments(site: Site, moodle: Callable[..., Connector]) -> None:
    records, last = await fetch_all(moodle(), Stream.ENROLMENTS, ("22", "99"))
    assert len(records) == 1 and last.complete


async def test_progress_of_scorm_quiz_and_page(site: Site, moodle: Callable[..., Connector]) -> None:
    records, _ = await fetch_all(moodle(), Stream.PROGRESS, ("21",))
    anna = next(r for r in records if isinstance(r, Enrolment) and r.external_id == "21:11")
    modules = {m.module_id: m for m in records if isinstance(m, ModuleProgress) and m.enrolment == "21:11"}
    assert (anna.status, anna.progress) == ("active", 50.0)
    assert anna.extra["raw"] == 71.5 and anna.extra["percent"] == 71.5
    assert {m: (x.status, x.progress, x.score) for m, x in modules.items()} == {
        "101": ("passed", 100, 80.0),
        # Graded from 1 to 5; the outcome beside it does not count.
        "102": ("failed", 0, 50.0),
        "103": ("not_started", 0, None),
        "104": ("completed", 100, None),
    }
    assert modules["101"].module_name == "Knots" and modules["101"].extra["section"] == "Week 1"
    assert modules["101"].extra | {"raw": 8, "min": 0, "max": 10, "modname": "scorm"} == modules["101"].extra
    assert modules["104"].module_name == "forum 104"
    assert modules["101"].completed_at == at(T - 100) and modules["102"].completed_at is None
    assert modules["101"].data_at == at(T)


async def test_time_and_unfinished_attempts_of_scorm_packages(site: Site, moodle: Callable[..., Connector]) -> None:
    site.statuses[21, 11] = [status(101, 2, T - 100), status(105, 0), status(106, 0), status(107, 0)]
    site.scos = {201: [1001], 205: [1005, 1006], 206: [1007], 207: [1008]}
    tracks = {
        "status": "passed",
        "total_time": "PT1H30M5.5S",
        "x.start.time": str(T - 9_000),
        "timemodified": str(T - 90),
    }
    site.tracks = {
        (1001, 11): (2, tracks | {"cmi.success_status": "passed"}),
        (1005, 11): (1, {"status": "completed", "total_time": "00:10:30.50"}),
        (1006, 11): (1, {"status": "incomplete", "total_time": "00:01:00"}),
        (1007, 11): (1, {"status": "incomplete", "total_time": "nonsense", "cmi.progress_measure": "0.25"}),
    }
    records, _ = await fetch_all(moodle(), Stream.PROGRESS, ("21",))
    found = {m.module_id: m for m in records if isinstance(m, ModuleProgress) and m.enrolment == "21:11"}
    assert {k: (m.status, m.progress, m.time_spent_seconds) for k, m in found.items()} == {
        "101": ("passed", 100, 5405),
        "105": ("in_progress", 50, 690),
        "106": ("in_progress", 25, None),
        "107": ("not_started", 0, None),
    }
    assert (found["101"].started_at, found["101"].last_accessed_at) == (at(T - 9_000), at(T - 90))
    assert found["101"].extra["attempt"] == 2


@pytest.mark.parametrize(
    "missing", ["mod_scorm_get_scorm_scoes", "mod_scorm_get_scorm_sco_tracks", "scorm 201", "mod/scorm:viewreport"]
)
async def test_packages_that_tell_nothing_are_still_modules(
    site: Site, moodle: Callable[..., Connector], missing: str
) -> None:
    site.scos = {201: [1001]}
    site.functions.discard(missing)
    site.lacks.add(missing)
    records, _ = await fetch_all(moodle(), Stream.PROGRESS, ("21",))
    found = {m.module_id: m for m in records if isinstance(m, ModuleProgress) and m.enrolment == "21:11"}
    assert len(found) == 4 and found["101"].status == "passed" and found["101"].time_spent_seconds is None


async def test_each_page_holds_the_enrolment_before_its_modules(site: Site, moodle: Callable[..., Connector]) -> None:
    records, _ = await fetch_all(moodle(), Stream.PROGRESS, ("21", "22"))
    known = set()
    for record in records:
        if isinstance(record, Enrolment):
            known.add(record.external_id)
        else:
            assert isinstance(record, ModuleProgress) and record.enrolment in known
        assert from_json(json.loads(json.dumps(to_json(record)))) == record


async def test_a_completed_course(site: Site, moodle: Callable[..., Connector]) -> None:
    site.completed[21, 11] = T + 500
    records, _ = await fetch_all(moodle(), Stream.PROGRESS, ("21",))
    anna = next(r for r in records if isinstance(r, Enrolment) and r.external_id == "21:11")
    assert (anna.status, anna.progress, anna.completed_at, anna.data_at) == ("completed", 100, at(T + 500), at(T + 500))


async def test_a_course_without_completion_tracking_goes_by_its_grades(
    site: Site, moodle: Callable[..., Connector]
) -> None:
    site.grades[22, 11] = [grade(201, 9, 0, 10, T), grade(202, None, 0, 10), grade(None, 9, 0, 20)]
    records, _ = await fetch_all(moodle(), Stream.PROGRESS, ("22",))
    modules = {m.module_id: m for m in records if isinstance(m, ModuleProgress)}
    assert {m: (x.status, x.score, x.module_name) for m, x in modules.items()} == {
        "201": ("completed", 90.0, "Item 201"),
        "202": ("not_started", None, "Item 202"),
    }


async def test_a_grade_before_completion_is_in_progress(site: Site, moodle: Callable[..., Connector]) -> None:
    site.statuses[21, 11] = [status(102, 0, 0, "quiz")]
    records, _ = await fetch_all(moodle(), Stream.PROGRESS, ("21",))
    assert [m.status for m in records if isinstance(m, ModuleProgress) and m.enrolment == "21:11"] == ["in_progress"]


async def test_only_people_whose_access_moved_are_asked_about(site: Site, moodle: Callable[..., Connector]) -> None:
    _, last = await fetch_all(moodle(), Stream.PROGRESS, ("21", "22"))
    assert last.watermark is not None
    # The site's clock, with room for what Moodle notes late.
    assert 500 < datetime.now(UTC).timestamp() - last.watermark["since"] < 700
    site.calls.clear()
    records, again = await fetch_all(moodle(), Stream.PROGRESS, ("21", "22"), since=last.watermark)
    assert records == [] and set(site.calls) == {"core_enrol_get_enrolled_users"}
    site.enrolled[22, 11]["lastcourseaccess"] = int(last.watermark["since"]) + 1
    records, _ = await fetch_all(moodle(), Stream.PROGRESS, ("21", "22"), since=again.watermark)
    assert [r.external_id for r in records if isinstance(r, Enrolment)] == ["22:11"]


async def test_where_the_site_hides_last_accesses_everybody_is_asked_about(
    site: Site, moodle: Callable[..., Connector]
) -> None:
    site.lacks.add("moodle/course:viewhiddenuserfields")
    records, _ = await fetch_all(moodle(), Stream.PROGRESS, ("21",), since={"since": T + 10_000})
    assert {r.external_id for r in records if isinstance(r, Enrolment)} == {"21:11", "21:12"}


async def test_progress_goes_on_from_each_place_in_a_fresh_connector(
    site: Site, moodle: Callable[..., Connector]
) -> None:
    for n in range(1000, 1110):
        site.users[n] = {
            "id": n,
            "username": f"u{n}",
            "fullname": f"U {n}",
            "email": f"u{n}@example.org",
            "idnumber": "",
        }
        site.enrol(22, n, access=T)
    cursor, seen = None, []
    while True:
        before = len(site.calls)
        page = await moodle().fetch(Stream.PROGRESS, cursor, Scope(courses=("21", "22")))
        assert len(site.calls) - before <= 10
        seen += [r.external_id for r in page.records if isinstance(r, Enrolment)]
        if page.next is None:
            break
        cursor = json.loads(json.dumps(page.next))
    assert len(seen) == len(set(seen)) == 113


async def test_one_person_who_may_not_be_seen_stops_nobody(site: Site, moodle: Callable[..., Connector]) -> None:
    site.lacks.add("user 12")
    connector = moodle()
    first = await connector.fetch(Stream.PROGRESS, None, Scope(courses=("21",)))
    page = await connector.fetch(Stream.PROGRESS, first.next, Scope(courses=("21",)))
    assert [r.external_id for r in page.records if isinstance(r, Enrolment)] == ["21:11"]
    assert [what for what, _ in page.rejected] == [{"course": "21", "user": "12"}]


async def test_without_grades_there_is_progress_all_the_same(site: Site, moodle: Callable[..., Connector]) -> None:
    site.functions -= {"gradereport_user_get_grade_items", "core_course_get_contents"}
    records, _ = await fetch_all(moodle(), Stream.PROGRESS, ("21",))
    modules = {m.module_id: m for m in records if isinstance(m, ModuleProgress)}
    assert modules["101"].status == "passed" and modules["101"].score is None


async def test_badges_are_credentials(site: Site, moodle: Callable[..., Connector]) -> None:
    site.badges[11] = [
        {"id": 1, "name": "First aider", "uniquehash": "abc", "dateissued": T, "dateexpire": T + 86400 * 365, "courseid": 21, "issuername": "School"},
        {"id": 2, "name": "Site badge", "uniquehash": "def", "dateissued": T, "dateexpire": None},
        {"id": 3, "name": "Broken"},
    ]  # fmt: skip
    records, last = await fetch_all(moodle(), Stream.CREDENTIALS, ("21",))
    badges = {c.external_id: c for c in records if isinstance(c, Credential)}
    assert set(badges) == {"abc", "def"}
    assert badges["abc"].issued == at(T).date() and badges["abc"].expires == at(T + 86400 * 365).date()
    assert badges["abc"].enrolment == "21:11" and badges["def"].enrolment is None
    assert (badges["abc"].verification_url or "").endswith("/moodle/badges/badge.php?hash=abc")
    assert last.watermark


@pytest.mark.parametrize("answer", [None, {}, {"courses": None}, {"courses": {}}, "nothing", {"warnings": []}])
async def test_a_list_that_is_none_is_not_taken_for_an_empty_one(
    site: Site, moodle: Callable[..., Connector], answer: Any
) -> None:
    for stream, first in (
        (Stream.CATALOGUE, [JSONResponse([{"id": 5}])]),
        (Stream.ENROLMENTS, []),
        (Stream.CATALOGUE, []),
    ):
        site.answers = [*first, JSONResponse(answer)]
        with pytest.raises(PartnerAnswerError):
            await moodle().fetch(stream, None, Scope(courses=("21",)))
        site.answers = []


async def test_broken_rows_are_put_aside_with_a_reason(site: Site, moodle: Callable[..., Connector]) -> None:
    broken: list[Any] = [None, 7, [], {"id": None}, {"id": {}}]
    moodle_ = moodle()
    site.answers = [
        JSONResponse([{"id": 5, "coursecount": 3}]),
        JSONResponse({"courses": [*broken, course(21, "Good")]}),
    ]
    page = await moodle_.fetch(Stream.CATALOGUE, None, Scope())
    assert len(page.records) == 1 and len(page.rejected) == 5
    site.answers = [JSONResponse([*broken, {"id": 12, "fullname": "B\0en"}])]
    page = await moodle_.fetch(Stream.ENROLMENTS, None, Scope(courses=("21",)))
    assert len(page.records) == 1 and len(page.rejected) == 5


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (JSONResponse({"exception": "x", "errorcode": "invalidtoken", "message": "Invalid token"}), PartnerRefusedError, "run out"),
        (JSONResponse({"exception": "x", "errorcode": "accessexception", "message": "no"}), PartnerRefusedError, "does not allow core_enrol_get_enrolled_users"),
        (JSONResponse({"exception": "x", "errorcode": "sitemaintenance", "message": "down"}), PartnerUnreachableError, "maintenance"),
        (JSONResponse({"exception": "x", "errorcode": "dmlreadexception", "message": "no"}), PartnerUnreachableError, "down"),
        (HTMLResponse("<b>Warning</b>: PHP", 200), PartnerAnswerError, "a web page"),
        (Response("Forbidden", 403), PartnerRefusedError, "switched off"),
    ],
)  # fmt: skip
async def test_what_holds_for_every_call_ends_the_run(
    site: Site, moodle: Callable[..., Connector], answer: Response, kind: type[PartnerError], words: str
) -> None:
    site.answers = [answer]
    with pytest.raises(kind, match=words):
        await moodle().fetch(
            Stream.CREDENTIALS, {"course": "21", "offset": 0, "todo": [], "started": None}, Scope(courses=("21",))
        )


async def test_the_token_is_in_no_address(site: Site, moodle: Callable[..., Connector]) -> None:
    await moodle().check()
    assert not any(TOKEN in url for url in site.urls)


async def test_check_says_what_works(site: Site, moodle: Callable[..., Connector]) -> None:
    found = await moodle().check()
    assert {c.state for c in found} == {"ok"}
    assert "Feuerwehrschule" in found[0].what and "4.5.2" in found[0].what and "courseyard" in found[0].detail


async def test_check_names_missing_functions_and_rights(site: Site, moodle: Callable[..., Connector]) -> None:
    site.functions -= {"gradereport_user_get_grade_items", "core_enrol_get_enrolled_users"}
    site.lacks.add("moodle/course:view")
    found = {c.what: c for c in await moodle().check()}
    scores = found["No scores: the token's service lacks gradereport_user_get_grade_items."]
    assert scores.state == "warning" and "External services" in scores.detail
    assert found["No enrolments: the token's service lacks core_enrol_get_enrolled_users."].state == "failed"
    assert any(c.state == "failed" and "may not see courses" in c.what for c in found.values())


async def test_check_with_a_wrong_token_and_with_an_empty_service(site: Site, moodle: Callable[..., Connector]) -> None:
    with pytest.raises(PartnerRefusedError, match="does not know this token"):
        await moodle(token="wrong").check()
    site.functions.clear()
    found = await moodle().check()
    assert found[0].state == "failed" and "core_webservice_get_site_info" in found[0].detail


async def test_people_are_found_by_id_then_id_number_then_mail(site: Site, moodle: Callable[..., Connector]) -> None:
    connector = moodle()
    assert await connector.find_users(Person("x", "ANNA@example.org", "Anna")) == [ANNA]
    assert await connector.find_users(Person("P-12", "anna@example.org", "Anna")) == [
        User(external_id="12", email="ben@example.org", name="Ben Bo", sis_id="P-12")
    ]
    assert (await connector.find_users(Person("x", "anna@example.org", "", "13")))[0].external_id == "13"
    assert await connector.find_users(Person("x", "nobody@example.org", "")) == []


async def test_an_account_is_made_once(site: Site, moodle: Callable[..., Connector]) -> None:
    person = Person("7d0c1c52-aaaa-4bbb-8ccc-000000000001", "Müller+A@example.org", "Eva Maria Müller")
    made = await moodle().make_user(person)
    assert (await moodle().make_user(person)).external_id == made.external_id
    assert len(site.users) == 5
    row = site.users[int(made.external_id)]
    assert (row["username"], row["fullname"], row["idnumber"]) == (
        person.profile_id,
        "Eva Maria Müller",
        person.profile_id,
    )


async def test_an_account_that_stands_is_taken(site: Site, moodle: Callable[..., Connector]) -> None:
    assert await moodle().make_user(Person("x", "anna@example.org", "Anna")) == ANNA
    site.users[15] = site.users[11] | {"id": 15, "username": "anna2"}
    with pytest.raises(PartnerCannotError, match="2 accounts"):
        await moodle().make_user(Person("x", "anna@example.org", "Anna"))
    with pytest.raises(PartnerCannotError, match="e-mail"):
        await moodle().make_user(Person("x", None, "Anna"))


async def test_enrolling_twice_is_enrolling_once(site: Site, moodle: Callable[..., Connector]) -> None:
    first = await moodle().enrol(ANNA, "31")
    assert (first.external_id, first.status) == ("31:11", "active")
    site.enrolled[31, 11]["lastcourseaccess"] = T
    site.completed[31, 11] = T
    again = await moodle().enrol(ANNA, "31")
    assert (again.external_id, again.status, again.data_at) == ("31:11", "completed", at(T))
    assert site.calls.count("enrol_manual_enrol_users") == 1


async def test_who_was_suspended_is_active_again(site: Site, moodle: Callable[..., Connector]) -> None:
    await moodle().enrol(User(external_id="13"), "21")
    assert not site.enrolled[21, 13]["suspended"]


async def test_a_course_that_takes_nobody_by_hand_says_so(site: Site, moodle: Callable[..., Connector]) -> None:
    site.courses[31]["manual"] = False
    with pytest.raises(PartnerAnswerError, match="Manual enrolment plugin"):
        await moodle().enrol(ANNA, "31")
    with pytest.raises(PartnerRefusedError, match="assign this role"):
        await moodle(role_id="4").enrol(ANNA, "31")


async def test_ending_twice_is_ending_once(site: Site, moodle: Callable[..., Connector]) -> None:
    for _ in range(2):
        await moodle().withdraw("21:11", ANNA, "21")
    assert (21, 11) not in site.enrolled


async def test_an_enrolment_by_a_cohort_cannot_be_ended_from_here(site: Site, moodle: Callable[..., Connector]) -> None:
    site.enrolled[21, 11]["way"] = "cohort"
    with pytest.raises(PartnerCannotError, match="another way"):
        await moodle().withdraw("21:11", ANNA, "21")


async def test_launch_opens_the_course(moodle: Callable[..., Connector]) -> None:
    url = await moodle().launch_url("21:11", ANNA, "21", None)
    assert url.endswith("/moodle/course/view.php?id=21")


@pytest.mark.parametrize("mapped_by", ["id", "email", "idnumber"])
async def test_launch_signs_people_in_where_the_site_has_the_plugin(
    moodle: Callable[..., Connector], site: Site, mapped_by: str
) -> None:
    connector = moodle(sign_on=mapped_by)
    site.mapped_by, site.login_at = mapped_by, connector.client.base_url
    page = connector.client.base_url + "/course/view.php?id=21"
    assert await connector.launch_url("21:11", ANNA, "21", None) == (
        f"{site.login_at}/auth/userkey/login.php?key=key-of-11&wantsurl={quote(page, safe='')}"
    )
    # Whom the site does not know, or whose address is not known here, signs in there; so does everybody if it lies.
    stranger = User(external_id="99", email=None)
    assert await connector.launch_url("21:99", stranger, "21", None) == page
    site.login_at = "https://elsewhere.example.org"
    assert await connector.launch_url("21:11", ANNA, "21", None) == page
    site.functions.discard("auth_userkey_request_login_url")
    assert await connector.launch_url("21:11", ANNA, "21", None) == page
    told = {check.what: check.state for check in await connector.check()}
    assert told["No single sign-on: the token's service lacks auth_userkey_request_login_url."] == "failed"


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from([10**400, "\ud800", "0000-00-00", "21", "scorm", "sco"]),
)
names = st.sampled_from([
    "id", "name", "path", "coursecount", "courses", "fullname", "visible", "timemodified", "customfields", "shortname",
    "email", "lastcourseaccess", "roles", "statuses", "cmid", "state", "tracking", "timecompleted", "completionstatus", "completed",
    "completions", "usergrades", "gradeitems", "itemtype", "itemnumber", "graderaw", "grademin", "grademax", "modules", "badges",
    "instance", "scoes", "scormtype", "data", "tracks", "element", "value", "attempt",
    "uniquehash", "dateissued", "courseid", "modname", "format", "summary",
])  # fmt: skip
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=8), max_leaves=40
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(answers=st.lists(anything, min_size=1, max_size=6), stream=st.sampled_from(list(Stream)))
async def test_no_answer_breaks_the_connector(answers: list[Any], stream: Stream) -> None:
    left = list(answers)

    def answer(_request: httpx.Request) -> httpx.Response:
        found = left.pop(0) if left else None
        return httpx.Response(200, text=json.dumps(found), headers={"Date": "yesterday"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        client = PartnerClient(http, "https://moodle.example", requests_per_minute=60_000)
        connector = Moodle(Config("p", {"token": "t"}), client)
        cursor = None
        for _ in range(10):
            try:
                page = await connector.fetch(stream, cursor, Scope(courses=("21", "22"), now=NOW))
            except PartnerError:
                return
            for record in page.records:
                assert from_json(json.loads(json.dumps(to_json(record)).encode())) == record
            if page.next is None:
                return
            cursor = json.loads(json.dumps(page.next))
