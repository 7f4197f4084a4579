"""The sync log, accounts and waiting records as an administrator sees and uses them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fix_web import RunningSite
from partners.scripted import Scripted, course, credential, draft, enrolment, module, page, scripted_kind

from courseyard.errors import PartnerRefusedError, PartnerUnreachableError
from courseyard.main import compose
from courseyard.partners.connector import Page, Stream


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Scripted]]:
    with scripted_kind(monkeypatch) as kind:
        yield kind


class Office:
    """An administrator at a provider's pages."""

    def __init__(self, site: RunningSite, **settings: Any) -> None:
        self.site, self.hub = site, site.services.hub
        self.id = site.run(
            self.hub.providers.save(draft(**{"import_rule": "all", "schedule_minutes": None, **settings}))
        )
        self.admin = site.browser(site.person("admin"))
        self.own = f"/partners/providers/{self.id}"

    def run(self, *streams: Stream, **how: Any) -> str:
        run_id = self.site.run(self.hub.runs.start(self.id, streams, **how))
        self.site.work()
        return str(run_id)

    def text(self, path: str, status: int = 200) -> str:
        answer = self.admin.get(path)
        assert answer.status_code == status, answer.text
        return words(answer)


def words(answer: httpx.Response) -> str:
    """A page's text, white space folded."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


@pytest.fixture
def office(site: RunningSite, partner: type[Scripted]) -> Office:
    return Office(site)


def test_the_log_lists_runs_and_filters_them(partner: type[Scripted], office: Office) -> None:
    assert "Nothing has run yet" in office.text("/partners/log")
    partner.script = {Stream.CATALOGUE: [page(course(1))]}
    office.run(Stream.CATALOGUE)
    partner.script = {Stream.CATALOGUE: [PartnerRefusedError("The token is not accepted.")]}
    office.run(Stream.CATALOGUE)
    assert "2 runs" in office.text("/partners/log")
    failed = office.text("/partners/log?status=failed")
    assert "1 run" in failed and "The token is not accepted." in failed
    assert "No run like this." in office.text("/partners/log?type=drift")


def test_a_run_tells_what_became_of_the_records(partner: type[Scripted], office: Office) -> None:
    partner.script = {Stream.CATALOGUE: [page(course(1), course(2))], Stream.ENROLMENTS: [page(enrolment(1))]}
    run = office.run()
    text = office.text(f"/partners/log/{run}")
    assert "Courses 2 added" in text and "Enrolments 1 could not be written and wait" in text
    assert "1 record of this run still waits" in text and "Nobody here is known" in text
    partner.script = {Stream.CATALOGUE: [page(course(1, code="NEW"))], Stream.ENROLMENTS: []}
    text = office.text(f"/partners/log/{office.run(Stream.CATALOGUE)}")
    assert "Code – → NEW" in text


def test_a_run_that_works_says_at_what_and_can_be_stopped(
    site: RunningSite, partner: type[Scripted], office: Office
) -> None:
    run = site.run(office.hub.runs.start(office.id, [Stream.CATALOGUE]))
    replay = site.run(office.hub.runs.replay(office.id, None))
    path = f"/partners/log/{run}"
    assert "it begins as soon as a background worker is free" in office.text(path)
    assert "In the queue: 1 run comes first." in office.text(f"/partners/log/{replay}")
    assert "hx-get" in office.admin.get(f"{path}/state").text
    partner.script = {Stream.CATALOGUE: [PartnerUnreachableError("The partner is down.")]}
    site.work()
    text = office.text(path)
    assert "Waiting to try again, because: The partner is down. The next try is at" in text
    assert office.admin.post(f"{path}/cancel").status_code == 303
    assert "Stopping" in office.text(path)
    site.run(office.hub.syncs.work(run))
    state = office.admin.get(f"{path}/state", headers={"HX-Request": "true"}).text
    assert "Cancelled" in state and "hx-get" not in state and "The run is over: cancelled." in state
    assert office.admin.post(f"{path}/cancel").status_code == 409


def test_how_far_a_stream_is_counts_its_own_records_alone(
    site: RunningSite, partner: type[Scripted], office: Office
) -> None:
    seen: list[str] = []

    def look(answer: Page) -> Callable[[], Page]:
        def told() -> Page:
            seen.append(words(office.admin.get(f"/partners/log/{run}/state")))
            return answer

        return told

    site.person(email="lea@example.org")
    partner.script = {
        Stream.CATALOGUE: [page(course(1), course(2), total=3), look(page(course(3)))],
        Stream.ENROLMENTS: [page(enrolment(1)), look(page(enrolment(2)))],
    }
    run = site.run(office.hub.runs.start(office.id, [Stream.CATALOGUE, Stream.ENROLMENTS]))
    # In another thread than the server's, so that the page can be asked for in the middle of the run.
    asyncio.run(_apart(site, run))
    assert "Fetching courses. 2 of 3." in seen[0]
    assert "Fetching enrolments. Stop" in seen[1], "the courses' total is not the enrolments'"


async def _apart(site: RunningSite, run: str) -> None:
    async with compose(site.settings, site.database_url, site.origins) as other:
        await other.services.hub.syncs.work(run)


def test_a_dry_run_shows_what_it_would_change(partner: type[Scripted], office: Office) -> None:
    partner.script = {Stream.CATALOGUE: [page(course(1))]}
    text = office.text(f"/partners/log/{office.run(Stream.CATALOGUE, dry_run=True)}")
    assert "What it would change" in text and "Course 1" in text and "Nothing was written" in text


def test_what_is_not_imported_yet_is_not_called_lost(partner: type[Scripted], site: RunningSite) -> None:
    office = Office(site, import_rule="choose")
    partner.script = {Stream.CATALOGUE: [page(course(1), course(2))]}
    path = f"/partners/log/{office.run(Stream.CATALOGUE, dry_run=True)}"
    text = office.text(path)
    assert "Courses 2 not imported yet Choose what to import" in text and "aside" not in text
    link = re.search(r'id="choose" href="([^"]+)"', office.admin.get(path).text)[1]
    assert "Course 2" in office.text(link)


def test_changes_are_told_in_peoples_words(site: RunningSite, partner: type[Scripted], office: Office) -> None:
    site.person(email="lea@example.org")
    begun = datetime(2026, 11, 25, 22, 44, tzinfo=UTC)
    partner.script = {
        Stream.CATALOGUE: [page(course(1, duration_hours=1.5, active=False))],
        Stream.ENROLMENTS: [
            page(enrolment(1, enrolled_at=begun, extra={"suspended": False, "roles": ["student", "guest"]}))
        ],
        Stream.PROGRESS: [page(module(1, status="in_progress", score=80.0, progress=40.0, time_spent_seconds=3720))],
        Stream.CREDENTIALS: [page(credential(1, issued=begun.date()))],
    }
    run = office.run()
    text = office.text(f"/partners/log/{run}")
    for words_told in (
        "Key at the partner c1", "Open no", "Hours 1.5", "Status Active", "Suspended at the partner no",
        "Roles at the partner student, guest", "Status In progress", "Score 80 %", "Progress 40 %",
        "Time spent 1 h 2 min", "Enrolled 2026-11-25 22:44 UTC", "Issued 2026-11-25",
    ):  # fmt: skip
        assert words_told in text, words_told
    for raw in ("_", "{", "False", "None", "T22:44", "partner."):
        assert raw not in text, raw
    shown = office.admin.get(f"/partners/log/{run}").text
    assert '<time datetime="2026-11-25T22:44:00+00:00">' in shown and '<time datetime="2026-11-25" data-day>' in shown
    partner.script = {
        Stream.ENROLMENTS: [page(enrolment(1, status="withdrawn", enrolled_at=begun, extra={"suspended": True}))]
    }
    for dry in (True, False):
        text = office.text(f"/partners/log/{office.run(Stream.ENROLMENTS, dry_run=dry)}")
        assert "Suspended at the partner no → yes" in text and "Status Active → Ended" in text
        assert "Roles at the partner student, guest → –" in text


def test_a_run_tells_what_waits_now_beside_what_it_counted(
    site: RunningSite, partner: type[Scripted], office: Office
) -> None:
    rejected = [({"odd": 1}, "it has no identifier")]
    partner.script = {
        Stream.CATALOGUE: [page(course(1), rejected=rejected)],
        Stream.ENROLMENTS: [page(enrolment(1), enrolment(2, "leo")), page(enrolment(1))],
    }
    run = office.run()
    path = f"/partners/log/{run}"
    assert site.sql("select records_failed from public.lms_sync_log") == [(4,)]
    text = office.text(path)
    assert "3 Waiting now" in text and "3 records of this run still wait" in text
    assert "Enrolments 3 tries in vain (2 wait now)" in text
    assert "Courses 1 added, 1 refused or not understood, and wait" in text
    assert "4 tries were in vain; 3 of these records wait now" in text
    for page_of_it in ("/partners/log", f"{office.own}/state"):
        row = re.search(rf'<tr>(?:(?!</tr>).)*?{path}".*?</tr>', office.admin.get(page_of_it).text, re.DOTALL)[0]
        assert re.search(r'data-label="Waiting(?: now)?" class="num">(\d+)<', row)[1] == "3", page_of_it
    site.person(email="leo@example.org")
    partner.script = {Stream.ENROLMENTS: [page(enrolment(1))]}
    office.run(Stream.ENROLMENTS)
    text = office.text(path)
    assert "Enrolments 3 tries in vain (none waits now)" in text and "1 Waiting now" in text
    dry = office.text(f"/partners/log/{office.run(Stream.ENROLMENTS, dry_run=True)}")
    assert "Enrolments 1 would wait" in dry and "1 Would wait" in dry and "in vain" not in dry


def test_an_account_tells_all_that_follows_a_decision(
    site: RunningSite, partner: type[Scripted], office: Office
) -> None:
    lea = site.person(email="lea@work.example")
    partner.script = {
        Stream.CATALOGUE: [page(course(1))],
        Stream.ENROLMENTS: [page(enrolment(1), enrolment(2, "leo"), enrolment(3, course_number=9))],
        Stream.PROGRESS: [page(module(1), module(2), module(3, 2), module(4, 3))],
        Stream.CREDENTIALS: [page(credential(1))],
    }
    office.run()
    people, about = f"{office.own}/people", f"{office.own}/people/account?account=u-lea"
    shown = re.findall(r'data-label="Records waiting" class="num">(\d+)<', office.admin.get(people).text)
    assert shown == ["4", "2"], "of Lea and of Leo, modules with their enrolments"
    told = office.text(about)
    assert "4 records wait for this account and follow as soon as you decide. 2 more wait for something else" in told
    answer = office.admin.post(people, data={"account": "u-lea", "how": "person", "profile": lea})
    site.work()
    assert "Tried again: 4 written, 4 still wait" in office.text(answer.headers["location"])
    told = office.text(about)
    assert "No record waits for this decision. 2 records of it wait for something else, such as their course." in told
    answer = office.admin.post(people, data={"account": "u-leo", "how": "ignore"})
    site.work()
    told = office.text(answer.headers["location"])
    assert "Tried again: 0 written, 2 left aside, 2 still wait" in told


def test_undo_asks_first_and_is_told_after(site: RunningSite, partner: type[Scripted], office: Office) -> None:
    partner.script = {Stream.CATALOGUE: [page(course(1), course(2))]}
    run = office.run(Stream.CATALOGUE)
    site.sql("update public.partner_courses set course_name = 'Mine' where external_course_id = 'c2'")
    assert "Rows that somebody has changed since stay" in office.text(f"/partners/log/{run}/undo")
    answer = office.admin.post(f"/partners/log/{run}/undo")
    assert answer.status_code == 303
    assert site.sql("select course_name from public.partner_courses") == [("Mine",)]
    told = office.text(answer.headers["location"])
    assert "1 row put back as before. 1 stayed: somebody has changed it since." in told and "paused" in told
    assert f"/partners/log/{run}" in office.admin.get(answer.headers["location"]).text
    assert "Undone" in office.text(f"/partners/log/{run}")
    again = office.admin.post(f"/partners/log/{run}/undo")
    assert again.status_code == 409 and "undone before" in words(again)


def test_changes_name_whose_they_are(site: RunningSite, partner: type[Scripted], office: Office) -> None:
    site.sql("insert into public.profiles (email, full_name) values ('lea@example.org', 'Lea Berg')")
    partner.script = {
        Stream.CATALOGUE: [page(course(1))],
        Stream.ENROLMENTS: [page(enrolment(1))],
        Stream.PROGRESS: [page(module(1, status="completed"))],
    }
    text = office.text(f"/partners/log/{office.run()}")
    assert "Course 1, Lea Berg Enrolment, new" in text and "Module 1, Lea Berg Module, new" in text
    partner.script = {Stream.ENROLMENTS: [page(enrolment(2))]}
    dry = office.text(f"/partners/log/{office.run(Stream.ENROLMENTS, dry_run=True)}")
    assert "Course 1, Lea Berg Enrolment, new" in dry


def test_undoing_tells_before_what_it_will_do(site: RunningSite, partner: type[Scripted], office: Office) -> None:
    site.person(email="lea@example.org")
    partner.script = {Stream.CATALOGUE: [page(course(1), course(2))], Stream.ENROLMENTS: [page(enrolment(1))]}
    question = office.text(f"/partners/log/{office.run()}/undo")
    assert "2 courses that it added are deleted" in question and "1 enrolment that it added is deleted" in question
    partner.script = {Stream.CATALOGUE: [page(course(1, code="NEW"), course(2))], Stream.ENROLMENTS: []}
    changed = office.run(Stream.CATALOGUE)
    question = office.text(f"/partners/log/{changed}/undo")
    assert "1 course goes back to what it was before" in question and "that it added" not in question
    assert "Partner Academy is paused" in question
    nothing = office.run(Stream.CATALOGUE)
    assert "nothing of this run that could be undone" in office.text(f"/partners/log/{nothing}/undo", 409)
    office.admin.post(f"/partners/log/{changed}/undo")
    assert "nothing of this run that could be undone" in office.text(f"/partners/log/{changed}/undo", 409)


def test_undoing_tells_before_and_after_what_stays_and_why(
    site: RunningSite, partner: type[Scripted], office: Office
) -> None:
    site.person(email="lea@example.org")
    partner.script = {
        Stream.CATALOGUE: [page(course(1), course(2), course(3))],
        Stream.ENROLMENTS: [page(enrolment(1))],
    }
    run = office.run()
    site.sql("create table public.sessions (course_id uuid references public.partner_courses on delete cascade)")
    site.sql("insert into public.sessions select id from public.partner_courses, generate_series(1, 2)")
    site.sql(
        "delete from public.sessions where course_id in (select id from public.partner_courses where external_course_id = 'c3')"
    )
    site.sql(
        "insert into public.partner_course_mappings (partner_course_id) select min(course_id::text)::uuid from public.sessions"
    )
    question = office.text(f"/partners/log/{run}/undo")
    assert "1 course that it added is deleted." in question and "1 enrolment that it added is deleted." in question
    stays = "2, because 4 rows of public.sessions refer to them. 1, because 1 mapping refers to it."
    assert "2 courses stay as they are:" in question and stays in question
    answer = office.admin.post(f"/partners/log/{run}/undo")
    told = office.text(answer.headers["location"])
    assert "2 rows put back as before. 2 stayed." in told and f"2 courses stayed as they are: {stays}" in told
    assert site.sql("select count(*) from public.sessions") == [(4,)]
    run = office.run()
    site.sql("update public.partner_courses set course_name = 'Mine'")
    site.sql("update public.partner_lms_enrollments set status = 'expired'")
    question = office.text(f"/partners/log/{run}/undo")
    assert (
        "Nothing of what it wrote" in question
        and "1 course stays as it is: 1, because somebody has changed it since." in question
    )
    assert "Undo it" not in question


def test_what_is_gone_at_the_partner_is_told_as_a_change(
    site: RunningSite, partner: type[Scripted], office: Office
) -> None:
    site.person(email="lea@example.org")
    partner.script = {Stream.CREDENTIALS: [page(credential(1), credential(2))]}
    office.run(Stream.CREDENTIALS)
    partner.script = {Stream.CREDENTIALS: [page(credential(1))]}
    text = office.text(f"/partners/log/{office.run(Stream.CREDENTIALS)}")
    assert "1 gone at the partner" in text
    assert "Revoked – →" in text and "nothing that differs" not in text


def test_another_person_of_an_account_is_told_as_a_change(
    site: RunningSite, partner: type[Scripted], office: Office
) -> None:
    site.sql("insert into public.profiles (email, full_name) values ('lea@example.org', 'Lea Berg')")
    [(right,)] = site.sql(
        "insert into public.profiles (email, full_name) values ('l@example.org', 'Lea Berg') returning id::text"
    )
    partner.script = {Stream.CATALOGUE: [page(course(1))], Stream.ENROLMENTS: [page(enrolment(1))]}
    office.run()
    run = site.run(office.hub.identities.decide(office.id, "u-lea", right, None))
    assert "Person Lea Berg, lea@example.org → Lea Berg, l@example.org" in office.text(f"/partners/log/{run}")


def test_lists_do_not_say_that_a_run_works_before_it_does(site: RunningSite, office: Office) -> None:
    run = site.run(office.hub.runs.start(office.id, [Stream.CATALOGUE]))
    for path in ("/partners/log", f"/partners/log/{run}", f"{office.own}/state"):
        text = office.text(path)
        assert "Queued" in text, path
    assert 'class="badge running"' not in office.admin.get("/partners/log").text
    site.sql("update public.lms_sync_log set status = 'succeeded'")
    site.sql(
        "insert into public.lms_sync_log (provider_id, sync_type, status) values (%s, 'nightly', 'running')", office.id
    )
    text = office.text("/partners/log")
    assert "Nightly Partner Academy Running" in text, "one that another program keeps"


def test_accounts_are_decided_and_what_waited_follows(
    site: RunningSite, partner: type[Scripted], office: Office
) -> None:
    partner.script = {
        Stream.CATALOGUE: [page(course(1))],
        Stream.ENROLMENTS: [page(enrolment(1), enrolment(2, "leo"), enrolment(3, "kim"))],
        Stream.PROGRESS: [page(module(1, status="completed"))],
    }
    site.sql("insert into public.profiles (email, full_name) values ('leo@example.org', 'A'), ('LEO@example.org', 'B')")
    office.run()
    people = f"{office.own}/people"
    text = office.text(people)
    assert "3 accounts" in text and "It is A" in text and text.index("Leo") < text.index("Lea"), "ambiguous ones first"
    lea = site.person(email="lea@work.example")
    site.sql("update public.profiles set full_name = 'Lea Berg' where id = %s", lea)
    about = f"{people}/account?account=u-lea"
    assert "2 records wait for this account" in office.text(about) and "Lea Berg" in office.text(about), "found by name"
    assert "Nobody here is called" in office.text(f"{about}&q=nobody") and "Lea Berg" in office.text(
        f"{about}&q=work.ex"
    )
    answer = office.admin.post(people, data={"account": "u-lea", "how": "person", "profile": lea})
    assert answer.status_code == 303 and "run=" in answer.headers["location"]
    assert "as soon as the partner" in office.text(answer.headers["location"])
    office.admin.post(people, data={"account": "u-kim", "how": "make", "email": "kim@example.org", "name": "Kim"})
    [(candidate,)] = site.sql("select id::text from public.profiles where full_name = 'B'")
    office.admin.post(people, data={"account": "u-leo", "how": "person", "profile": candidate})
    site.work()
    assert site.sql("select count(*) from public.partner_lms_enrollments") == [(3,)]
    assert site.sql("select user_id::text from public.external_module_progress") == [(lea,)]
    assert "Decided by a person" in office.text(f"{people}?state=matched")
    other = site.person(email="other@work.example")
    answer = office.admin.post(people, data={"account": "u-lea", "how": "person", "profile": other})
    site.work()
    assert "2 rows written before now belong to the person you chose" in office.text(answer.headers["location"])
    office.admin.post(people, data={"account": "u-kim", "how": "ignore"})
    assert "Kim" in office.text(f"{people}?state=ignored")


def test_a_decision_that_cannot_be_is_told_and_nothing_typed_is_lost(
    site: RunningSite, partner: type[Scripted], office: Office
) -> None:
    partner.script = {Stream.CATALOGUE: [page(course(1))], Stream.ENROLMENTS: [page(enrolment(1))]}
    office.run()
    people = f"{office.own}/people"
    site.person(email="taken@example.org")
    for wrong, told in (
        ({"how": "make", "email": "taken@example.org", "name": "Twin"}, "has the e-mail address taken@example.org already"),
        ({"how": "make", "email": "no address", "name": "Twin"}, "Email"),
        ({"how": "person", "profile": "somebody"}, "Person: nothing"),
        ({"how": "person"}, "Person: nothing"),
        ({"how": "guess"}, "There is no decision"),
    ):  # fmt: skip
        answer = office.admin.post(people, data={"account": "u-lea"} | wrong)
        assert answer.status_code == 422 and told in words(answer), wrong
        assert "Twin" in answer.text or wrong["how"] != "make"
    nobody = {"how": "person", "profile": office.id}
    assert office.admin.post(people, data={"account": "u-lea"} | nobody).status_code == 404
    made = {"how": "make", "email": "new@example.org"}
    assert office.admin.post(people, data={"account": "u-nobody"} | made).status_code == 404
    assert site.sql("select 1 from public.profiles where email = 'new@example.org'") == []
    assert site.sql("select state from courseyard.partner_people") == [("waiting",)]


def test_waiting_records_are_explained_tried_again_and_dropped(
    site: RunningSite, partner: type[Scripted], office: Office
) -> None:
    partner.script = {
        Stream.CATALOGUE: [
            page(
                course(1), rejected=[({"bad": {"own_key": [1, 2]}, "rows": [{"a": True}], "no": None}, "it has no id")]
            )
        ],
        Stream.ENROLMENTS: [page(enrolment(1), enrolment(2, "kim"))],
    }
    office.run()
    waiting = f"{office.own}/waiting"
    text = office.text(waiting)
    assert "bad › own_key 1, 2 rows 1 › a yes" in text, "as the partner sent it"
    assert "user › external id u-lea" in text and "user › email lea@example.org" in text
    assert "Person not known" in text and "Not understood" in text and "All: 3 records" in text
    assert "Person not known: 2 records" in office.text(f"{waiting}?code=person-unknown")
    answer = office.admin.post(f"{waiting}/replay")
    assert answer.status_code == 303
    follow = answer.headers["location"].replace("waiting?run=", "replays/")
    assert "hx-get" in office.admin.get(follow).text
    site.person(email="kim@example.org")
    site.work()
    assert "1 written, 1 still waits" in office.text(answer.headers["location"])
    assert "hx-get" not in office.admin.get(follow).text
    assert office.admin.get(follow.replace(office.id, answer.headers["location"][-36:])).status_code == 404
    assert "All: 2 records" in office.text(waiting)
    nothing = office.admin.post(f"{waiting}/drop", data={})
    assert nothing.status_code == 422 and "Tick those" in words(nothing) and "All: 2 records" in words(nothing)
    asked = office.admin.post(f"{waiting}/drop", data={"code": "not-understood"})
    assert "1 course: not understood" in words(asked) and "All: 2 records" in office.text(waiting), "only asked"
    sure = {"sure": "yes"}
    assert office.admin.post(f"{waiting}/drop", data={"code": "not-understood"} | sure).status_code == 303
    [(record,)] = site.sql("select id from courseyard.sync_failures where resolved_at is null")
    chosen = {"record": str(record)}
    assert "1 enrolment" in words(office.admin.post(f"{waiting}/drop", data=chosen))
    office.admin.post(f"{waiting}/drop", data=chosen | sure)
    assert "None of them waits" in words(office.admin.post(f"{waiting}/drop", data=chosen))
    assert office.admin.post(f"{waiting}/drop", data={"record": "9" * 40} | sure).status_code == 422
    assert "Nothing waits" in office.text(waiting)


@pytest.mark.parametrize("role", ["student", "instructor", None])
def test_nobody_else_sees_them_or_does_anything(
    site: RunningSite, partner: type[Scripted], office: Office, role: str | None
) -> None:
    partner.script = {
        Stream.CATALOGUE: [page(course(1), rejected=[({"bad": 1}, "it has no id")])],
        Stream.ENROLMENTS: [page(enrolment(1))],
    }
    run = f"/partners/log/{office.run()}"
    queued = site.run(office.hub.runs.start(office.id))
    someone = site.browser(site.person(role) if role else None)
    sees = ("/partners/log", run, f"{run}/state", f"{run}/undo", *(f"{office.own}/{own}" for own in (
        "people", "people/account?account=u-lea", "waiting", f"replays/{queued}")))  # fmt: skip
    for path in sees:
        answer = someone.get(path)
        if role:
            assert answer.status_code == 403, path
        else:
            assert answer.headers["location"].startswith("/sign-in?next="), path
    for path, data in (
        (f"/partners/log/{queued}/cancel", {}),
        (f"{run}/undo", {}),
        (f"{office.own}/people", {"account": "u-lea", "how": "make", "email": "new@example.org"}),
        (f"{office.own}/waiting/replay", {}),
        (f"{office.own}/waiting/drop", {"code": "not-understood", "sure": "yes"}),
    ):
        assert someone.post(path, data=data).status_code == (403 if role else 401), path
    assert site.sql("select count(*) from courseyard.sync_failures where resolved_at is null") == [(2,)]
    assert site.sql("select count(*) from courseyard.sync_runs where undone_at is not null or cancel_requested") == [
        (0,)
    ]
    assert site.sql("select state from courseyard.partner_people") == [("waiting",)]
    assert site.sql("select 1 from courseyard.sync_runs where mode = 'replay'") == []
