"""The sync on tables as organisations have them: other names, other words, rules and guards of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fix_web import SERVICE_KEY, RunningSite, running_site
from partners.scripted import Scripted, course, draft, enrolment, module, page, scripted_kind

from courseyard.partners.connector import Stream
from courseyard.partners.records import Course
from courseyard.settings import Settings

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)

WILD = """
alter table public.partner_courses rename column provider_id to partner_id;
alter table public.partner_courses rename column active to is_active;
alter table public.partner_courses drop column external_course_id, drop column metadata, drop column course_code;
alter table public.partner_lms_providers rename column active to is_active;
alter table public.partner_lms_providers add unique (provider_type),
  add check (provider_type in ('jri', 'certiport', 'other'));
drop view public.partner_enrollment_summary;
alter table public.partner_lms_enrollments drop column external_enrollment_id, drop column external_account_id,
  drop column external_certificate_id, drop column metadata;
"""


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Scripted]]:
    with scripted_kind(monkeypatch) as kind:
        yield kind


@pytest.fixture
def own(either_db: str, tmp_path: Path, partner: type[Scripted]) -> Iterator[RunningSite]:
    """A site on PostgreSQL 15 and on the embedded one."""
    with running_site(Settings(data=tmp_path / "data", service_key=SERVICE_KEY), either_db) as site:
        site.person(email="lea@example.org"), site.person(email="leo@example.org")
        partner.script = {
            Stream.CATALOGUE: [page(course(1), course(2))],
            Stream.ENROLMENTS: [page(enrolment(1), enrolment(2, "leo", status="completed", completed_at=NOON))],
            Stream.PROGRESS: [page(module(1, status="in_progress", progress=50.0), module(2))],
        }
        yield site


Run = Callable[..., dict[str, Any]]


@pytest.fixture
def sync(own: RunningSite) -> Run:
    """Sets the provider up at the first call, and runs."""
    found: list[str] = []

    def run(*streams: Stream, **how: Any) -> dict[str, Any]:
        hub = own.services.hub
        if not found:
            found.append(own.run(hub.providers.save(draft(import_rule="all", schedule_minutes=None))))
        run_id = own.run(hub.runs.start(found[0], streams, **how))
        own.run(hub.syncs.work(run_id))
        return own.run(hub.runs.run(run_id))

    return run


def waiting(own: RunningSite) -> list[tuple[Any, ...]]:
    return own.sql(
        "select external_id, reason from courseyard.sync_failures where resolved_at is null order by kind, external_id"
    )


def statuses(own: RunningSite) -> list[tuple[Any, ...]]:
    return own.sql(
        "select status::text, progress_percentage::float from public.partner_lms_enrollments order by status::text"
    )


def test_other_names_and_missing_columns(own: RunningSite, sync: Run) -> None:
    own.sql(WILD)
    run = sync()
    assert (run["status"], run["error_message"]) == ("succeeded", None), waiting(own)
    assert own.sql("select course_name, partner_id is not null, is_active from public.partner_courses order by 1") == [
        ("Course 1", True, True), ("Course 2", True, True),
    ]  # fmt: skip
    assert statuses(own) == [("active", 25), ("completed", 100)]
    assert own.sql("select provider_type from public.partner_lms_providers") == [("other",)]
    assert sync()["changes"] == 0
    assert sync(drift=True)["changes"] == 0
    Scripted.script[Stream.CATALOGUE] = [page(course(1))]
    sync(Stream.CATALOGUE)
    assert own.sql("select is_active from public.partner_courses order by course_name") == [(True,), (False,)]


@pytest.mark.parametrize(
    ("rule", "active", "completed"),
    [
        ("type_of ('pending', 'active', 'completed', 'withdrawn')", "active", "completed"),
        ("type_of ('pending', 'in_progress', 'completed', 'cancelled', 'failed')", "in_progress", "completed"),
        ("check (status in ('enrolled', 'active', 'completed', 'dropped'))", "active", "completed"),
        ("check (status in ('offen', 'fertig'))", None, None),
    ],
)
def test_status_words_of_their_own(
    own: RunningSite, sync: Run, rule: str, active: str | None, completed: str | None
) -> None:
    own.sql("drop view public.partner_enrollment_summary")
    own.sql("alter table public.partner_lms_enrollments alter column status drop default")
    if rule.startswith("type_of"):
        own.sql(f"create type public.enrolled as enum {rule.removeprefix('type_of')}")
        own.sql(
            "alter table public.partner_lms_enrollments alter column status type public.enrolled "
            "using status::public.enrolled"
        )
    else:
        own.sql(f"alter table public.partner_lms_enrollments add {rule}")
    run = sync()
    assert run["status"] == "succeeded", waiting(own)
    found = own.sql("select status::text from public.partner_lms_enrollments order by enrolled_at, status")
    assert sorted(str(status) for (status,) in found) == sorted([str(active), str(completed)])
    assert {progress for _, progress in statuses(own)} == {25, 100}
    Scripted.script = {Stream.ENROLMENTS: [page(enrolment(1, status="withdrawn"))]}
    assert sync(Stream.ENROLMENTS)["status"] == "succeeded"


def test_a_column_that_must_be_filled_and_that_nobody_can_fill(own: RunningSite, sync: Run) -> None:
    own.sql("alter table public.partner_courses add column cost_centre text not null")
    run = sync(Stream.CATALOGUE)
    assert run["status"] == "partial" and (run["records_processed"], run["records_failed"]) == (2, 2), run
    assert {key for key, _ in waiting(own)} == {"c1", "c2"}
    assert all("cost_centre" in reason and "not-null" in reason for _, reason in waiting(own))
    own.sql("alter table public.partner_courses alter column cost_centre set default 'none'")
    assert sync(Stream.CATALOGUE)["status"] == "succeeded"
    assert (waiting(own), own.sql("select count(*) from public.partner_courses")) == ([], [(2,)])


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("raise exception 'Course 2 is under embargo'", "Course 2 is under embargo"),
        ("raise exception 'Course 2 is under embargo' using errcode = '45000'", "Course 2 is under embargo"),
        ("perform 'x'::integer", "not of the kind"),
        ("perform 1 / 0", "division by zero"),
        ("perform 1 from public.no_such_table", "no_such_table"),
        ("raise insufficient_privilege using message = 'Only the registrar may'", "Only the registrar may"),
    ],
)
def test_a_trigger_of_their_own_that_refuses_one_row(own: RunningSite, sync: Run, action: str, said: str) -> None:
    own.sql(
        "create function public.embargo() returns trigger language plpgsql as "
        f"$$ begin if new.course_name = 'Course 2' then {action}; end if; return new; end $$"
    )
    own.sql("create trigger embargo before insert on public.partner_courses for each row execute function embargo()")
    run = sync(Stream.CATALOGUE)
    assert (run["status"], run["records_processed"], run["records_failed"]) == ("partial", 2, 1), run
    [(key, reason)] = waiting(own)
    assert key == "c2" and said in reason
    assert own.sql("select course_name from public.partner_courses") == [("Course 1",)]
    own.sql("drop trigger embargo on public.partner_courses")
    assert sync(Stream.CATALOGUE)["status"] == "succeeded"
    assert (waiting(own), own.sql("select count(*) from public.partner_courses")) == ([], [(2,)])


def test_what_the_table_refuses_to_change_is_not_taken_for_gone(own: RunningSite, sync: Run) -> None:
    sync()
    own.sql(
        "create function public.frozen() returns trigger language plpgsql as "
        "$$ begin if new.course_name like 'New%%' then raise exception 'Frozen'; end if; return new; end $$"
    )
    own.sql("create trigger frozen before update on public.partner_courses for each row execute function frozen()")
    Scripted.script[Stream.CATALOGUE] = [page(course(1), Course(external_id="c2", title="New title"))]
    run = sync(Stream.CATALOGUE)
    assert (run["status"], waiting(own)) == ("partial", [("c2", "The database refuses this: Frozen.")])
    assert own.sql("select course_name, active from public.partner_courses order by 1") == [
        ("Course 1", True), ("Course 2", True),
    ]  # fmt: skip
    assert own.sql("select count(*) from courseyard.partner_catalogue where gone_at is not null") == [(0,)]


def test_a_table_that_takes_nothing_ends_the_run_and_one_that_takes_some_does_not(
    own: RunningSite, sync: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("courseyard.partners.sync.MAX_REFUSED_IN_A_ROW", 20)
    own.sql("alter table public.partner_courses add constraint closed check (course_name < 'Course 9') not valid")
    many = [Course(external_id=f"z{n}", title=f"Course 9{n}") for n in range(60)]
    Scripted.script[Stream.CATALOGUE] = [page(*many[:8]), page(*many[8:])]
    run = sync(Stream.CATALOGUE)
    assert (run["status"], run["records_failed"]) == ("failed", 20)
    assert "none of the first 20 records" in run["error_message"] and "closed" in run["error_message"]
    Scripted.script[Stream.CATALOGUE] = [page(course(1), *many)]
    run = sync(Stream.CATALOGUE)
    assert (run["status"], run["records_processed"], run["records_failed"]) == ("partial", 61, 60)


def test_a_column_that_is_too_short_for_one_title(own: RunningSite, sync: Run) -> None:
    own.sql("drop view public.partner_enrollment_summary")
    own.sql("alter table public.partner_courses alter column course_name type varchar(20)")
    Scripted.script[Stream.CATALOGUE] = [page(course(1), Course(external_id="c2", title="A" * 30))]
    run = sync(Stream.CATALOGUE)
    assert (run["status"], run["records_failed"]) == ("partial", 1), run
    assert waiting(own) == [
        ("c2", "A value is too long for its column: value too long for type character varying(20).")
    ]
    assert own.sql("select course_name from public.partner_courses") == [("Course 1",)]
