"""What goes wrong between two systems, one fault a test: nothing is lost, nothing doubled, and the log says what it was."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fix_web import RunningSite, running_site
from partners.scripted import Scripted, course, draft, enrolment, module, page, scripted_kind
from partners.standins import canvas, moodle, oneroster
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from courseyard.errors import PartnerError, PartnerUnreachableError
from courseyard.keys import credential_keys
from courseyard.partners import client
from courseyard.partners.connector import Delivery, Received, Stream
from courseyard.partners.providers import Draft, Settings
from courseyard.partners.records import Course, Enrolment, ModuleProgress, User
from courseyard.partners.sealing import Sealing
from courseyard.partners.webhooks import EndpointDraft

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Scripted]]:
    with scripted_kind(monkeypatch) as kind:
        yield kind


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries of one call follow each other at once."""
    monkeypatch.setattr(client, "_back_off", lambda attempt: 0.0)


class Follow:
    """A provider on a running site, and its runs."""

    def __init__(self, site: RunningSite, made: Draft) -> None:
        self.site = site
        self.hub = site.services.hub
        self.id: str = site.run(self.hub.providers.save(made))

    def begin(self, *streams: Stream, **how: Any) -> str:
        return self.site.run(self.hub.runs.start(self.id, streams, **how))

    def work(self, run_id: str, *, last_try: bool = True) -> dict[str, Any]:
        self.site.run(self.hub.syncs.work(run_id, last_try=last_try))
        return self.site.run(self.hub.runs.run(run_id))

    def run(self, *streams: Stream, **how: Any) -> dict[str, Any]:
        return self.work(self.begin(*streams, **how))

    def deliver(self, *records: Any, name: str | None = None) -> None:
        Scripted.received = Received(name, list(records))
        self.site.run(self.hub.inbox.receive(self.id, Delivery({}, b"{}", NOON)))

    def waiting(self) -> list[dict[str, Any]]:
        return self.site.run(
            self.site.services.db.all(
                "partners.failures", provider_id=self.id, open=True, code=None, run_id=None, limit=50, offset=0
            )
        )


@pytest.fixture
def scripted(site: RunningSite, partner: type[Scripted]) -> Follow:
    return Follow(site, draft(import_rule="all", schedule_minutes=None))


@pytest.fixture
def school() -> canvas.School:
    there = canvas.School(page_size=5)
    there.courses = [canvas.course(n, f"Course {n}") for n in range(1, 21)]
    return there


@pytest.fixture
def at_school(site: RunningSite, school: canvas.School, serve: Callable[[Any], str]) -> Follow:
    """Canvas, whose catalogue is four pages long."""
    return _real(site, "canvas", serve(school.app), token=canvas.TOKEN)


def _real(site: RunningSite, kind: str, address: str, **options: str) -> Follow:
    chosen = Settings(import_rule="all", schedule_minutes=None, requests_per_minute=6_000)
    return Follow(site, Draft(kind, kind.title(), {"base_url": address, **options}, chosen))


def titles(site: RunningSite) -> int:
    ((rows, different),) = site.sql("select count(*), count(distinct external_course_id) from public.partner_courses")
    assert rows == different, "a course is there twice"
    return int(rows)


def after(there: Any, pages: int, *answers: Response) -> None:
    """Answer so after the next ``pages`` requests."""
    real = there.serve

    async def serve(*args: Any) -> Response:
        nonlocal pages
        if pages > 0:
            pages -= 1
        elif answers_left:
            return answers_left.pop(0)
        answer: Response = await real(*args)
        return answer

    answers_left = list(answers)
    there.serve = serve


# The partner's own faults


def test_a_partner_that_is_down_is_told_and_found_again(site: RunningSite) -> None:
    sync = _real(site, "canvas", "http://127.0.0.1:9", token=canvas.TOKEN)
    run_id = sync.begin(Stream.CATALOGUE)
    with pytest.raises(PartnerUnreachableError):
        sync.work(run_id, last_try=False)
    found = site.run(sync.hub.runs.run(run_id))
    assert found["status"] == "running" and "cannot be reached" in found["sync_data"]["waiting_because"]
    found = sync.work(run_id)
    assert found["status"] == "failed" and "cannot be reached" in found["error_message"]


def test_a_slow_partner_is_given_up_after_some_tries(
    school: canvas.School, at_school: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PARTNER_TIMEOUT_SECONDS", 0.1)

    async def slow(*_: Any) -> Response:
        school.calls.append("slow")
        await asyncio.sleep(1)
        return Response()

    monkeypatch.setattr(school, "serve", slow)
    run = at_school.run(Stream.CATALOGUE)
    assert run["status"] == "failed" and "did not answer in time" in run["error_message"]
    assert len(school.calls) == client.PARTNER_TRIES


BROKEN = {
    "its own fault": (lambda: Response(status_code=500), "fault of its own", True),
    "too many requests": (lambda: Response(status_code=429, headers={"Retry-After": "3600"}), "fewer requests", True),
    "closed for repairs": (lambda: Response(status_code=503, headers={"Retry-After": "900"}), "not available", True),
    "cut off": (lambda: Response('[{"id": 1, "na', media_type="application/json"), "broken or cut off", False),
    "a web page": (lambda: HTMLResponse("<!doctype html><title>Maintenance</title>"), "web page", False),
    "nothing": (lambda: Response(), "nothing", False),
    "another shape": (lambda: JSONResponse({"courses": []}), "not a list", False),
    "an expired token": (lambda: JSONResponse({}, 401, {"WWW-Authenticate": "Bearer"}), "token", False),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_fault_in_mid_run_keeps_what_came_and_is_made_good_by_the_next_run(
    site: RunningSite, school: canvas.School, at_school: Follow, fault: str
) -> None:
    answer, said, retryable = BROKEN[fault]
    after(school, 2, *(answer() for _ in range(30)))
    run_id = at_school.begin(Stream.CATALOGUE)
    if retryable:
        with pytest.raises(PartnerError):
            at_school.work(run_id, last_try=False)
    run = at_school.work(run_id)
    assert run["status"] == "failed" and said in run["error_message"], run
    assert (titles(site), run["records_processed"]) == (10, 10)
    assert site.sql("select count(*) from public.partner_courses where not active") == [(0,)], "nothing is gone"
    del school.serve
    run = at_school.run(Stream.CATALOGUE)
    assert (run["status"], titles(site), run["counts"]["course"]["created"]) == ("succeeded", 20, 10)


def test_passing_faults_are_not_even_noticed(site: RunningSite, school: canvas.School, at_school: Follow) -> None:
    again = {"Retry-After": "0"}
    after(
        school, 1, Response(status_code=500), Response(status_code=429, headers=again), Response(status_code=502),
        PlainTextResponse("Rate Limit Exceeded", 403),
    )  # fmt: skip
    run = at_school.run(Stream.CATALOGUE)
    assert (run["status"], run["records_processed"], titles(site)) == ("succeeded", 20, 20)


def test_a_wait_that_the_partner_asks_for_is_waited(
    site: RunningSite, school: canvas.School, at_school: Follow
) -> None:
    after(school, 1, Response(status_code=429, headers={"Retry-After": "1"}))
    begun = site.loop.time()
    assert at_school.run(Stream.CATALOGUE)["status"] == "succeeded"
    assert site.loop.time() - begun >= 1


def test_a_longer_wait_is_kept_by_the_queue(site: RunningSite, school: canvas.School, at_school: Follow) -> None:
    after(school, 1, Response(status_code=429, headers={"Retry-After": "7200"}))
    run_id = at_school.begin(Stream.CATALOGUE)
    site.run(site.jobs.drain())
    run = site.run(at_school.hub.runs.run(run_id))
    assert run["status"] == "running" and "fewer requests" in run["sync_data"]["waiting_because"]
    [(seconds,)] = site.sql("select extract(epoch from scheduled_at - now())::integer from jobs.procrastinate_jobs")
    assert 7_100 < seconds <= 7_201
    site.sql("update jobs.procrastinate_jobs set scheduled_at = null")
    site.run(site.jobs.drain())
    assert (site.run(at_school.hub.runs.run(run_id))["status"], titles(site)) == ("succeeded", 20)


def test_a_record_that_nobody_understands_keeps_a_listing_from_saying_what_is_gone(
    site: RunningSite, partner: type[Scripted], scripted: Follow
) -> None:
    Scripted.script[Stream.CATALOGUE] = [page(course(1), course(2))]
    scripted.run(Stream.CATALOGUE)
    Scripted.script[Stream.CATALOGUE] = [page(course(1), rejected=[({"title": 7}, "It has no key.")])]
    run = scripted.run(Stream.CATALOGUE)
    assert run["status"] == "partial" and "could not be understood" in run["error_message"]
    assert site.sql("select count(*) from public.partner_courses where active") == [(2,)]
    Scripted.script[Stream.CATALOGUE] = [page(course(1))]
    assert scripted.run(Stream.CATALOGUE)["status"] == "succeeded"
    assert site.sql("select external_course_id from public.partner_courses where not active") == [("c2",)]


def test_what_is_pushed_to_a_paused_provider_waits(
    site: RunningSite, partner: type[Scripted], scripted: Follow
) -> None:
    site.run(scripted.hub.providers.set_paused(scripted.id, True))
    scripted.deliver(course(1), name="d1")
    site.run(site.jobs.drain())
    site.run(scripted.hub.schedule.minute())
    site.run(site.jobs.drain())
    assert titles(site) == 0
    site.run(scripted.hub.providers.set_paused(scripted.id, False))
    site.run(scripted.hub.schedule.minute())
    site.run(site.jobs.drain())
    assert titles(site) == 1


def test_an_enrolment_that_the_partner_calls_otherwise_goes_on_with_its_modules(
    site: RunningSite, partner: type[Scripted], scripted: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(partner.capabilities.streams, Stream.ENROLMENTS, "full")
    monkeypatch.setitem(partner.capabilities.streams, Stream.PROGRESS, "full")
    lea, leo = site.person(email="lea@example.org"), site.person(email="leo@example.org")
    Scripted.script = {
        Stream.CATALOGUE: [page(course(1))],
        Stream.ENROLMENTS: [page(enrolment(1), enrolment(2, "leo"))],
        Stream.PROGRESS: [
            page(module(1, status="completed", score=70.0), module(2, status="in_progress"), module(1, 2))
        ],
    }
    scripted.run()
    rows = "select id, student_id::text, external_enrollment_id, status from public.partner_lms_enrollments order by student_id"
    before = {person: row for row, person, _, _ in site.sql(rows)}
    # All of them are imported anew at the partner: enrolments and accounts have other numbers.
    there = [
        Enrolment(external_id=f"x{n}", course="c1", user=User(external_id=f"new-{who}", email=f"{who}@example.org"))
        for n, who in enumerate(("lea", "leo"))
    ]
    Scripted.script[Stream.ENROLMENTS] = [page(*there)]
    Scripted.script[Stream.PROGRESS] = [
        page(*(ModuleProgress(enrolment="x0", module_id=f"m{n}", status="completed", score=80.0) for n in (1, 2)))
    ]
    run = scripted.run()
    assert run["status"] == "succeeded", run
    assert site.sql(rows) == sorted(
        [(before[lea], lea, "x0", "completed"), (before[leo], leo, "x1", "active")], key=lambda row: row[1]
    )
    assert site.sql(
        """select m.module_id, m.status, m.score, m.metadata ? 'gone_at' from public.external_module_progress as m
           where m.user_id = %s order by 1""",
        lea,
    ) == [("m1", "completed", 80, False), ("m2", "completed", 80, False)]
    assert scripted.run()["changes"] == 0


def test_a_partner_whose_clock_goes_wrong_is_followed_all_the_same(
    site: RunningSite, partner: type[Scripted], scripted: Follow
) -> None:
    site.person(email="lea@example.org")
    soon, later = datetime.now(UTC) + timedelta(minutes=10), datetime.now(UTC) + timedelta(days=900)
    told = [
        (course(1, data_at=later), enrolment(1, data_at=later), module(1, status="in_progress", data_at=later)),
        # The clock goes ten minutes fast, then is set right.
        (module(1, status="completed", score=70.0, data_at=soon),),
        (module(1, status="completed", score=80.0, data_at=datetime.now(UTC) + timedelta(minutes=1)),),
        (module(1, status="completed", score=90.0),),
    ]
    for number, records in enumerate(told):
        scripted.deliver(*records, name=f"d{number}")
        site.run(scripted.hub.schedule.work_inbox(scripted.id))
    assert site.sql("select status, score from public.external_module_progress") == [("completed", 90)]
    Scripted.script[Stream.PROGRESS] = [page(module(1, status="completed", score=95.0), data_at=later)]
    scripted.run(Stream.PROGRESS)
    assert site.sql("select count(*) from courseyard.sync_cursors where data_at > now()") == [(0,)]
    assert site.sql("select score from public.external_module_progress") == [(95,)]


def test_a_token_that_expires_in_mid_run_is_renewed(site: RunningSite, serve: Callable[[Any], str]) -> None:
    there = oneroster.school()
    # The first two are the stand-in's start and the first page.
    after(there, 2, oneroster.failure(401, "unauthorisedrequest", "The token has expired."))
    address = serve(there.app)
    sync = _real(
        site, "oneroster", address, token_url=f"{address}/token", client_id=oneroster.CLIENT,
        client_secret=oneroster.SECRET,
    )  # fmt: skip
    run = sync.run(Stream.CATALOGUE)
    assert (run["status"], run["error_message"]) == ("succeeded", None)
    assert len(there.tokens) == 2


def test_a_token_that_is_withdrawn_in_mid_run_ends_it_and_a_new_one_goes_on(
    site: RunningSite, serve: Callable[[Any], str]
) -> None:
    there = moodle.Site(courses={n: moodle.course(n, f"Course {n}") for n in (1, 2)})
    there.categories = [{"id": 2, "name": "First aid", "parent": 0, "path": "/2", "coursecount": 2}]
    for number in range(11, 14):
        email = f"p{number}@example.org"
        site.person(email=email)
        there.users[number] = {"id": number, "username": email, "fullname": email, "email": email}
        for n in (1, 2):
            there.enrol(n, number)
    sync = _real(site, "moodle", serve(there.app) + "/moodle", token=moodle.TOKEN)
    assert sync.run(Stream.CATALOGUE)["status"] == "succeeded"
    real = there.run

    def run_until_second_course(token: str | None, function: str, given: dict[str, Any]) -> Any:
        if given.get("courseid") == "2":
            raise moodle.MoodleError("invalidtoken", "Invalid token - token expired")
        return real(token, function, given)

    there.run = run_until_second_course  # type: ignore[method-assign]
    run = sync.run(Stream.ENROLMENTS)
    assert run["status"] == "failed" and run["problems"][0]["code"] == "partner-refused", run
    assert site.sql("select count(*) from public.partner_lms_enrollments where status = 'active'") == [(3,)]
    there.run = real  # type: ignore[method-assign]
    run = sync.run(Stream.ENROLMENTS)
    assert run["status"] == "succeeded"
    assert site.sql("select count(*), count(distinct external_enrollment_id) from public.partner_lms_enrollments") == [
        (6, 6)
    ]


# Runs that are broken off


def test_what_was_fetched_is_not_fetched_again_when_the_partner_fails_at_the_next_stream(
    site: RunningSite, partner: type[Scripted], scripted: Follow
) -> None:
    site.person(email="lea@example.org")
    down = PartnerUnreachableError("partner.test did not answer in time.")
    partner.script = {
        Stream.CATALOGUE: [page(course(1)), page(course(2))],
        Stream.ENROLMENTS: [down],
    }
    run_id = scripted.begin(Stream.CATALOGUE, Stream.ENROLMENTS)
    for _ in range(3):
        with pytest.raises(PartnerUnreachableError):
            scripted.work(run_id, last_try=False)
    partner.script[Stream.ENROLMENTS] = [page(enrolment(1))]
    run = scripted.work(run_id)
    assert (run["status"], run["records_processed"]) == ("succeeded", 3)
    assert [stream for stream, _, _ in partner.asked].count(Stream.CATALOGUE) == 2


def test_the_last_page_alone_comes_again_when_a_stream_could_not_be_closed(
    site: RunningSite, partner: type[Scripted], scripted: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner.script = {Stream.CATALOGUE: [page(course(1)), page(course(2)), page(course(3))]}
    run_id = scripted.begin(Stream.CATALOGUE)
    with monkeypatch.context() as patch:

        async def killed(*_: Any) -> None:
            raise asyncio.CancelledError

        patch.setattr(type(scripted.hub.syncs), "_end_stream", killed)
        with pytest.raises(CancelledError):
            scripted.work(run_id)
    partner.asked = []
    assert scripted.work(run_id)["status"] == "succeeded"
    assert [cursor for _, cursor, _ in partner.asked] == [{"page": 2}]
    assert titles(site) == 3 and site.sql("select count(*) from public.partner_courses where active") == [(3,)]


def test_deliveries_whose_run_was_broken_off_are_written_by_the_same_run(
    site: RunningSite, partner: type[Scripted], scripted: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        async def killed(*_: Any) -> None:
            raise asyncio.CancelledError

        patch.setattr(type(scripted.hub.syncs), "_inbox", killed)
        scripted.deliver(course(1), name="d1")
        with pytest.raises(CancelledError):
            site.run(scripted.hub.schedule.work_inbox(scripted.id))
    scripted.deliver(course(2), name="d2")
    site.run(scripted.hub.schedule.work_inbox(scripted.id))
    assert site.sql("select sync_type, status, records_processed from public.lms_sync_log") == [
        ("webhook", "succeeded", 2)
    ]
    assert titles(site) == 2


def test_a_provider_that_is_deleted_while_its_run_works_ends_it_without_a_word(
    site: RunningSite, partner: type[Scripted], scripted: Follow
) -> None:
    partner.script = {Stream.CATALOGUE: [page(course(1)), page(course(2))], Stream.ENROLMENTS: [page(enrolment(1))]}
    run_id = scripted.begin()
    real = scripted.hub.syncs._write_page

    async def write(*args: Any) -> None:
        await real(*args)
        if len(partner.asked) == 1:
            await scripted.hub.providers.delete(scripted.id)

    scripted.hub.syncs._write_page = write  # type: ignore[method-assign]
    site.run(scripted.hub.syncs.work(run_id))
    for table in ("partner_lms_providers", "partner_courses", "lms_sync_log"):
        assert site.sql(f"select count(*) from public.{table}") == [(0,)], table
    assert site.sql("select count(*) from courseyard.sync_failures") == [(0,)]
    # Its job may come late, too.
    site.run(scripted.hub.syncs.work(run_id))


def test_an_enrolment_that_somebody_deletes_meanwhile_comes_back_with_its_modules(
    site: RunningSite, partner: type[Scripted], scripted: Follow
) -> None:
    site.person(email="lea@example.org")
    partner.script = {
        Stream.CATALOGUE: [page(course(1))],
        Stream.ENROLMENTS: [page(enrolment(1))],
        Stream.PROGRESS: [page(module(1, status="completed")), page(module(2, progress=50.0, status="in_progress"))],
    }

    def deleted() -> Any:
        site.sql("delete from public.partner_lms_enrollments")
        return page(module(2, progress=50.0, status="in_progress"))

    partner.script[Stream.PROGRESS][1] = deleted
    run = scripted.run()
    assert run["status"] == "partial" and [f["code"] for f in scripted.waiting()] == ["enrolment-unknown"]
    partner.script[Stream.PROGRESS] = [page(module(1, status="completed"))]
    assert scripted.run(drift=True)["status"] == "succeeded"
    assert site.sql("select module_id, status from public.external_module_progress order by 1") == [
        ("m1", "completed"),
        ("m2", "in_progress"),
    ]
    assert scripted.waiting() == []


def test_the_same_told_again_later_outlives_what_was_true_in_between(
    site: RunningSite, partner: type[Scripted], scripted: Follow
) -> None:
    for hour, title in ((1, "First aid"), (3, "First aid"), (2, "Renamed by mistake")):
        told = Course(external_id="c1", title=title, data_at=NOON + timedelta(hours=hour))
        scripted.deliver(told, name=f"d{hour}")
        site.run(scripted.hub.schedule.work_inbox(scripted.id))
    assert site.sql("select course_name from public.partner_courses") == [("First aid",)]


@pytest.mark.parametrize("kind", ["canvas", "oneroster"])
def test_no_token_stands_in_the_log_or_the_database_of_a_run_that_fails(
    site: RunningSite, serve: Callable[[Any], str], capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    secret = "very-secret-and-wrong-0123456789"
    there: Any = canvas.School() if kind == "canvas" else oneroster.school()
    address = serve(there.app)
    options = {"token": secret} if kind == "canvas" else {
        "token_url": f"{address}/token", "client_id": "me", "client_secret": secret,
    }  # fmt: skip
    sync = _real(site, kind, address, **options)
    sync.begin(Stream.CATALOGUE)
    site.work()
    run = sync.run(Stream.CATALOGUE)
    assert run["status"] == "failed" and secret not in str(run)
    assert secret not in "".join(capfd.readouterr())
    assert secret not in str(site.sql("select to_jsonb(s) from courseyard.partner_settings as s"))


@pytest.mark.parametrize("keys", ["new-key-0123456789-0123456789-0123456789", None])
def test_keys_that_do_not_fit_end_a_run_with_what_to_do_and_nothing_is_lost(
    site: RunningSite, school: canvas.School, at_school: Follow, keys: str | None, db_url: str
) -> None:
    old = dict(site.sql("select provider_id::text, secrets from courseyard.partner_settings"))
    wrong = dataclasses.replace(
        site.settings, secret_key="another-secret-0123456789-0123456789-01", credentials_keys=keys
    )
    run_id = at_school.begin(Stream.CATALOGUE)
    with running_site(wrong, db_url) as other:
        other.work()
        run = other.run(other.services.hub.runs.run(run_id))
        assert run["status"] == "failed" and run["problems"][0]["code"] == "credentials-key"
        assert "COURSEYARD_CREDENTIALS_KEYS" in run["problems"][0]["advice"]
    assert dict(site.sql("select provider_id::text, secrets from courseyard.partner_settings")) == old
    assert at_school.run(Stream.CATALOGUE)["status"] == "succeeded"


def test_keys_are_rotated_without_entering_anything_anew(
    site: RunningSite, school: canvas.School, at_school: Follow, db_url: str
) -> None:
    new = "new-key-0123456789-0123456789-0123456789"
    both = dataclasses.replace(site.settings, credentials_keys=new)
    with running_site(both, db_url) as other:
        assert other.run(other.services.hub.providers.seal_anew()) == 1
    alone = dataclasses.replace(both, secret_key="another-secret-0123456789-0123456789-01")
    with running_site(alone, db_url) as other:
        run_id = at_school.begin(Stream.CATALOGUE)
        other.work()
        assert other.run(other.services.hub.runs.run(run_id))["status"] == "succeeded"


def test_a_secret_that_no_key_opens_does_not_keep_the_others_from_being_sealed_anew(
    site: RunningSite, school: canvas.School, at_school: Follow, db_url: str
) -> None:
    site.sql(
        "with p as (insert into public.partner_lms_providers (provider_name, provider_type) "
        "select 'P' || n, 'canvas' from generate_series(1, 2) as n returning id) "
        "insert into courseyard.partner_settings (provider_id, kind, secrets) select id, 'canvas', 'not-openable' from p"
    )
    # Written once more, the readable row lies behind the unreadable ones.
    site.sql("update courseyard.partner_settings set secrets = secrets || '' where secrets <> 'not-openable'")
    both = dataclasses.replace(site.settings, credentials_keys="new-key-0123456789-0123456789-0123456789")
    with running_site(both, db_url) as other:
        assert other.run(other.services.hub.providers.seal_anew()) == 1
    assert site.sql("select count(*) from courseyard.partner_settings where secrets = 'not-openable'") == [(2,)]


def test_the_secrets_of_webhooks_are_sealed_anew_beside_one_that_no_key_opens(site: RunningSite, db_url: str) -> None:
    drafts = [EndpointDraft(f"https://{name}.example.org/", ["*"]) for name in ("lost", "kept")]
    (lost, _), (kept, secret) = [site.run(site.services.hub.webhooks.add(draft)) for draft in drafts]
    site.sql("update courseyard.webhook_endpoints set secret = 'not-openable' where id = %s", lost)
    both = dataclasses.replace(site.settings, credentials_keys="new-key-0123456789-0123456789-0123456789")
    with running_site(both, db_url) as other:
        other.run(other.services.hub.webhooks.seal_anew())
    [(sealed,)] = site.sql("select secret from courseyard.webhook_endpoints where id = %s", kept)
    new_alone = Sealing(credential_keys(both.credentials_keys, "another-secret-0123456789-0123456789-01"))
    assert new_alone.open(sealed) == {"current": secret}
    assert site.sql("select secret from courseyard.webhook_endpoints where id = %s", lost) == [("not-openable",)]


def test_ten_thousand_modules_in_one_statement_cost_the_trigger_under_a_second(site: RunningSite) -> None:
    person = site.person(email="lea@example.org")
    site.sql(
        "with p as (insert into public.partner_lms_providers (provider_name, provider_type) values ('P', 'x') returning id), "
        "c as (insert into public.partner_courses (provider_id, course_name) select id, 'C' from p returning id, provider_id) "
        "insert into public.partner_lms_enrollments (provider_id, student_id, course_id) "
        "select c.provider_id, %s, c.id from c, generate_series(1, 1000)",
        person,
    )
    [(plan,)] = site.sql(
        "explain (analyze, format json) insert into public.external_module_progress "
        "(user_id, partner_enrollment_id, module_id, status, progress_percentage) "
        "select e.student_id, e.id, 'm' || n, 'completed', 100 from public.partner_lms_enrollments e, generate_series(1, 10) n"
    )
    [spent] = [t["Time"] for t in plan[0]["Triggers"] if t["Trigger Name"] == "trigger_sync_partner_progress"]
    assert spent < 1_000, f"{spent} ms"
    assert site.sql("select status, count(*) from public.partner_lms_enrollments group by 1") == [("completed", 1_000)]
