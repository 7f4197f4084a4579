"""Deliveries that come twice, late and in any order end in the same tables as those that come once and in theirs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fix_web import RunningSite
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from partners.scripted import Scripted, course, credential, draft, enrolment, module, scripted_kind

from courseyard.limits import SYNC_BATCH_RECORDS
from courseyard.partners.batch import batches
from courseyard.partners.connector import Delivery, Received
from courseyard.partners.records import Gone, ModuleProgress, Record

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(minute: int) -> dict[str, Any]:
    return {"data_at": NOON + timedelta(minutes=minute)}


def part(of: int, number: int = 1, **more: Any) -> ModuleProgress:
    """A fact about a module that need not name it."""
    return ModuleProgress(enrolment=f"e{of}", module_id=f"m{number}", **more)


# What happened at the partner, one fact after another.
FACTS: list[list[Record]] = [
    [course(1, **at(0))],
    [enrolment(1, **at(1), enrolled_at=NOON)],
    [enrolment(2, "leo", **at(2), enrolled_at=NOON), module(1, 2, status="in_progress", progress=10.0, **at(2))],
    [module(1, status="in_progress", progress=40.0, **at(3))],
    [module(1, status="completed", score=80.0, completed_at=NOON, **at(4)), module(2, status="in_progress", **at(4))],
    [course(1, code="NEW", **at(5))],
    [credential(1, number="draft", **at(6), enrolment="e1")],
    [module(2, status="passed", score=70.0, completed_at=NOON, **at(7))],
    [enrolment(1, status="completed", completed_at=NOON, enrolled_at=NOON, **at(8))],
    [credential(1, number="N-1", **at(9), enrolment="e1")],
    [Gone(kind="enrolment", external_id="e2", **at(10))],
    [enrolment(3, "leo", 1, status="withdrawn", enrolled_at=NOON, **at(11))],
    [enrolment(3, "leo", 1, status="active", enrolled_at=NOON, **at(12))],
    # Pending still, though its modules were begun, and all done.
    [enrolment(4, "lea", status="pending", enrolled_at=NOON, **at(1))],
    [part(4, status="in_progress", progress=10.0, **at(2))],
    [enrolment(4, "lea", status="pending", enrolled_at=NOON, extra={"seat": 7}, **at(3))],
    [enrolment(5, "leo", status="active", enrolled_at=NOON, **at(1))],
    [part(5, status="passed", progress=100.0, completed_at=NOON, **at(2))],
    [enrolment(5, "leo", status="pending", enrolled_at=NOON, **at(3))],
    # Told in parts: each fact speaks of something else.
    [enrolment(6, "lea", status=None, enrolled_at=NOON, **at(1))],
    [part(6, status=None, last_accessed_at=NOON, **at(2))],
    [part(6, status="passed", score=60.0, completed_at=NOON, **at(3))],
    [part(6, 2, status="completed", score=50.0, completed_at=NOON, **at(3))],
    [part(6, status=None, score=90.0, **at(4))],
    [
        part(6, status=None, module_name="Called otherwise", **at(5)),
        part(6, 2, status="in_progress", progress=30.0, **at(5)),
    ],
    [enrolment(6, "lea", status=None, **at(6))],
    # There again after the end, and an end after the work was done.
    [enrolment(7, "leo", status="withdrawn", progress=20.0, enrolled_at=NOON, **at(1))],
    [enrolment(7, "leo", status=None, **at(2))],
    [enrolment(8, "lea", status="active", enrolled_at=NOON, **at(1))],
    [part(8, status="completed", score=75.0, completed_at=NOON, **at(2))],
    [Gone(kind="enrolment", external_id="e8", **at(3))],
    [Gone(kind="module", external_id="e4:m1", **at(8))],
]
TABLES = (
    "select external_course_id, course_name, course_code, active from public.partner_courses order by 1",
    # Who has begun is active or in progress: which word stands depends on whether the partner or the modules said so first.
    """select external_enrollment_id, student_id, replace(status, 'in_progress', 'active'), progress_percentage, enrolled_at, completed_at
       from public.partner_lms_enrollments order by 1""",
    """select m.user_id, e.external_enrollment_id, m.module_id, m.module_name, m.status, m.progress_percentage, m.score,
         m.completed_at, m.last_accessed_at, m.metadata ? 'gone_at'
       from public.external_module_progress m join public.partner_lms_enrollments e on e.id = m.partner_enrollment_id
       order by 2, 3""",
    "select external_credential_id, user_id, credential_number from public.partner_credentials order by 1",
    "select count(*) from courseyard.sync_failures where resolved_at is null",
)


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Scripted]]:
    with scripted_kind(monkeypatch) as kind:
        yield kind


def told(site: RunningSite, partner: type[Scripted], deliveries: list[tuple[str, list[Record]]], at_once: int) -> Any:
    """The tables after these deliveries to a new provider, which is deleted again."""
    hub = site.services.hub
    provider = site.run(hub.providers.save(draft(import_rule="all", schedule_minutes=None)))
    for number, (delivery_id, records) in enumerate(deliveries, 1):
        partner.received = Received(delivery_id, records)
        site.run(hub.inbox.receive(provider, Delivery({}, b"", NOON)))
        if number % at_once == 0 or number == len(deliveries):
            site.run(hub.schedule.work_inbox(provider))
    assert site.sql("select error_message from public.lms_sync_log where status not in ('partial', 'succeeded')") == []
    found = [site.sql(query) for query in TABLES]
    site.run(hub.providers.delete(provider))
    return found


@pytest.mark.slow
def test_any_order_and_repetition_ends_in_the_same_tables(site: RunningSite, partner: type[Scripted]) -> None:
    site.person(email="lea@example.org"), site.person(email="leo@example.org")
    deliveries = [(f"d{number}", records) for number, records in enumerate(FACTS)]
    wanted = told(site, partner, deliveries, 1)
    assert [len(rows) for rows in wanted] == [1, 8, 8, 1, 1] and wanted[-1] == [(0,)]
    assert [row[2] for row in wanted[1]] == [
        "completed", "withdrawn", "active", "active", "completed", "active", "active", "completed"
    ]  # fmt: skip

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.permutations(deliveries),
        # Repeats: the very same delivery again, or the same facts in one that looks new.
        st.lists(st.tuples(st.sampled_from(deliveries), st.booleans(), st.integers(0, len(deliveries))), max_size=5),
        st.integers(1, 4),
    )
    def reordered(order: list[Any], repeats: list[Any], at_once: int) -> None:
        order = list(order)
        for number, ((delivery_id, records), anew, place) in enumerate(repeats):
            order.insert(place, (f"again-{number}" if anew else delivery_id, records))
        for found, rows in zip(told(site, partner, order, at_once), wanted, strict=True):
            assert found == rows

    reordered()


def test_one_thing_told_several_times_at_once_is_told_call_by_call() -> None:
    records = [module(1, progress=1.0), enrolment(1), module(1, progress=2.0), Gone(kind="course", external_id="c9")]
    assert batches([*records, course(1), module(2)], NOON) == [
        [course(1), enrolment(1), module(1, progress=1.0), module(2)],
        [module(1, progress=2.0), Gone(kind="course", external_id="c9")],
    ]
    assert [len(call) for call in batches([module(n) for n in range(SYNC_BATCH_RECORDS + 1)], NOON)] == [
        SYNC_BATCH_RECORDS,
        1,
    ]
