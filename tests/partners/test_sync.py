"""Runs of the sync against a real database: what is written, what waits, what comes twice, late, or never."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fix_web import RunningSite
from partners.scripted import Scripted, course, credential, draft, enrolment, module, page, scripted_kind

from courseyard.errors import PartnerRefusedError, PartnerUnreachableError
from courseyard.partners.catalogue import Filter
from courseyard.partners.connector import Received, Stream
from courseyard.partners.records import Gone

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Scripted]]:
    with scripted_kind(monkeypatch) as kind:
        yield kind


class Sync:
    """A provider on a running site, and what tests do with it."""

    def __init__(self, site: RunningSite, **settings: Any) -> None:
        self.site = site
        self.hub = site.services.hub
        self.id = site.run(
            self.hub.providers.save(draft(**{"import_rule": "all", "schedule_minutes": None, **settings}))
        )

    def run(self, *streams: Stream, **how: Any) -> dict[str, Any]:
        run_id = self.site.run(self.hub.runs.start(self.id, streams, **how))
        return self.finished(run_id)

    def finished(self, run_id: str) -> dict[str, Any]:
        self.site.run(self.hub.syncs.work(run_id))
        return self.site.run(self.hub.runs.run(run_id))

    def failures(self) -> list[dict[str, Any]]:
        return self.site.run(
            self.site.services.db.all(
                "partners.failures", provider_id=self.id, open=True, code=None, run_id=None, limit=50, offset=0
            )
        )


@pytest.fixture
def sync(site: RunningSite, partner: type[Scripted]) -> Sync:
    return Sync(site)


def everything() -> dict[Stream, list[Any]]:
    return {
        Stream.CATALOGUE: [page(course(1, code="A1", category="Safety"), course(2))],
        Stream.ENROLMENTS: [page(enrolment(1, enrolled_at=NOON), enrolment(2, "leo"))],
        Stream.PROGRESS: [
            page(
                module(1, status="completed", score=90.0, completed_at=NOON),
                module(2, status="in_progress", progress=50.0),
            ),
            page(module(1, 2, status="passed")),
        ],
        Stream.CREDENTIALS: [page(credential(1, issued=NOON.date(), number="N-1", enrolment="e1"))],
    }


def test_a_full_sync_fills_the_organisations_tables(site: RunningSite, partner: type[Scripted], sync: Sync) -> None:
    lea, leo = site.person(email="lea@example.org"), site.person(email="LEO@example.org")
    partner.script = everything()
    run = sync.run()
    assert (run["status"], run["records_processed"], run["records_failed"]) == ("succeeded", 8, 0), run
    assert run["sync_type"] == "full"
    assert site.sql(
        "select course_name, external_course_id, course_code, category, active from public.partner_courses order by 1"
    ) == [("Course 1", "c1", "A1", "Safety", True), ("Course 2", "c2", None, None, True)]
    assert site.sql(
        "select student_id::text, status, progress_percentage, enrolled_at = %s, external_enrollment_id "
        "from public.partner_lms_enrollments order by external_enrollment_id",
        NOON,
    ) == [(lea, "active", 75, True, "e1"), (leo, "completed", 100, False, "e2")]
    assert site.sql(
        "select module_id, module_name, status, progress_percentage, score from public.external_module_progress "
        "where user_id = %s order by module_id",
        lea,
    ) == [("m1", "Module 1", "completed", 100, 90), ("m2", "Module 2", "in_progress", 50, None)]
    assert site.sql(
        "select user_id::text, credential_name, credential_number, issued_date, partner_enrollment_id is not null "
        "from public.partner_credentials"
    ) == [(lea, "Certificate 1", "N-1", NOON.date(), True)]


def test_the_same_again_changes_nothing(site: RunningSite, partner: type[Scripted], sync: Sync) -> None:
    site.person(email="lea@example.org"), site.person(email="leo@example.org")
    partner.script = everything()
    sync.run()
    before = site.sql("select * from public.external_module_progress order by id")
    again = sync.run()
    assert again["status"] == "succeeded" and again["changes"] == 0
    assert again["counts"]["module"] == {"unchanged": 3, "created": 0, "updated": 0}
    assert site.sql("select * from public.external_module_progress order by id") == before
    assert partner.asked[-1][2].since == {"seen": 1}


def test_a_late_delivery_of_older_facts_changes_nothing(site: RunningSite, partner: type[Scripted], sync: Sync) -> None:
    site.person(email="lea@example.org")
    partner.script = {
        Stream.CATALOGUE: [page(course(1))],
        Stream.ENROLMENTS: [page(enrolment(1))],
        Stream.PROGRESS: [
            page(module(1, progress=80.0, status="in_progress", data_at=NOON)),
            page(module(1, progress=20.0, status="in_progress", data_at=NOON - timedelta(hours=1))),
        ],
    }
    run = sync.run()
    assert run["counts"]["module"]["older"] == 1
    assert site.sql("select progress_percentage from public.external_module_progress") == [(80,)]


def test_a_partner_that_does_not_say_how_far_somebody_is_takes_nothing_back(
    site: RunningSite, partner: type[Scripted], sync: Sync
) -> None:
    site.person(email="lea@example.org"), site.person(email="leo@example.org")
    told = {"status": None, "data_at": NOON + timedelta(hours=1)}
    partner.script = {
        Stream.CATALOGUE: [page(course(1))],
        Stream.ENROLMENTS: [
            page(enrolment(1, status="completed", completed_at=NOON), enrolment(2, "leo", status="withdrawn")),
            page(enrolment(1, **told), enrolment(2, "leo", **told)),
        ],
        Stream.PROGRESS: [
            page(module(1, 2, status="passed", completed_at=NOON, started_at=NOON)),
            page(module(1, 2, started_at=NOON + timedelta(minutes=9), **told), module(2, 2, **told)),
        ],
    }
    sync.run()
    statuses = "select status, completed_at from public.partner_lms_enrollments where external_enrollment_id = %s"
    assert site.sql(statuses, "e1") == [("completed", NOON)]
    assert site.sql(statuses, "e2") == [("in_progress", None)], "no longer withdrawn, and its modules have begun"
    assert site.sql(
        "select module_id, status, completed_at, started_at from public.external_module_progress order by module_id"
    ) == [("m1", "passed", NOON, NOON), ("m2", "in_progress", None, None)]


def test_records_wait_for_their_person_and_are_replayed(site: RunningSite, partner: type[Scripted], sync: Sync) -> None:
    partner.script = everything()
    run = sync.run()
    assert run["status"] == "partial"
    assert {f["code"] for f in sync.failures()} == {"person-unknown"}
    lea = site.person(email="lea@work.example")
    [waiting, _] = site.run(sync.hub.identities.waiting(sync.id, "waiting", None, 10, 0))
    # The enrolment and its two modules, and the credential.
    assert (waiting["external_id"], waiting["records"], waiting["others"]) == ("u-lea", 4, 0)
    replay = sync.finished(site.run(sync.hub.identities.decide(sync.id, "u-lea", lea, None)))
    assert replay["sync_type"] == "replay"
    assert site.sql("select count(*) from public.external_module_progress where user_id = %s", lea) == [(2,)]
    assert {f["person"] for f in sync.failures() if f["kind"] != "module"} == {"u-leo"}


def test_who_comes_later_is_found_by_the_next_run(site: RunningSite, partner: type[Scripted], sync: Sync) -> None:
    partner.script = everything()
    assert sync.run()["status"] == "partial"
    site.person(email="lea@example.org"), site.person(email="leo@example.org")
    partner.script = {}
    sync.run()
    assert sync.failures() == []
    assert site.sql("select count(*) from public.external_module_progress") == [(3,)]


def test_two_people_of_one_address_wait_for_a_decision(site: RunningSite, partner: type[Scripted], sync: Sync) -> None:
    site.sql("insert into public.profiles (email, full_name) values ('lea@example.org', 'A'), ('Lea@example.org', 'B')")
    partner.script = everything()
    sync.run()
    [waiting, *_] = site.run(sync.hub.identities.waiting(sync.id, "waiting", None, 10, 0))
    assert [c["name"] for c in waiting["candidates"]] == ["A", "B"]
    assert "person-ambiguous" in {f["code"] for f in sync.failures()}


def test_unknown_people_are_made_where_the_provider_says_so(site: RunningSite, partner: type[Scripted]) -> None:
    sync = Sync(site, unknown_people="make")
    partner.script = everything()
    assert sync.run()["status"] == "succeeded"
    assert site.sql("select email, full_name from public.profiles order by email") == [
        ("lea@example.org", "Lea"),
        ("leo@example.org", "Leo"),
    ]


def test_a_record_before_what_it_belongs_to_is_not_lost(site: RunningSite, partner: type[Scripted], sync: Sync) -> None:
    site.person(email="lea@example.org")
    partner.script = {
        Stream.CATALOGUE: [page(course(1))],
        Stream.PROGRESS: [page(module(1, status="completed"))],
    }
    run = sync.run()
    assert (run["status"], sync.failures()[0]["code"]) == ("partial", "enrolment-unknown")
    partner.script = {Stream.ENROLMENTS: [page(enrolment(1))]}
    sync.run(Stream.ENROLMENTS)
    assert site.sql("select status from public.external_module_progress") == [("completed",)]
    assert sync.failures() == []


def test_one_record_that_the_database_refuses_stops_nobody(
    site: RunningSite, partner: type[Scripted], sync: Sync
) -> None:
    site.sql("alter table public.partner_courses add constraint no_seven check (course_name <> 'Course 7')")
    partner.script = {Stream.CATALOGUE: [page(*(course(n) for n in range(20)))]}
    run = sync.run(Stream.CATALOGUE)
    assert (run["status"], run["records_processed"], run["records_failed"]) == ("partial", 20, 1)
    assert site.sql("select count(*) from public.partner_courses") == [(19,)]
    [failure] = sync.failures()
    assert (failure["external_id"], failure["code"]) == ("c7", "refused") and "no_seven" in failure["reason"]


def test_records_that_make_no_sense_are_kept_with_the_reason(
    site: RunningSite, partner: type[Scripted], sync: Sync
) -> None:
    partner.script = {Stream.CATALOGUE: [page(course(1), rejected=[({"id": None}, "it has no identifier")])]}
    for _ in range(2):
        run = sync.run(Stream.CATALOGUE)
        assert (run["status"], run["records_failed"]) == ("partial", 1)
    [failure] = sync.failures()
    assert (failure["code"], failure["tries"], failure["record"]) == ("not-understood", 2, {"id": None})


def test_what_a_full_listing_no_longer_holds_is_marked_and_not_deleted(
    site: RunningSite, partner: type[Scripted], sync: Sync
) -> None:
    partner.script = {Stream.CATALOGUE: [page(*(course(n) for n in range(4)))]}
    sync.run(Stream.CATALOGUE)
    partner.script = {Stream.CATALOGUE: [page(*(course(n) for n in range(3)))]}
    run = sync.run(Stream.CATALOGUE)
    assert run["counts"]["course"]["gone"] == 1
    assert site.sql("select external_course_id, active, metadata ? 'gone_at' from public.partner_courses order by 1")[3] == (
        "c3", False, True,
    )  # fmt: skip
    partner.script = {Stream.CATALOGUE: [page(*(course(n) for n in range(4)))]}
    sync.run(Stream.CATALOGUE)
    assert site.sql(
        "select active, metadata ? 'gone_at' from public.partner_courses where external_course_id = 'c3'"
    ) == [(True, False)]


def test_a_listing_that_looks_broken_marks_nothing(site: RunningSite, partner: type[Scripted], sync: Sync) -> None:
    partner.script = {Stream.CATALOGUE: [page(*(course(n) for n in range(20)))]}
    sync.run(Stream.CATALOGUE)
    partner.script = {Stream.CATALOGUE: [page(course(1))]}
    run = sync.run(Stream.CATALOGUE)
    assert run["status"] == "failed" or run["status"] == "partial"
    assert "1 of 20" in run["error_message"]
    assert site.sql("select count(*) from public.partner_courses where active") == [(20,)]


def test_what_the_partner_says_is_gone_is_withdrawn(site: RunningSite, partner: type[Scripted], sync: Sync) -> None:
    site.person(email="lea@example.org")
    partner.script = {Stream.CATALOGUE: [page(course(1))], Stream.ENROLMENTS: [page(enrolment(1))]}
    sync.run()
    partner.script = {Stream.ENROLMENTS: [page(Gone(kind="enrolment", external_id="e1"))]}
    sync.run(Stream.ENROLMENTS)
    assert site.sql("select status from public.partner_lms_enrollments") == [("withdrawn",)]


def test_a_worker_that_dies_is_followed_by_one_that_goes_on(
    site: RunningSite, partner: type[Scripted], sync: Sync
) -> None:
    def killed() -> Any:
        raise KeyboardInterrupt

    pages: list[Any] = [page(*(course(p * 10 + n) for n in range(10))) for p in range(4)]
    partner.script = {Stream.CATALOGUE: [*pages[:2], killed, *pages[2:]]}
    run_id = site.run(sync.hub.runs.start(sync.id, [Stream.CATALOGUE]))
    with pytest.raises(KeyboardInterrupt):
        import asyncio

        asyncio.run(_work_apart(site, run_id))
    assert site.sql("select count(*) from public.partner_courses") == [(20,)]
    partner.script = {Stream.CATALOGUE: [*pages[:2], page(), *pages[2:]]}
    partner.asked = []
    run = sync.finished(run_id)
    assert (run["status"], run["records_processed"]) == ("succeeded", 40)
    assert partner.asked[0][1] == {"page": 2}
    assert site.sql("select count(*) from public.partner_courses") == [(40,)]


async def _work_apart(site: RunningSite, run_id: str) -> None:
    """The work of a run in a process of its own, so to speak: another pool and another loop."""
    from courseyard.main import compose

    async with compose(site.settings, site.database_url, site.origins) as other:
        await other.services.hub.syncs.work(run_id)


def test_a_worker_that_was_thought_dead_writes_no_more(site: RunningSite, partner: type[Scripted], sync: Sync) -> None:
    run_id = site.run(sync.hub.runs.start(sync.id, [Stream.CATALOGUE]))

    def overtaken() -> Any:
        site.sql("update courseyard.sync_runs set token = gen_random_uuid() where id = %s", run_id)
        return page(course(2))

    partner.script = {Stream.CATALOGUE: [page(course(1)), overtaken]}
    site.run(sync.hub.syncs.work(run_id))
    assert site.sql("select external_course_id from public.partner_courses") == [("c1",)]
    assert site.sql("select status from public.lms_sync_log where id = %s", run_id) == [("running",)]


def test_a_partner_that_is_down_is_asked_again_and_then_given_up(
    site: RunningSite, partner: type[Scripted], sync: Sync
) -> None:
    partner.script = {Stream.CATALOGUE: [PartnerUnreachableError("partner.test did not answer in time.")]}
    run_id = site.run(sync.hub.runs.start(sync.id, [Stream.CATALOGUE]))
    with pytest.raises(PartnerUnreachableError):
        site.run(sync.hub.syncs.work(run_id, last_try=False))
    run = site.run(sync.hub.runs.run(run_id))
    assert run["status"] == "running" and "did not answer" in run["sync_data"]["waiting_because"]
    run = sync.finished(run_id)
    assert (run["status"], run["error_message"]) == ("failed", "partner.test did not answer in time.")
    assert run["completed_at"] is not None


def test_one_stream_that_is_refused_does_not_stop_the_others(
    site: RunningSite, partner: type[Scripted], sync: Sync
) -> None:
    partner.script = everything() | {Stream.PROGRESS: [PartnerRefusedError("The token may not read grades.")]}
    site.person(email="lea@example.org"), site.person(email="leo@example.org")
    run = sync.run()
    assert (run["status"], run["error_message"]) == ("partial", "The token may not read grades.")
    assert run["problems"][0]["stream"] == "progress"
    assert site.sql("select count(*) from public.partner_credentials") == [(1,)]


def test_three_failed_runs_in_a_row_count_as_failing(site: RunningSite, partner: type[Scripted], sync: Sync) -> None:
    partner.script = {Stream.CATALOGUE: [PartnerRefusedError("No.")]}
    for _ in range(3):
        assert sync.run(Stream.CATALOGUE)["status"] == "failed"
    [row] = site.run(sync.hub.providers.all())
    assert row["failures_in_a_row"] == 3 and row["failing_since"] is not None
    partner.script = {Stream.CATALOGUE: [page(course(1))]}
    sync.run(Stream.CATALOGUE)
    [row] = site.run(sync.hub.providers.all())
    assert row["failures_in_a_row"] == 0 and row["failing_since"] is None


def test_a_dry_run_shows_and_changes_nothing(site: RunningSite, partner: type[Scripted], sync: Sync) -> None:
    site.person(email="lea@example.org"), site.person(email="leo@example.org")
    partner.script = everything()
    run = sync.run(dry_run=True)
    assert run["status"] == "succeeded", run
    assert run["counts"]["course"]["created"] == 2
    preview = run["sync_data"]["preview"]
    assert {"table_name", "row_id", "before", "after"} <= set(preview[0])
    assert {p["after"]["course_name"] for p in preview if p["table_name"] == "partner_courses"} == {
        "Course 1",
        "Course 2",
    }
    for table in ("partner_courses", "partner_lms_enrollments", "external_module_progress", "partner_credentials"):
        assert site.sql(f"select count(*) from public.{table}") == [(0,)], table
    assert site.run(sync.hub.catalogue.counts(sync.id))["new"] == 2


def test_the_drift_check_puts_right_what_was_changed_by_hand(
    site: RunningSite, partner: type[Scripted], sync: Sync
) -> None:
    site.person(email="lea@example.org"), site.person(email="leo@example.org")
    partner.script = everything()
    sync.run()
    site.sql("update public.external_module_progress set score = 1 where score = 90")
    assert sync.run()["counts"]["module"]["updated"] == 0
    run = sync.run(drift=True)
    assert (run["sync_type"], run["counts"]["module"]["updated"]) == ("drift", 1)
    assert site.sql("select score from public.external_module_progress where score is not null") == [(90,)]


def test_only_chosen_courses_come_in(site: RunningSite, partner: type[Scripted]) -> None:
    sync = Sync(site, import_rule="choose")
    site.person(email="lea@example.org")
    partner.script = everything() | {
        Stream.ENROLMENTS: [page(enrolment(1, course_number=1), enrolment(2, course_number=2))]
    }
    run = sync.run()
    assert site.sql("select count(*) from public.partner_courses") == [(0,)]
    assert run["status"] == "succeeded" and run["counts"]["enrolment"]["skipped"] == 2
    assert site.run(sync.hub.catalogue.counts(sync.id)) == {"new": 2, "changed": 0, "imported": 0, "gone": 0}
    assert site.run(sync.hub.catalogue.categories(sync.id)) == ["Safety"]
    site.run(sync.hub.catalogue.bring_in(sync.id, ["c1"], Filter(), None))
    partner.asked = []
    run = sync.run()
    assert partner.asked[1][2].since is None, "what was left aside is asked for again"
    assert site.sql("select external_enrollment_id from public.partner_lms_enrollments") == [("e1",)]
    assert site.run(sync.hub.catalogue.counts(sync.id)) == {"new": 1, "changed": 0, "imported": 1, "gone": 0}


def test_deliveries_are_kept_and_written_once(site: RunningSite, partner: type[Scripted], sync: Sync) -> None:
    site.person(email="lea@example.org")
    partner.script = {Stream.CATALOGUE: [page(course(1))]}
    sync.run(Stream.CATALOGUE)
    from courseyard.partners.connector import Delivery

    delivery = Delivery({}, b"{}", NOON)
    partner.received = Received("d1", [module(1, status="completed"), enrolment(1)])
    for _ in range(2):
        site.run(sync.hub.inbox.receive(sync.id, delivery))
    assert site.sql("select count(*) from courseyard.partner_inbox") == [(1,)]
    site.work()
    assert site.sql("select status from public.external_module_progress") == [("completed",)]
    assert site.sql(
        "select sync_type, status, records_processed from public.lms_sync_log order by started_at desc limit 1"
    ) == [("webhook", "succeeded", 2)]


def test_cancelled_runs_keep_what_they_wrote(site: RunningSite, partner: type[Scripted], sync: Sync) -> None:
    run_id = site.run(sync.hub.runs.start(sync.id, [Stream.CATALOGUE]))

    def asked_to_stop() -> Any:
        site.sql("update courseyard.sync_runs set cancel_requested = true")
        return page(course(2))

    partner.script = {Stream.CATALOGUE: [page(course(1)), asked_to_stop, page(course(3))]}
    run = sync.finished(run_id)
    assert (run["status"], run["records_processed"]) == ("cancelled", 2)


def test_the_queue_does_what_was_asked_for(site: RunningSite, partner: type[Scripted], sync: Sync) -> None:
    partner.script = {Stream.CATALOGUE: [page(course(1))]}
    run_id = site.run(sync.hub.runs.start(sync.id, [Stream.CATALOGUE]))
    assert site.run(sync.hub.runs.start(sync.id, [Stream.CATALOGUE])) == run_id, "one at a time"
    site.work()
    assert site.sql("select status from public.lms_sync_log where id = %s", run_id) == [("succeeded",)]


def test_what_is_due_runs_by_itself(site: RunningSite, partner: type[Scripted]) -> None:
    sync = Sync(site, schedule_minutes=5)
    partner.script = {Stream.CATALOGUE: [page(course(1))]}
    site.sql(
        "update courseyard.partner_settings set next_run_at = now() - interval '1 minute', next_drift_at = now() + interval '1 day'"
    )
    site.run(sync.hub.schedule.minute())
    site.work()
    assert site.sql("select sync_type, status from public.lms_sync_log") == [("full", "succeeded")]
    site.run(sync.hub.schedule.minute())
    assert site.sql("select count(*) from public.lms_sync_log") == [(1,)]
