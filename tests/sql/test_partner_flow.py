"""Mappings at work in the database: which enrolments follow a partner's, and which completions count for which."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator

import psycopg
import pytest

from courseyard.db.migrate import apply
from courseyard.db.queries import named_queries

from .conftest import (
    LEA,
    LEA_FIRST_AID,
    LEA_PARTNER,
    LEA_SAFETY,
    LEO,
    LEO_PARTNER,
    LEO_SAFETY,
    PARTNER_COURSE,
    PROVIDER,
    SAFETY,
    UNUSED,
    Database,
    opened,
)

ARC_WELDING = "e0000000-0000-4000-8000-000000000004"
WELDING = "e0000000-0000-4000-8000-000000000003"


def mapped(db: Database, kind: str = "equivalent", **target: str) -> None:
    [(column, value)] = target.items()
    db.changed(
        f"insert into partner_course_mappings (partner_course_id, mapping_type, {column}) values (%s, %s, %s)",
        PARTNER_COURSE, kind, value,
    )  # fmt: skip


def settle(db: Database) -> int:
    db.rows("select courseyard.partner_mapped_v1()")
    return int(db.value("select courseyard.credit_completions_v1()"))


def complete_at_partner(db: Database, enrolment: str = LEA_PARTNER) -> None:
    db.changed(
        "update partner_lms_enrollments set status = 'completed', completed_at = '2026-11-01 10:00Z' where id = %s",
        enrolment,
    )


@pytest.fixture
def fresh(cast: Database) -> Database:
    """The cast without its mapping."""
    cast.rows("delete from partner_course_mappings")
    return cast


def test_mapped_enrolments_are_made_once(fresh: Database) -> None:
    mapped(fresh, scorm_package_id=UNUSED)
    mapped(fresh, "credit", internal_program_id=WELDING)
    fresh.rows("select courseyard.partner_mapped_v1()")
    assert fresh.value("select count(*) from scorm_enrollments where scorm_package_id = %s", UNUSED) == 2
    assert fresh.rows(
        "select user_id::text, status from enrollments where program_id = %s order by 1", WELDING
    ) == [{"user_id": LEA, "status": "active"}, {"user_id": LEO, "status": "active"}]  # fmt: skip
    fresh.rows("delete from scorm_enrollments where scorm_package_id = %s and user_id = %s", UNUSED, LEA)
    assert fresh.value("select courseyard.partner_mapped_v1()") == 0
    assert fresh.value("select count(*) from scorm_enrollments where scorm_package_id = %s", UNUSED) == 1


@pytest.mark.parametrize("kind", ["prerequisite", "elective", "Whatever"])
def test_other_kinds_of_mapping_enrol_and_complete_nothing(fresh: Database, kind: str) -> None:
    mapped(fresh, kind, scorm_package_id=UNUSED)
    complete_at_partner(fresh)
    assert settle(fresh) == 0
    assert fresh.value("select count(*) from scorm_enrollments where scorm_package_id = %s", UNUSED) == 0


def not_begun(db: Database) -> None:
    """Nobody has opened a package yet."""
    db.rows("update scorm_enrollments set status = 'not_attempted', attempts = 0")


def held(db: Database, enrolment: str = LEA_SAFETY) -> list[tuple[str, bool, bool]]:
    found = db.rows("select relation, done, holds from courseyard.mapping_relations_v1(%s) order by title", [enrolment])
    return [(row["relation"], row["done"], row["holds"]) for row in found]


def test_a_prerequisite_holds_until_it_is_completed_there(fresh: Database) -> None:
    not_begun(fresh)
    mapped(fresh, "Prerequisite", scorm_package_id=SAFETY)
    assert held(fresh) == held(fresh, LEO_SAFETY) == [("prerequisite", False, True)]
    assert held(fresh, LEA_FIRST_AID) == [], "another package"
    fresh.rows("update partner_lms_enrollments set progress_percentage = 100 where id = %s", LEA_PARTNER)
    assert held(fresh)[0][2], "all progress is no completion"
    complete_at_partner(fresh)
    assert held(fresh) == [("prerequisite", True, False)]
    assert held(fresh, LEO_SAFETY)[0][2], "each for themselves"
    fresh.rows("update partner_lms_enrollments set status = 'active', completed_at = null where id = %s", LEA_PARTNER)
    assert held(fresh)[0][2], "what is taken back counts no more"
    for begun in ("status = 'incomplete'", "status = 'completed'", "status = 'not_attempted', attempts = 1"):
        fresh.rows(f"update scorm_enrollments set {begun} where id = %s", LEA_SAFETY)
        assert held(fresh) == [("prerequisite", False, False)], "who has begun is not kept from it"


@pytest.mark.parametrize(("kind", "active"), [("prerequisite", False), ("elective", True), ("Whatever", True)])
def test_nothing_else_holds(fresh: Database, kind: str, active: bool) -> None:
    not_begun(fresh)
    mapped(fresh, kind, scorm_package_id=SAFETY)
    fresh.rows("update partner_course_mappings set is_active = %s", active)
    assert held(fresh) == ([("elective", False, False)] if kind == "elective" else [])


def test_all_prerequisites_hold_and_one_that_is_elective_too_is_one(fresh: Database) -> None:
    not_begun(fresh)
    mapped(fresh, "elective", scorm_package_id=SAFETY)
    mapped(fresh, "prerequisite", scorm_package_id=SAFETY)
    assert held(fresh) == [("prerequisite", False, True)]
    other = "e0000000-0000-4000-8000-00000000000a"
    fresh.changed(
        "insert into partner_courses (id, provider_id, course_name) values (%s, %s, 'Aisles')", other, PROVIDER
    )
    fresh.changed(
        "insert into partner_course_mappings (partner_course_id, mapping_type, scorm_package_id)"
        " values (%s, 'prerequisite', %s)", other, SAFETY,
    )  # fmt: skip
    complete_at_partner(fresh)
    assert held(fresh) == [("prerequisite", False, True), ("prerequisite", True, False)]


def test_the_own_enrolment_is_told_as_long_as_it_has_not_been_ended(fresh: Database) -> None:
    not_begun(fresh)
    mapped(fresh, "prerequisite", scorm_package_id=SAFETY)
    query = "select own_id::text from courseyard.mapping_relations_v1(%s)"
    assert fresh.value(query, [LEA_SAFETY]) == LEA_PARTNER
    fresh.rows("update partner_lms_enrollments set status = 'withdrawn' where id = %s", LEA_PARTNER)
    assert fresh.value(query, [LEA_SAFETY]) is None
    assert held(fresh)[0][2]


def test_a_word_that_only_looks_like_completion_opens_nothing(fresh: Database) -> None:
    not_begun(fresh)
    mapped(fresh, "prerequisite", scorm_package_id=SAFETY)
    complete_at_partner(fresh)
    fresh.rows("update partner_lms_enrollments set completed_at = null where id = %s", LEA_PARTNER)
    assert not held(fresh)[0][2], "kept by hand, the word alone counts"
    fresh.rows(
        "insert into courseyard.partner_keys (provider_id, kind, external_id, row_id) values (%s, 'enrolment', 'x', %s)",
        PROVIDER, LEA_PARTNER,
    )  # fmt: skip
    assert held(fresh)[0][2], "a partner that tells of it tells when"


@pytest.mark.parametrize("kind", ["course", "program"])
def test_before_a_course_or_program_it_holds_the_packages_taken_as_part_of_it(fresh: Database, kind: str) -> None:
    not_begun(fresh)
    target = ARC_WELDING if kind == "course" else WELDING
    mapped(fresh, "prerequisite", **{f"internal_{kind}_id": target})
    assert held(fresh) == []
    fresh.rows("update enrollments set program_id = %s where user_id = %s", WELDING, LEA)
    fresh.rows(
        "update scorm_enrollments set enrollment_id = (select id from enrollments where user_id = %s) where id = %s",
        LEA, LEA_SAFETY,
    )  # fmt: skip
    assert held(fresh) == [("prerequisite", False, True)]
    assert held(fresh, LEO_SAFETY) == []


def test_what_comes_first_is_known_on_the_organisations_own_tables(project: Database) -> None:
    not_begun(project)
    project.changed(
        "insert into scorm_packages (id, title, package_url, launch_url) values (%s, 'Safety', 'https://x.org', 'https://x.org')",
        SAFETY,
    )
    [own] = project.rows(
        "insert into scorm_enrollments (scorm_package_id, user_id, enrollment_id)"
        " select %s, n.student_id, n.id from enrollments as n"
        " join partner_lms_enrollments as e on e.student_id = n.student_id and e.course_id = %s"
        " where n.program_id = %s limit 1 returning id::text, user_id::text as person",
        SAFETY, PARTNER_COURSE, WELDING,
    )  # fmt: skip
    mapped(project, "prerequisite", internal_program_id=WELDING)
    assert held(project, own["id"]) == [("prerequisite", False, True)]
    complete_at_partner(
        project, project.value("select id::text from partner_lms_enrollments where student_id = %s", own["person"])
    )
    assert held(project, own["id"]) == [("prerequisite", True, False)]


def test_ended_enrolments_and_inactive_mappings_make_nothing(fresh: Database) -> None:
    mapped(fresh, scorm_package_id=UNUSED)
    fresh.rows("update partner_lms_enrollments set status = 'withdrawn' where id = %s", LEO_PARTNER)
    fresh.rows("select courseyard.partner_mapped_v1()")
    assert fresh.value("select user_id::text from scorm_enrollments where scorm_package_id = %s", UNUSED) == LEA
    fresh.rows("update partner_course_mappings set is_active = false")
    fresh.rows("update partner_lms_enrollments set status = 'active' where id = %s", LEO_PARTNER)
    assert fresh.value("select courseyard.partner_mapped_v1()") == 0


def test_one_that_is_refused_does_not_stop_the_others(fresh: Database) -> None:
    mapped(fresh, internal_program_id=WELDING)
    fresh.rows(f"alter table enrollments add constraint not_leo check (user_id <> '{LEO}' or program_id is null)")
    fresh.rows("select courseyard.partner_mapped_v1()")
    assert fresh.value("select user_id::text from enrollments where program_id = %s", WELDING) == LEA
    assert "not_leo" in fresh.value(
        "select problem from courseyard.partner_mapped where partner_enrollment_id = %s", LEO_PARTNER
    )
    fresh.rows("alter table enrollments drop constraint not_leo")
    fresh.rows("select courseyard.partner_mapped_v1()")
    assert fresh.value("select count(*) from enrollments where program_id = %s", WELDING) == 1
    fresh.rows("update courseyard.partner_mapped set tried_at = now() - interval '2 hours'")
    fresh.rows("select courseyard.partner_mapped_v1()")
    assert fresh.value("select count(*) from enrollments where program_id = %s", WELDING) == 2


@pytest.mark.parametrize("kind", ["equivalent", "credit", "Equivalent"])
def test_what_was_completed_at_the_partner_counts_here(fresh: Database, kind: str) -> None:
    mapped(fresh, kind, scorm_package_id=SAFETY)
    mapped(fresh, kind, internal_course_id=ARC_WELDING)
    fresh.rows("update scorm_enrollments set score = 40 where id = %s", LEA_SAFETY)
    complete_at_partner(fresh)
    assert settle(fresh) == 2
    assert fresh.row(
        "select status, progress_percentage::int as progress, score::int, completed_at = '2026-11-01 10:00Z' as at "
        "from scorm_enrollments where id = %s", LEA_SAFETY,
    ) == {"status": "completed", "progress": 100, "score": 40, "at": True}  # fmt: skip
    assert fresh.rows("select status, completed_at is not null as done from enrollments order by user_id") == [
        {"status": "completed", "done": True}, {"status": "active", "done": False},
    ]  # fmt: skip
    assert fresh.row(
        "select source_title, source_provider, status_before from courseyard.credits where scorm_enrollment_id = %s",
        LEA_SAFETY,
    ) == {"source_title": "Forklifts", "source_provider": "Skills Partner", "status_before": "incomplete"}
    assert settle(fresh) == 0


def test_what_a_person_sets_back_stays(fresh: Database) -> None:
    mapped(fresh, scorm_package_id=SAFETY)
    complete_at_partner(fresh)
    settle(fresh)
    fresh.rows("update scorm_enrollments set status = 'not_attempted', completed_at = null where id = %s", LEA_SAFETY)
    assert settle(fresh) == 0
    assert fresh.value("select status from scorm_enrollments where id = %s", LEA_SAFETY) == "not_attempted"


def test_nothing_is_lowered(fresh: Database) -> None:
    mapped(fresh, scorm_package_id=SAFETY)
    fresh.rows(
        "update scorm_enrollments set status = 'passed', score = 90, completed_at = '2026-01-01Z' where id = %s",
        LEA_SAFETY,
    )
    complete_at_partner(fresh)
    assert settle(fresh) == 0
    assert fresh.value("select status from scorm_enrollments where id = %s", LEA_SAFETY) == "passed"


@pytest.mark.parametrize(("kind", "status"), [("equivalent", "completed"), ("credit", "pending")])
@pytest.mark.parametrize("target", [{"scorm_package_id": SAFETY}, {"internal_course_id": ARC_WELDING}])
def test_what_was_completed_here_counts_for_the_partner_where_it_is_the_same(
    fresh: Database, kind: str, status: str, target: dict[str, str]
) -> None:
    mapped(fresh, kind, **target)
    fresh.rows("update scorm_enrollments set status = 'passed', completed_at = now() where id = %s", LEA_SAFETY)
    fresh.rows("update enrollments set status = 'completed' where user_id = %s", LEA)
    settle(fresh)
    assert fresh.value("select status from partner_lms_enrollments where id = %s", LEA_PARTNER) == status
    assert fresh.value("select status from partner_lms_enrollments where id = %s", LEO_PARTNER) == "pending"


def test_a_credit_is_no_source_for_another_credit_but_equivalents_chain(fresh: Database) -> None:
    mapped(fresh, scorm_package_id=SAFETY)
    mapped(fresh, "credit", internal_course_id=ARC_WELDING)
    fresh.rows("update scorm_enrollments set status = 'passed', completed_at = now() where id = %s", LEA_SAFETY)
    for _ in range(3):
        settle(fresh)
    assert fresh.value("select status from partner_lms_enrollments where id = %s", LEA_PARTNER) == "completed"
    assert fresh.value("select status from enrollments where user_id = %s", LEA) == "active"


def test_a_word_of_the_organisations_own_that_only_looks_like_completion_does_not_count(fresh: Database) -> None:
    mapped(fresh, scorm_package_id=SAFETY)
    fresh.rows("insert into courseyard.partner_keys (provider_id, kind, external_id, row_id) values (%s, 'enrolment', 'e1', %s)",
               PROVIDER, LEA_PARTNER)  # fmt: skip
    fresh.rows(
        "update partner_lms_enrollments set status = 'completed', completed_at = null where id = %s", LEA_PARTNER
    )
    assert settle(fresh) == 0


@pytest.fixture
def project(supabase: str) -> Iterator[Database]:
    """A Supabase-like project, migrated."""
    apply(supabase)
    with opened(supabase) as db:
        yield db


def test_the_organisations_own_tables_are_used_as_they_stand(project: Database) -> None:
    mapped(project, internal_program_id=WELDING)
    project.rows("delete from enrollments where student_id = %s", LEA)
    complete_at_partner(
        project, project.value("select id::text from partner_lms_enrollments where student_id = %s", LEA)
    )
    assert settle(project) == 1
    assert project.rows("select student_id::text as who, state from enrollments order by 1 desc") == [
        {"who": LEO, "state": None}, {"who": "a0000000-0000-4000-8000-000000000004", "state": "completed"},
        {"who": "a0000000-0000-4000-8000-000000000003", "state": None},
    ]  # fmt: skip
    assert {r["title"] for r in project.rows("select title from courseyard.mapping_choices_v1()")} == {
        "Welding",
        "Arc welding",
    }
    people = project.rows("select courseyard.enrolled_people_v1('program', %s) as id", WELDING)
    assert len(people) == 3
    course = project.rows(
        "select * from courseyard.partner_enrol_v1(%s, %s, 'pending', false, null)", PARTNER_COURSE, [LEA, LEO]
    )
    assert {r["outcome"] for r in course} == {"stands"}
    mapped(project, internal_course_id=project.value("select id::text from courses"))
    settle(project)
    assert "no column for the course" in project.value(
        "select problem from courseyard.partner_mapped where kind = 'course' limit 1"
    )


def test_rows_go_with_what_they_belong_to_and_credits_stay_readable(fresh: Database) -> None:
    mapped(fresh, scorm_package_id=SAFETY)
    complete_at_partner(fresh)
    settle(fresh)
    fresh.rows("delete from partner_lms_enrollments where id = %s", LEA_PARTNER)
    assert fresh.row("select source_title, by_partner_enrollment_id from courseyard.credits") == {
        "source_title": "Forklifts", "by_partner_enrollment_id": None,
    }  # fmt: skip
    fresh.rows("delete from scorm_enrollments where id = %s", LEA_SAFETY)
    assert fresh.rows("select * from courseyard.credits") == []


def test_likeness_is_the_extensions_own_wherever_it_was_put(fresh: Database) -> None:
    fresh.rows("insert into scorm_packages (title, package_url, launch_url) values ('Forklift driving', 'x', 'x')")
    ask = "select kind, round(score::numeric, 2)::float as score from courseyard.mapping_likeness_v1(%s, 0.3)"
    assert fresh.rows(ask, [PARTNER_COURSE]) == []
    fresh.rows("create schema tools")
    fresh.rows("create extension pg_trgm schema tools")
    assert fresh.rows(ask, [PARTNER_COURSE]) == [{"kind": "package", "score": 0.42}]


def test_enrolling_works_on_the_organisations_own_tables(project: Database) -> None:
    project.rows("delete from partner_lms_enrollments where student_id = %s", LEO)
    course = [PARTNER_COURSE, [LEO], "pending", True, None]
    enrolled = project.row("select * from courseyard.partner_enrol_v1(%s, %s, %s, %s, %s)", *course)
    assert enrolled["outcome"] == "enrolled"
    item = project.row(
        "update courseyard.partner_outbox set state = 'working', token = gen_random_uuid() returning id, token"
    )
    project.rows(
        "insert into courseyard.partner_people (provider_id, external_id, profile_id, state) values (%s, 'u1', %s, 'matched')",
        PROVIDER, LEO,
    )  # fmt: skip
    answer = {
        "external_id": "e1",
        "record": {"external_id": "e1", "course": "c1", "user": {"external_id": "u1"}, "status": None},
    }
    told = [item["id"], item["token"], json.dumps(answer)]
    project.rows("select courseyard.partner_enrolled_v1(%s, %s, %s)", *told)
    standing = "select status from partner_lms_enrollments where id = %s"
    assert project.value(standing, enrolled["enrolment_id"]) == "active"
    assert (
        project.value("select row_id from courseyard.partner_keys where external_id = 'e1'") == enrolled["enrolment_id"]
    )
    with pytest.raises(psycopg.DatabaseError) as caught:
        project.rows("select courseyard.partner_enrolled_v1(%s, %s, %s)", *told)
    assert caught.value.sqlstate == "CY411"
    row = {"id": str(enrolled["enrolment_id"]), "status": "withdrawn"}
    project.rows("select courseyard.partner_status_v1(%s)", json.dumps([row]))
    assert project.value(standing, enrolled["enrolment_id"]) == "withdrawn"
    assert project.row("select * from courseyard.partner_enrol_v1(%s, %s, %s, %s, %s)", *course)["outcome"] == "again"


@pytest.mark.parametrize("area", ["partner_flow", "mappings", "web"])
def test_every_query_fits_the_organisations_own_tables(project: Database, area: str) -> None:
    queries = {name: text for name, text in named_queries().items() if name.startswith(f"{area}.")}
    assert len(queries) > 10
    for name, text in queries.items():
        with project.connection.transaction(force_rollback=True):
            try:
                project.connection.execute(text.encode(), defaultdict(lambda: None))
            except psycopg.DatabaseError as error:
                # A value that is missing is the caller's affair; a column or table that is missing is ours.
                assert error.sqlstate in {"CY404", "CY411", "23502", "22023"}, (name, str(error))


def test_after_a_table_was_dropped_and_made_again_the_engines_rows_are_put_right(fresh: Database) -> None:
    mapped(fresh, scorm_package_id=SAFETY)
    complete_at_partner(fresh)
    settle(fresh)
    fresh.rows("drop table partner_course_mappings cascade")
    apply(fresh.url)
    assert fresh.rows("select * from courseyard.partner_mapped") == []
    assert fresh.row("select mapping_id, source_title from courseyard.credits") == {
        "mapping_id": None, "source_title": "Forklifts",
    }  # fmt: skip
    keys = fresh.rows(
        "select conname from pg_constraint where conname in ('partner_mapped_mapping_fkey', 'credits_mapping_fkey')"
    )
    assert len(keys) == 2
    assert settle(fresh) == 0
