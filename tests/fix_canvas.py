"""A school on a stand-in for Canvas, connectors on it, and JSON such as no Canvas sends.

``school`` may be changed before it is asked; ``canvas(…)`` is a fresh connector on it each time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from fix_partners import Connected
from hypothesis import strategies as st
from partners.standins.canvas import TOKEN, School, course, enrolment, item, module, submission

from courseyard.partners.connector import Connector
from courseyard.partners.connectors.canvas import Canvas
from courseyard.partners.records import User

ISAAC = User(external_id="11", email="isaac@example.org", name="Isaac Newton", sis_id="S-11")

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.sampled_from([10**400, "\ud800", "0000-00-00", "21", "99999-01-01"])
)  # fmt: skip
names = st.sampled_from([
    "id", "name", "workflow_state", "concluded", "term", "account", "enrollments", "enrollment_state", "updated_at", "last_activity_at",
    "created_at", "grades", "current_score", "items", "completion_requirement", "type", "completed", "completed_at", "content_id",
    "title", "assignment_id", "assignment", "quiz_id", "discussion_topic", "points_possible", "score", "graded_at", "submitted_at",
    "excused", "user_id", "email", "login_id", "message", "errors",
])  # fmt: skip
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=8), max_leaves=40
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.fixture
def school() -> School:
    """Three courses, of which 21 has modules with requirements and 22 has assignments alone."""
    school = School()
    school.users[1] = {"id": 1, "name": "Courseyard", "login_id": "yard", "email": "yard@example.org"}
    for identifier, name in ((11, "Isaac Newton"), (12, "Ada Lovelace"), (13, "Emmy Noether"), (14, "Alan Turing")):
        short = name.split()[0].lower()
        school.users[identifier] = {
            "id": identifier, "name": name, "sortable_name": name, "login_id": short, "sis_user_id": f"S-{identifier}",
            "email": f"{short}@example.org",
        }  # fmt: skip
    school.courses = [course(21, "Physics"), course(22, "Engines"), course(23, "Rings", workflow_state="unpublished")]
    grades = {"current_score": 88.5, "final_score": 70, "current_grade": "B", "final_grade": "C"}
    school.enrolments = [
        enrolment(901, 21, 11, last_activity_at="2026-03-01T10:00:00Z", total_activity_time=3600, grades=grades),
        # The same person in another section, long ago.
        enrolment(902, 21, 11, "inactive"),
        enrolment(903, 21, 12, "invited"),
        enrolment(904, 21, 13, "inactive", updated_at="2026-03-02T08:00:00Z"),
        enrolment(905, 22, 14, "completed", updated_at="2026-03-03T08:00:00Z"),
        enrolment(906, 21, 14, type="TeacherEnrollment"),
    ]
    school.modules[21] = [
        module(
            1, "Motion",
            item(101, "Read me", "Page", requirement={"type": "must_view"}),
            item(102, "Falling apples", "Quiz", 501, {"type": "min_score", "min_score": 8}),
            item(103, "Further reading", "ExternalUrl"),
        ),
        module(
            2, "Light",
            item(201, "Prism", "Assignment", 602, {"type": "must_submit"}),
            item(202, "Debate", "Discussion", 701, {"type": "must_contribute"}),
        ),
    ]  # fmt: skip
    school.met = {(11, 101), (11, 201)}
    school.completed[11, 2] = "2026-03-01T09:30:00Z"
    school.submissions = [
        submission(21, 11, 601, "graded", 6, "2026-03-01T09:00:00Z", quiz_id=501, submitted_at="2026-03-01T08:59:00Z"),
        submission(21, 11, 602, "submitted", submitted_at="2026-03-01T09:10:00Z"),
        submission(21, 11, 603, discussion_topic={"id": 701}),
        submission(22, 14, 604, "graded", 45, "2026-03-02T09:00:00Z", points_possible=50),
        submission(22, 14, 605),
        submission(22, 14, 606, points_possible=50) | {"excused": True},
        submission(22, 14, 607, "graded", 1, published=False),
    ]
    return school


@pytest.fixture
def canvas(school: School, serve: Callable[[Any], str], connected: Connected) -> Callable[..., Connector]:
    """A connector on the stand-in, a fresh one each time."""
    address = serve(school.app)
    return lambda **values: connected.make(Canvas, address, **({"token": TOKEN} | values))
