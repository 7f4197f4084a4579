"""Undo of a run: what is taken back, what stays because others made it or refer to it, and that the next sync heals all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fix_web import SERVICE_KEY, RunningSite, running_site, upload
from partners.scripted import Scripted, course, credential, enrolment, module, page, scripted_kind
from partners.test_sync import NOON, Sync, everything

from courseyard.errors import ConflictError
from courseyard.partners.connector import Stream
from courseyard.partners.mappings import Link
from courseyard.partners.records import Course
from courseyard.settings import Settings

TABLES = ("partner_courses", "partner_lms_enrollments", "external_module_progress", "partner_credentials")


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Scripted]]:
    with scripted_kind(monkeypatch) as kind:
        kind.script = everything()
        yield kind


@pytest.fixture
def site(either_db: str, tmp_path: Path) -> Iterator[RunningSite]:
    """A site on PostgreSQL 15 and on the embedded one."""
    with running_site(Settings(data=tmp_path / "data", service_key=SERVICE_KEY), either_db) as running:
        running.person(email="lea@example.org"), running.person(email="leo@example.org")
        yield running


@pytest.fixture
def sync(site: RunningSite, partner: type[Scripted]) -> Sync:
    return Sync(site)


def undone(sync: Sync, run: dict[str, Any]) -> tuple[int, int, set[tuple[Any, ...]]]:
    """Undo a run as was foretold: rows restored and kept, and why which are kept."""
    standing = rows(sync.site)
    told = sync.site.run(sync.hub.runs.would_undo(run["id"]))
    assert rows(sync.site) == standing, "to ask changes nothing"
    outcome = sync.site.run(sync.hub.runs.undo(run["id"], None))
    assert {name: outcome[name] for name in told} == told
    reasons = {(r["table"], r["because"], r["referrer"], r["rows"], r["referring"]) for r in outcome["reasons"]}
    counted = [sum(t[what] for t in outcome["tables"]) for what in ("deleted", "restored", "kept")]
    assert (counted[0] + counted[1], counted[2]) == (outcome["restored"], outcome["kept"])
    return outcome["restored"], outcome["kept"], reasons


def rows(site: RunningSite) -> dict[str, list[Any]]:
    return {table: site.sql(f"select t.* from public.{table} as t order by t.id") for table in TABLES}


def told_rows(site: RunningSite) -> dict[str, list[Any]]:
    """What the partner told, without our own keys."""
    return {
        "courses": site.sql("select external_course_id, course_name, active from public.partner_courses order by 1"),
        "enrolments": site.sql(
            "select e.external_enrollment_id, c.external_course_id, e.status, e.progress_percentage, e.student_id "
            "from public.partner_lms_enrollments as e left join public.partner_courses as c on c.id = e.course_id order by 1"
        ),
        "modules": site.sql(
            "select e.external_enrollment_id, m.module_id, m.status, m.progress_percentage, m.user_id "
            "from public.external_module_progress as m "
            "left join public.partner_lms_enrollments as e on e.id = m.partner_enrollment_id order by 1, 2"
        ),
        "credentials": site.sql(
            "select k.external_credential_id, e.external_enrollment_id from public.partner_credentials as k "
            "left join public.partner_lms_enrollments as e on e.id = k.partner_enrollment_id order by 1"
        ),
    }


def mapped(sync: Sync, key: str = "c1", kind: str = "package") -> str:
    """Map a course of the partner by hand, to a package or a course of ours; the identifier of that."""
    site = sync.site
    [(theirs,)] = site.sql("select id::text from public.partner_courses where external_course_id = %s", key)
    if kind == "package":
        target = upload(site.client()).json()["id"]
    else:
        [(target,)] = site.sql("insert into public.courses (title) values ('Ours') returning id::text")
    site.run(site.services.hub.mappings.add([Link(theirs, kind, target)], "equivalent", None))
    return str(target)


def test_a_run_can_be_undone(site: RunningSite, partner: type[Scripted], sync: Sync) -> None:
    partner.script = {Stream.CATALOGUE: [page(course(1))], Stream.ENROLMENTS: [page(enrolment(1))]}
    sync.run()
    before = rows(site)["partner_courses"], told_rows(site)["enrolments"]
    partner.script = everything() | {Stream.CATALOGUE: [page(course(1, code="NEW"), course(2))]}
    run = sync.run()
    # A course and an enrolment go back; a course, an enrolment, three modules and a credential go.
    assert undone(sync, run) == (8, 0, set())
    stamped = site.sql("select id, course_name, course_code, active from public.partner_courses")
    assert [(r[0], "Course 1", None, True) for r in before[0]] == stamped
    assert told_rows(site)["enrolments"] == before[1]
    assert site.sql("select paused from courseyard.partner_settings") == [(True,)]
    with pytest.raises(ConflictError, match="undone before"):
        site.run(sync.hub.runs.undo(run["id"], None))
    with pytest.raises(ConflictError, match="undone before"):
        site.run(sync.hub.runs.would_undo(run["id"]))
    assert sync.run()["status"] == "succeeded"
    assert site.sql("select count(*) from public.external_module_progress") == [(3,)]


def test_what_somebody_changed_or_deleted_since_is_left(site: RunningSite, partner: type[Scripted], sync: Sync) -> None:
    partner.script = {Stream.CATALOGUE: [page(course(1), course(2), course(3))]}
    run = sync.run(Stream.CATALOGUE)
    site.sql("update public.partner_courses set course_name = 'Mine' where external_course_id = 'c1'")
    site.sql("delete from public.partner_courses where external_course_id = 'c3'")
    assert undone(sync, run) == (
        1, 2, {("partner_courses", "changed", None, 1, 0), ("partner_courses", "deleted", None, 1, 0)},
    )  # fmt: skip
    assert site.sql("select course_name from public.partner_courses") == [("Mine",)]


def test_what_somebody_changed_in_the_middle_of_the_run_is_left(
    site: RunningSite, partner: type[Scripted], sync: Sync
) -> None:
    def by_hand() -> Any:
        site.sql("update public.partner_courses set course_name = 'Mine'")
        return page(course(1, code="B"))

    partner.script = {Stream.CATALOGUE: [page(course(1, code="A")), by_hand]}
    run = sync.run(Stream.CATALOGUE)
    assert undone(sync, run)[:2] == (0, 1)


def test_a_mapping_made_by_hand_holds_its_course(site: RunningSite, sync: Sync) -> None:
    run, told = sync.run(), told_rows(site)
    mapped(sync)
    mapping = site.sql("select * from public.partner_course_mappings")
    assert undone(sync, run) == (
        7, 1, {("partner_courses", "referred", "public.partner_course_mappings", 1, 1)},
    )  # fmt: skip
    assert site.sql("select * from public.partner_course_mappings") == mapping
    assert site.sql("select external_course_id from public.partner_courses") == [("c1",)]
    assert site.sql("select count(*) from public.partner_lms_enrollments") == [(0,)]
    assert sync.run()["status"] == "succeeded"
    assert told_rows(site) == told


def test_enrolments_of_a_later_run_hold_their_course_and_the_next_sync_heals_all(
    site: RunningSite, partner: type[Scripted], sync: Sync
) -> None:
    first = sync.run(Stream.CATALOGUE)
    sync.run()
    told, enrolments = told_rows(site), rows(site)["partner_lms_enrollments"]
    assert undone(sync, first) == (
        1, 1, {("partner_courses", "referred", "public.partner_lms_enrollments", 1, 2)},
    )  # fmt: skip
    assert rows(site)["partner_lms_enrollments"] == enrolments
    assert site.sql("select external_course_id from public.partner_courses") == [("c1",)]
    sync.run()
    assert told_rows(site) == told
    assert sync.run(drift=True)["changes"] == 0


def test_an_enrolment_that_has_lost_its_course_is_written_again(site: RunningSite, sync: Sync) -> None:
    first = sync.run(Stream.CATALOGUE)
    sync.run()
    told = told_rows(site)
    site.sql("delete from public.partner_courses")
    assert told_rows(site)["enrolments"][0][1] is None
    assert undone(sync, first)[:2] == (0, 2)
    sync.run()
    assert told_rows(site) == told


def test_rows_of_one_run_hold_each_other_only_where_one_of_them_stays(
    site: RunningSite, partner: type[Scripted], sync: Sync
) -> None:
    run, told = sync.run(), told_rows(site)
    site.sql("update public.external_module_progress set module_name = 'Mine' where module_id = 'm2'")
    # Module 2 stays, so its enrolment does, so its course does.
    assert undone(sync, run) == (
        5, 3,
        {
            ("external_module_progress", "changed", None, 1, 0),
            ("partner_lms_enrollments", "referred", "public.external_module_progress", 1, 1),
            ("partner_courses", "referred", "public.partner_lms_enrollments", 1, 1),
        },
    )  # fmt: skip
    assert [e[0] for e in told_rows(site)["enrolments"]] == ["e1"]
    sync.run()
    assert told_rows(site) == told


@pytest.mark.parametrize(
    "key",
    [
        "course_id uuid references public.partner_courses on delete cascade",
        "course_id uuid references public.partner_courses on delete set null",
        "course_id uuid references public.partner_courses on delete restrict",
        "course_id uuid references public.partner_courses deferrable initially deferred",
        """course_id uuid, provider_id uuid, foreign key (provider_id, course_id)
          references public.partner_courses (provider_id, id) on delete cascade""",
        "course_code text references public.partner_courses (course_code) on delete cascade",
    ],
)
def test_a_table_of_their_own_holds_what_it_refers_to(site: RunningSite, sync: Sync, key: str) -> None:
    run = sync.run()
    site.sql("alter table public.partner_courses add unique (provider_id, id), add unique (course_code)")
    site.sql("create schema training")
    site.sql(f"create table training.sessions (held_on date, {key})")
    column = "course_code" if "course_code" in key else "course_id"
    values = "course_code" if "course_code" in key else "id"
    composite = "provider_id, " if "provider_id" in key else ""
    site.sql(
        f"insert into training.sessions (held_on, {composite}{column}) select now(), {composite}{values} "
        "from public.partner_courses, generate_series(1, 3) where external_course_id = 'c1'"
    )
    booked = site.sql("select * from training.sessions")
    assert undone(sync, run) == (7, 1, {("partner_courses", "referred", "training.sessions", 1, 3)})
    assert site.sql("select * from training.sessions") == booked


def test_where_their_enrolments_have_no_key_to_the_courses_they_hold_them_all_the_same(
    site: RunningSite, sync: Sync
) -> None:
    site.sql("alter table public.partner_lms_enrollments drop constraint partner_lms_enrollments_course_id_fkey")
    first = sync.run(Stream.CATALOGUE)
    sync.run()
    assert undone(sync, first)[2] == {("partner_courses", "referred", "public.partner_lms_enrollments", 1, 2)}


def test_an_uploaded_certificate_and_a_reference_by_hand_hold_theirs(
    site: RunningSite, partner: type[Scripted], sync: Sync, tmp_path: Path
) -> None:
    partner.script[Stream.CREDENTIALS] = [page(credential(1, enrolment="e1"), credential(2), credential(3))]
    run = sync.run()
    [(first, second)] = site.sql(
        "select min(id::text) filter (where external_credential_id = 'k1'), "
        "min(id::text) filter (where external_credential_id = 'k2') from public.partner_credentials"
    )
    file = tmp_path / "certificate.pdf"
    file.write_bytes(b"%PDF-1.7\n")
    site.run(site.services.hub.credentials.keep_file(first, file, "certificate.pdf"))
    site.sql("insert into courseyard.credential_files values (%s, 'c.pdf', 9, 'x')", second)
    # What the engine notes by itself holds nothing.
    site.sql(
        "insert into courseyard.credential_checks (credential_id, address, state) "
        "select id, 'http://x.test', 'answers' from public.partner_credentials"
    )
    site.sql(
        "insert into courseyard.credential_reminders (credential_id, expires, days) "
        "select id, '2027-01-01', 30 from public.partner_credentials"
    )
    assert undone(sync, run) == (
        6, 4,
        {
            ("partner_credentials", "changed", None, 1, 0),
            ("partner_credentials", "referred", "courseyard.credential_files", 1, 1),
            ("partner_lms_enrollments", "referred", "public.partner_credentials", 1, 1),
            ("partner_courses", "referred", "public.partner_lms_enrollments", 1, 1),
        },
    )  # fmt: skip
    assert site.run(site.services.hub.credentials.file(first))[0] == "certificate.pdf"
    assert site.sql("select external_credential_id from public.partner_credentials order by 1") == [("k1",), ("k2",)]


@pytest.mark.parametrize("begun", [True, False])
def test_what_was_begun_here_because_of_a_mapping_holds_the_enrolment(
    site: RunningSite, partner: type[Scripted], sync: Sync, begun: bool
) -> None:
    partner.script = {Stream.CATALOGUE: [page(course(1))], Stream.ENROLMENTS: [page(enrolment(1), enrolment(2, "leo"))]}
    run = sync.run()
    mapped(sync)
    site.run(site.services.hub.enrolling.settle())
    if begun:
        site.sql(
            "insert into public.scorm_tracking (scorm_enrollment_id, element, value) "
            "select s.id, 'cmi.location', '7' from public.scorm_enrollments as s "
            "join public.profiles as p on p.id = s.user_id where p.email = 'lea@example.org'"
        )
    tracked = site.sql("select * from public.scorm_tracking")
    here = site.sql("select id from public.scorm_enrollments order by 1")
    restored, kept, reasons = undone(sync, run)
    assert (restored, kept) == ((1, 2) if begun else (2, 1))
    assert (("partner_lms_enrollments", "referred", "courseyard.partner_mapped", 1, 1) in reasons) is begun
    assert site.sql("select * from public.scorm_tracking") == tracked
    assert site.sql("select id from public.scorm_enrollments order by 1") == here
    sync.run()
    site.run(site.services.hub.enrolling.settle())
    assert site.sql("select id from public.scorm_enrollments order by 1") == here, "they are found again"
    assert site.sql("select count(*) from courseyard.partner_mapped where scorm_enrollment_id is not null") == [(2,)]


def test_enrolments_here_and_what_somebody_took_out_hold_the_enrolment(
    site: RunningSite, partner: type[Scripted], sync: Sync
) -> None:
    partner.script = {Stream.CATALOGUE: [page(course(1))], Stream.ENROLMENTS: [page(enrolment(1), enrolment(2, "leo"))]}
    run = sync.run()
    mapped(sync, kind="course")
    site.run(site.services.hub.enrolling.settle())
    site.sql(
        "delete from public.enrollments as e using public.profiles as p where p.id = e.user_id and p.email like 'leo%%'"
    )
    assert undone(sync, run)[:2] == (0, 3)
    sync.run()
    site.run(site.services.hub.enrolling.settle())
    assert site.sql("select count(*) from public.enrollments") == [(1,)], "who was taken out is not put in again"


def test_credits_and_requests_to_the_partner_hold_the_enrolment(
    site: RunningSite, partner: type[Scripted], sync: Sync
) -> None:
    partner.script = {
        Stream.CATALOGUE: [page(course(1), course(2))],
        Stream.ENROLMENTS: [page(enrolment(1, status="completed", completed_at=NOON), enrolment(2, "leo", 2))],
    }
    run = sync.run()
    mapped(sync)
    site.run(site.services.hub.enrolling.settle())
    [(second,)] = site.sql("select id::text from public.partner_lms_enrollments where external_enrollment_id = 'e2'")
    site.run(site.services.hub.enrolling.withdraw(second, None))
    site.sql("update public.partner_lms_enrollments set status = 'active' where external_enrollment_id = 'e2'")
    restored, kept, reasons = undone(sync, run)
    assert (restored, kept) == (0, 4)
    assert {(table, referrer) for table, _, referrer, _, _ in reasons} == {
        ("partner_courses", "public.partner_course_mappings"),
        ("partner_courses", "public.partner_lms_enrollments"),
        ("partner_lms_enrollments", "courseyard.credits"),
        ("partner_lms_enrollments", "courseyard.partner_mapped"),
        ("partner_lms_enrollments", "courseyard.partner_outbox"),
    }


def test_records_that_had_waited_come_again_after_their_replay_is_undone(
    site: RunningSite, partner: type[Scripted], sync: Sync
) -> None:
    site.sql("delete from public.profiles where email like 'lea%%'")
    sync.run()
    lea = site.person(email="lea@work.example")
    replay = sync.finished(site.run(sync.hub.identities.decide(sync.id, "u-lea", lea, None)))
    told = told_rows(site)
    assert undone(sync, replay)[0] > 0
    assert told_rows(site) != told
    partner.asked = []
    sync.run()
    assert {scope.since for _, cursor, scope in partner.asked if cursor is None} == {None}
    assert told_rows(site) == told


def test_a_row_that_would_refer_to_what_is_gone_stays_as_it_is(
    site: RunningSite, partner: type[Scripted], sync: Sync
) -> None:
    partner.script = {
        Stream.CATALOGUE: [page(course(1))],
        Stream.ENROLMENTS: [page(enrolment(1), enrolment(2))],
        Stream.CREDENTIALS: [page(credential(1, enrolment="e1"))],
    }
    first = sync.run()
    partner.script = {Stream.CREDENTIALS: [page(credential(1, enrolment="e2"))]}
    second = sync.run(Stream.CREDENTIALS)
    # The credential was changed by the second run, and refers to the second enrolment.
    assert undone(sync, first)[:2] == (1, 3)
    assert undone(sync, second) == (0, 1, {("partner_credentials", "lost", None, 1, 0)})
    assert site.sql("select count(*) from public.partner_credentials where partner_enrollment_id is not null") == [(1,)]


def test_a_run_that_made_a_row_others_were_put_to_lets_go_of_it_when_they_are_put_back(
    site: RunningSite, partner: type[Scripted], sync: Sync
) -> None:
    partner.script = {
        Stream.CATALOGUE: [page(course(1))],
        Stream.ENROLMENTS: [page(enrolment(1))],
        Stream.CREDENTIALS: [page(credential(1, enrolment="e1"))],
    }
    sync.run()
    told = told_rows(site)
    partner.script = {
        Stream.ENROLMENTS: [page(enrolment(2))],
        Stream.CREDENTIALS: [page(credential(1, enrolment="e2"))],
    }
    assert undone(sync, sync.run(Stream.ENROLMENTS, Stream.CREDENTIALS)) == (2, 0, set())
    assert told_rows(site) == told


def test_an_enrolment_that_goes_back_is_what_the_modules_that_stay_make_of_it(
    site: RunningSite, partner: type[Scripted], sync: Sync
) -> None:
    partner.script = {Stream.CATALOGUE: [page(course(1))], Stream.ENROLMENTS: [page(enrolment(1))]}
    sync.run()
    partner.script = {
        Stream.PROGRESS: [page(module(1, status="completed"), module(2, status="in_progress", progress=20.0))]
    }
    run = sync.run(Stream.PROGRESS)
    site.sql("update public.external_module_progress set module_name = 'Mine' where module_id = 'm1'")
    assert undone(sync, run) == (2, 1, {("external_module_progress", "changed", None, 1, 0)})
    assert site.sql("select status, progress_percentage from public.partner_lms_enrollments") == [("completed", 100)]
    assert site.sql("select count(*) from courseyard.partner_completions") == [(1,)]


def test_generated_columns_of_their_own_follow(site: RunningSite, partner: type[Scripted], sync: Sync) -> None:
    site.sql("alter table public.partner_courses add column shown text generated always as (upper(course_name)) stored")
    partner.script = {Stream.CATALOGUE: [page(course(1))]}
    sync.run(Stream.CATALOGUE)
    partner.script = {Stream.CATALOGUE: [page(Course(external_id="c1", title="New"))]}
    assert undone(sync, sync.run(Stream.CATALOGUE)) == (1, 0, set())
    assert site.sql("select course_name, shown from public.partner_courses") == [("Course 1", "COURSE 1")]


def test_rows_that_the_service_may_not_see_are_not_taken_for_none(site: RunningSite, sync: Sync) -> None:
    run = sync.run()
    site.sql("create schema training")
    site.sql("create table training.sessions (course_id uuid references public.partner_courses on delete cascade)")

    def foretold(*grants: str) -> int:
        for grant in grants:
            site.sql(grant)
        with psycopg.connect(site.database_url) as connection:
            connection.execute("set role service_role")
            row = connection.execute(
                "select restored from courseyard.partner_undo_v2(%s, false)", [run["id"]]
            ).fetchone()
            connection.rollback()
        assert row is not None
        return int(row[0])

    with pytest.raises(psycopg.Error, match=r"training\.sessions .* service_role may not see"):
        foretold()
    assert foretold(
        "grant usage on schema training to service_role", "grant select on training.sessions to service_role"
    ) == 8  # fmt: skip


def test_what_the_database_refuses_undoes_nothing(site: RunningSite, partner: type[Scripted], sync: Sync) -> None:
    run, before = sync.run(), rows(site)
    site.sql(
        "create function public.kept() returns trigger language plpgsql as "
        "$$ begin raise exception 'Courses are never deleted'; end $$"
    )
    site.sql("create trigger kept before delete on public.partner_courses for each row execute function public.kept()")
    with pytest.raises(ConflictError, match="never deleted"):
        site.run(sync.hub.runs.undo(run["id"], None))
    assert rows(site) == before
    assert site.sql("select paused from courseyard.partner_settings") == [(False,)]
    assert site.run(sync.hub.runs.run(run["id"]))["undone_at"] is None
