"""Each LMS through the sync, into the organisation's tables: what one run knows, the next must not forget."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from fix_web import RunningSite
from partners.standins import canvas, moodle, oneroster, oneroster_csv, scormcloud
from starlette.responses import Response

from courseyard.partners.connector import Delivery, Stream
from courseyard.partners.providers import Draft, Settings
from courseyard.partners.sources import open_source

T = 1_780_000_000


@pytest.fixture
def follow(site: RunningSite, serve: Callable[[Any], str]) -> Callable[..., Callable[..., dict[str, Any]]]:
    """Sets a provider up; what comes back runs its streams, all of them by default. ``{here}`` is its address."""

    def make(
        kind: str, app: Any = None, token: str = "", folder: str = "", **more: str
    ) -> Callable[..., dict[str, Any]]:
        here = serve(app) + folder if app else ""
        options = {name: value for name, value in (("base_url", here), ("token", token)) if value}
        options |= {name: value.format(here=here) for name, value in more.items()}
        settings = Settings(import_rule="all", schedule_minutes=None, requests_per_minute=6_000)
        hub = site.services.hub
        provider = site.run(hub.providers.save(Draft(kind, kind.title(), options, settings)))

        def run(*streams: Stream, status: str = "succeeded", **how: Any) -> dict[str, Any]:
            run_id = site.run(hub.runs.start(provider, streams, **how))
            site.run(hub.syncs.work(run_id))
            found: dict[str, Any] = site.run(hub.runs.run(run_id))
            assert found["status"] == status, found
            return found

        return run

    return make


def enrolments(site: RunningSite) -> dict[str, tuple[str, float]]:
    rows = site.sql("select external_enrollment_id, status, progress_percentage from public.partner_lms_enrollments")
    return {key: (status, float(progress)) for key, status, progress in rows}


def test_moodle(site: RunningSite, follow: Callable[..., Callable[..., dict[str, Any]]]) -> None:
    there = moodle.Site()
    there.categories = [{"id": 2, "name": "First aid", "parent": 0, "path": "/2", "coursecount": 1}]
    there.courses = {21: moodle.course(21, "Bandages")}
    for number, name in ((11, "anna"), (12, "ben"), (13, "cem")):
        site.person(email=f"{name}@example.org")
        there.users[number] = {"id": number, "username": name, "fullname": name, "email": f"{name}@example.org"}
    there.enrol(21, 11, access=T)
    # Ben's course was completed for him by a teacher; he was never there.
    there.enrol(21, 12)
    there.enrol(21, 13, access=T)
    there.statuses[21, 11] = [moodle.status(101, 2, T - 100), moodle.status(102, 0, modname="quiz")]
    there.grades[21, 11] = [moodle.grade(101, 8, 0, 10, T - 100)]
    there.completed = {(21, 11): 0, (21, 12): T + 500, (21, 13): T + 100}
    there.badges[11] = [{"name": "First aider", "uniquehash": "abc", "dateissued": T, "courseid": 21}]
    sync = follow("moodle", there.app, moodle.TOKEN, "/moodle")
    sync()
    assert enrolments(site) == {"21:11": ("active", 50), "21:12": ("completed", 100), "21:13": ("completed", 100)}
    assert site.sql(
        "select module_id, module_name, status, score from public.external_module_progress order by module_id"
    ) == [("101", "Item 101", "passed", 80), ("102", "quiz 102", "not_started", None)]
    assert site.sql("select credential_name, partner_enrollment_id is not null from public.partner_credentials") == [
        ("First aider", True)
    ]

    assert sync()["changes"] == 0
    assert sync(Stream.ENROLMENTS)["changes"] == 0
    assert sync(drift=True)["changes"] == 0

    there.enrolled[21, 13]["suspended"] = True
    del there.enrolled[21, 11]
    sync(Stream.ENROLMENTS)
    assert {k: status for k, (status, _) in enrolments(site).items()} == {
        "21:11": "withdrawn", "21:12": "completed", "21:13": "withdrawn",
    }  # fmt: skip
    there.enrolled[21, 13]["suspended"] = False
    there.enrol(21, 11)
    sync(Stream.ENROLMENTS)
    assert {k: status for k, (status, _) in enrolments(site).items()} == {
        "21:11": "active", "21:12": "completed", "21:13": "active",
    }  # fmt: skip
    sync(drift=True)
    assert enrolments(site)["21:13"] == ("completed", 100)


def test_what_the_database_cannot_hold_is_put_aside_all_the_same(
    site: RunningSite, follow: Callable[..., Callable[..., dict[str, Any]]]
) -> None:
    there = canvas.School()
    sync = follow("canvas", there.app, canvas.TOKEN)
    raw = r'[{"id": null, "na\u0000me": "\u0000", "x": NaN, "y": "\ud800"}, {"id": 5, "name": "Go\u0000od"}]'
    there.answers = [Response(raw, media_type="application/json")]
    run = sync(Stream.CATALOGUE, status="partial")
    assert (run["records_processed"], run["records_failed"]) == (2, 1)
    assert site.sql("select course_name from public.partner_courses") == [("Good",)]


def test_canvas(site: RunningSite, follow: Callable[..., Callable[..., dict[str, Any]]]) -> None:
    there = canvas.School()
    there.users[1] = {"id": 1, "name": "Courseyard"}
    for number, name in ((11, "isaac"), (12, "ada")):
        site.person(email=f"{name}@example.org")
        there.users[number] = {"id": number, "name": name, "email": f"{name}@example.org"}
    there.courses = [canvas.course(21, "Physics")]
    there.enrolments = [
        canvas.enrolment(901, 21, 11, last_activity_at="2026-03-01T10:00:00Z"),
        canvas.enrolment(902, 21, 12, "invited"),
    ]
    there.modules[21] = [
        canvas.module(
            1, "Light",
            canvas.item(101, "Read me", "Page", requirement={"type": "must_view"}),
            canvas.item(102, "Prism", "Assignment", 602, {"type": "min_score", "min_score": 8}),
        )
    ]  # fmt: skip
    there.met = {(11, 101)}
    there.submissions = [canvas.submission(21, 11, 602, "graded", 9, "2026-03-01T09:00:00Z")]
    sync = follow("canvas", there.app, canvas.TOKEN)
    sync()
    assert enrolments(site) == {"21:11": ("active", 50), "21:12": ("pending", 0)}
    assert site.sql(
        "select module_id, module_name, status, score from public.external_module_progress order by module_id"
    ) == [("assignment:602", "Prism", "failed", 90), ("item:101", "Read me", "completed", None)]
    assert sync()["changes"] == 0

    there.met.add((11, 102))
    there.completed[11, 1] = "2026-03-01T11:00:00Z"
    there.enrolments[0]["last_activity_at"] = datetime.now(UTC).isoformat()
    there.enrolments[1]["enrollment_state"] = "inactive"
    sync()
    assert enrolments(site) == {"21:11": ("completed", 100), "21:12": ("withdrawn", 0)}
    assert sync()["changes"] == 0
    assert sync(drift=True)["changes"] == 0


def test_scorm_cloud(site: RunningSite, follow: Callable[..., Callable[..., dict[str, Any]]]) -> None:
    there = scormcloud.Cloud()
    there.course("fire")
    for name in ("anna", "ben"):
        site.person(email=f"{name}@example.org")
        there.register(f"r-{name}", "fire", name)
    parts = [
        scormcloud.activity("sco1", attempts=1, activityCompletion="COMPLETED", score={"scaled": 80}),
        scormcloud.activity("sco2"),
    ]
    there.registrations["r-anna"] |= {
        "registrationCompletion": "INCOMPLETE", "registrationCompletionAmount": 0.5,
        "activityDetails": scormcloud.activity("ORG", children=parts),
    }  # fmt: skip
    credentials = {"app_id": scormcloud.APP, "secret": scormcloud.SECRET, "postback_password": "push"}
    sync = follow("scormcloud", there.app, folder="/api/v2", **credentials)
    sync()
    assert enrolments(site) == {"r-anna": ("active", 50), "r-ben": ("active", 0)}
    assert sync()["changes"] == 0

    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    done = [part | {"activityCompletion": "COMPLETED", "attempts": 1} for part in parts]
    there.registrations["r-anna"] |= {
        "registrationCompletion": "COMPLETED", "updated": now, "completedDate": now,
        "activityDetails": scormcloud.activity("ORG", children=done),
    }  # fmt: skip
    hub = site.services.hub
    ((provider,),) = site.sql("select id::text from public.partner_lms_providers")
    data = json.dumps(there.registrations["r-anna"])
    postback = urlencode({"data": data, "userName": "courseyard", "password": "push"}).encode()
    for _ in range(2):
        form = Delivery({}, postback, datetime.now(UTC), "application/x-www-form-urlencoded; charset=UTF-8")
        site.run(hub.inbox.receive(provider, form))
        site.run(hub.schedule.work_inbox(provider))
        assert enrolments(site) == {"r-anna": ("completed", 100), "r-ben": ("active", 0)}

    del there.registrations["r-ben"]
    sync()
    assert enrolments(site) == {"r-anna": ("completed", 100), "r-ben": ("withdrawn", 0)}
    assert sync()["changes"] == 0
    # The first comparison notes that the part that stayed as it was is told anew.
    sync(drift=True)
    assert sync(drift=True)["changes"] == 0


def test_oneroster(site: RunningSite, follow: Callable[..., Callable[..., dict[str, Any]]]) -> None:
    there = oneroster.school()
    there.add("users", "u3", givenName="Cem", familyName="Can", email="u3@example.org")
    there.add("enrollments", "e-u3", user=oneroster.to("user", "u3"), role="student", **{"class": oneroster.to("class", "m1")})  # fmt: skip
    for name in ("u1", "u2", "u3"):
        site.person(email=f"{name}@example.org")
    sync = follow(
        "oneroster", there.app, token_url="{here}/token", client_id=oneroster.CLIENT, client_secret=oneroster.SECRET
    )
    sync()
    assert enrolments(site)["m1:u1"][0] == enrolments(site)["m1:u2"][0] == "active"
    assert round(enrolments(site)["m1:u1"][1]) == 67
    assert sync()["changes"] == 0
    assert sync(drift=True)["changes"] == 0

    later = "2026-11-05T08:00:00.000Z"
    for who, item in (("u1", "l3"), ("u2", "l1"), ("u2", "l2")):
        there.add("results", f"new-{who}-{item}", dateLastModified=later, scoreStatus="fully graded", score=9,
                  lineItem=oneroster.to("lineItem", item), student=oneroster.to("user", who))  # fmt: skip
    there.rows["results"] = [r for r in there.rows["results"] if r["sourcedId"] != "r3"]
    there.touch("enrollments", "e-u2", later, status="tobedeleted")
    sync()
    assert enrolments(site)["m1:u1"] == ("completed", 100)
    assert enrolments(site)["m1:u2"][0] == "withdrawn"
    assert sync()["changes"] == 0

    # Deleted for good and without a word: only a comparison can tell.
    there.rows["enrollments"] = [e for e in there.rows["enrollments"] if e["sourcedId"] != "e-u3"]
    assert sync()["changes"] == 0
    sync(drift=True)
    assert enrolments(site)["m1:u3"][0] == "withdrawn"


def test_oneroster_csv(site: RunningSite, follow: Callable[..., Callable[..., dict[str, Any]]]) -> None:
    for name in ("anna", "ben"):
        site.person(email=f"{name}@example.org")
    sync = follow("oneroster_csv")
    ((provider,),) = site.sql("select id::text from public.partner_lms_providers")
    uploads = open_source(site.services.hub.providers.upload_location(provider))
    files = oneroster_csv.BULK
    site.run(uploads.write("1.zip", oneroster_csv.packed(files, dict.fromkeys(files, "bulk"))))
    sync()
    assert enrolments(site) == {"m1:u1": ("active", 50), "m1:u2": ("active", 0)}
    assert sync()["changes"] == 0

    changed = {
        "results": oneroster_csv.header("results") + "r5,active,2026-11-05T08:00:00Z,l2,u1,exempt,,2026-11-05,\n",
        "enrollments": oneroster_csv.header("enrollments")
        + "e2,tobedeleted,2026-11-05T08:00:00Z,m1,s1,u2,student,,,\n",
    }
    site.run(uploads.write("2.zip", oneroster_csv.packed(changed, dict.fromkeys(changed, "delta"))))
    sync()
    assert {key: status for key, (status, _) in enrolments(site).items()} == {
        "m1:u1": "completed",
        "m1:u2": "withdrawn",
    }
    assert sync()["changes"] == 0

    files = files | {"classes": oneroster_csv.header("classes") + "m1,,,Maths,09,c1,MA-1a,scheduled,,s1,t1,,,\n"}
    site.run(uploads.write("3.zip", oneroster_csv.packed(files, dict.fromkeys(files, "bulk"))))
    sync(Stream.CATALOGUE)
    assert site.sql("select course_name, active from public.partner_courses order by course_name") == [
        ("Maths", True), ("Maths 1b", False),
    ]  # fmt: skip
