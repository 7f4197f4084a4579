"""What xAPI statements tell: courses, enrolments, progress, badges; one page is put together, nothing is taken back."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from courseyard.partners.records import Course, Credential, Enrolment, ModuleProgress, User
from courseyard.partners.statements import statement_id, translate

ADL = "http://adlnet.gov/expapi/verbs/"
CMI5 = "https://w3id.org/xapi/adl/verbs/"
COURSE = {
    "id": "https://x.org/course",
    "definition": {"type": "http://adlnet.gov/expapi/activities/course", "name": {"de": "Kurs", "en-US": "Course"}},
}
UNIT = {"id": "https://x.org/unit-1", "definition": {"name": {"en": "Unit 1"}}}
ADA = {"mbox": "mailto:Ada@x.org", "name": "Ada"}
REGISTRATION = "ec531277-b57b-4c15-8d91-d292c5b2b8f7"
STORED = datetime(2026, 11, 20, 13, tzinfo=UTC)


def at(minute: int) -> datetime:
    return datetime(2026, 11, 20, 12, minute, tzinfo=UTC)


def said(verb: str, activity=UNIT, minute: int = 0, *, actor=ADA, course=COURSE, registration=None, **result):
    context = {"contextActivities": {"grouping": [course]}} if course and activity is not course else {}
    if registration:
        context["registration"] = registration
    statement = {
        "id": f"id-{verb}-{minute}", "actor": actor, "verb": {"id": verb if "//" in verb else ADL + verb}, "object": activity,
        "timestamp": at(minute).isoformat(), "stored": STORED.isoformat(), "context": context,
    }  # fmt: skip
    return {**statement, "result": result} if result else statement


def of(kind, *statements, **options):
    told = translate(statements, **options)
    assert told.rejected == []
    return [record for record in told.records if isinstance(record, kind)]


def test_a_unit_passed_in_a_course():
    course, enrolment, module = translate(
        [
            said("initialized", minute=1),
            said("passed", minute=9, score={"scaled": 0.85, "raw": 17, "min": 0, "max": 20}, duration="PT8M"),
            said("terminated", minute=10, duration="PT9M"),
        ]
    ).records
    assert course == Course(external_id="https://x.org/course", title="Course", data_at=STORED)
    assert enrolment == Enrolment(
        external_id="https://x.org/course:ada@x.org",
        course="https://x.org/course",
        user=User(external_id="ada@x.org", email="Ada@x.org", name="Ada"),
        status=None,
        data_at=STORED,
    )
    assert module == ModuleProgress(
        enrolment=enrolment.external_id,
        module_id="https://x.org/unit-1",
        module_name="Unit 1",
        status="passed",
        score=85,
        time_spent_seconds=480,
        started_at=at(1),
        completed_at=at(9),
        last_accessed_at=at(10),
        data_at=STORED,
        extra={"raw": 17, "min": 0, "max": 20},
    )


def test_being_there_says_nothing_of_the_status():
    (module,) = of(ModuleProgress, said("terminated"))
    assert (module.status, module.completed_at) == (None, None)


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_what_happened_counts_not_that_of_the_list(order):
    (module,) = of(ModuleProgress, *[said("failed", minute=1), said("passed", minute=2)][::order])
    assert module.status == "passed"


def test_complete_does_not_take_back_passed_or_failed():
    for first in ("passed", "failed"):
        (module,) = of(ModuleProgress, said(first, minute=1), said("completed", minute=2))
        assert (module.status, module.completed_at) == (first, at(2))


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        (said("registered", COURSE), None),
        (said("completed", COURSE), "completed"),
        (said("passed", COURSE), "completed"),
        (said("failed", COURSE), "failed"),
        (said("completed", COURSE, success=False), "failed"),
        (said(CMI5 + "satisfied", COURSE), "completed"),
        (said(CMI5 + "waived", COURSE), "completed"),
        (said(CMI5 + "abandoned", COURSE), None),
        (said("completed", {"id": "https://x.org/alone"}, course=None), "completed"),
    ],
)
def test_statements_about_the_course_itself(statement, status):
    (enrolment,) = of(Enrolment, statement)
    assert enrolment.status == status
    assert of(ModuleProgress, statement) == []


def test_registration_is_the_key_and_cmi5_units_need_nothing_else():
    cmi5 = [{"id": "https://w3id.org/xapi/cmi5/context/categories/cmi5"}]
    unit = said("completed", registration=REGISTRATION)
    unit["context"]["contextActivities"] = {"grouping": [{"id": "https://publisher.org/unit"}], "category": cmi5}
    (module,) = of(ModuleProgress, unit)
    assert module.enrolment == REGISTRATION
    assert of(Enrolment, unit) == [], "the course is told by the statement that it is satisfied"
    (enrolment,) = of(Enrolment, said(CMI5 + "satisfied", COURSE, registration=REGISTRATION))
    assert (enrolment.external_id, enrolment.status) == (REGISTRATION, "completed")


@pytest.mark.parametrize(
    ("actor", "user"),
    [
        (
            {"account": {"homePage": "https://hr.x.org", "name": "P-17"}},
            User(external_id="https://hr.x.org|P-17", sis_id="P-17"),
        ),
        (
            {"account": {"homePage": "h", "name": "a@x.org"}},
            User(external_id="h|a@x.org", sis_id="a@x.org", email="a@x.org"),
        ),
        ({"openid": "https://a.example"}, User(external_id="https://a.example")),
        ({"mbox_sha1sum": "abc"}, User(external_id="abc")),
    ],
)
def test_actors(actor, user):
    (enrolment,) = of(Enrolment, said("completed", COURSE, actor=actor))
    assert enrolment.user == user


@pytest.mark.parametrize(
    ("extensions", "progress"),
    [
        ({"https://w3id.org/xapi/cmi5/result/extensions/progress": 40}, 40),
        ({"https://w3id.org/xapi/cmi5/result/extensions/progress": 1}, 1),
        ({"https://w3id.org/xapi/video/extensions/progress": 0.4}, 40),
        ({"https://w3id.org/xapi/video/extensions/progress": 1}, 100),
        ({"https://x.org/progress": "70"}, 70),
        ({"https://x.org/other": 3}, None),
    ],
)
def test_progress(extensions, progress):
    (module,) = of(ModuleProgress, said("progressed", extensions=extensions))
    assert module.progress == progress


def test_a_badge():
    badge = {
        "id": "https://x.org/badges/1",
        "definition": {"type": "http://activitystrea.ms/schema/1.0/badge", "name": {"en": "Diver"}},
    }
    assertion = {
        "http://specification.openbadges.org/xapi/extensions/badgeassertion.json": {"@id": "https://x.org/a/1"}
    }
    statement = said(
        "http://specification.openbadges.org/xapi/verbs/earned.json", badge, course=None, extensions=assertion
    )
    assert translate([statement]).records == [
        Credential(
            external_id=statement_id(statement),
            user=User(external_id="ada@x.org", email="Ada@x.org", name="Ada"),
            name="Diver",
            type="badge",
            issued=date(2026, 11, 20),
            verification_url="https://x.org/a/1",
            data_at=STORED,
        )
    ]


def test_what_is_not_ours_is_left_out_and_what_is_broken_is_rejected():
    question = {"id": "https://x.org/q", "definition": {"type": "http://adlnet.gov/expapi/activities/cmi.interaction"}}
    told = translate(
        [
            said("answered", question),
            said("completed", question),
            said("completed", actor={"objectType": "Group", "member": [ADA]}),
            said("commented"),
            said("completed", {"objectType": "Agent", "mbox": "mailto:b@x.org"}),
        ]
    )
    assert (told.records, told.rejected) == ([], [])
    broken = [
        7,
        {},
        {"verb": {"id": ADL + "completed"}},
        said("completed", {}),
        said("completed", actor={}),
        said("completed", actor=[]),
    ]
    assert [reason for _, reason in translate(broken).rejected] == [
        "The statement cannot be used: it is no object.",
        "The statement cannot be used: it has no verb.",
        "The statement cannot be used: it has no object.",
        "The statement cannot be used: its activity has no id.",
        "The statement cannot be used: its actor has no identifier.",
        "The statement cannot be used: it has no actor.",
    ]


def test_a_course_without_a_name_is_named_by_its_address_unless_it_stands():
    nameless = {"id": "https://x.org/courses/fire%20safety"}
    (course,) = of(Course, said("completed", nameless, course=None), known=set())
    assert course.title == "fire safety"
    assert of(Course, said("completed", nameless, course=None), known={nameless["id"]}) == []
    assert of(Course, said("completed", nameless, course=None)) == []


def test_a_statement_without_an_id_has_the_same_each_time():
    statement = {k: v for k, v in said("completed").items() if k != "id"}
    assert statement_id(statement) == statement_id(dict(reversed(statement.items()))) != statement_id(said("completed"))
