"""Who was refused in one run is asked about again in the next, at Canvas and at Moodle, and costs one call as long as it lasts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from fix_partners import NOW, Connected
from partners.standins import canvas, moodle

from courseyard.partners.connector import Connector, Cursor, Scope, Stream
from courseyard.partners.connectors.canvas import Canvas
from courseyard.partners.connectors.moodle import Moodle
from courseyard.partners.records import Enrolment
from courseyard.partners.refused import Refused

pytestmark = pytest.mark.anyio

COURSES = ("21", "22")
EVERYBODY = {"21:11", "21:12", "21:13", "22:11"}
LONG_AGO = datetime(2026, 3, 1, 10, tzinfo=UTC)


@dataclass
class There:
    """A partner with people in two courses, who moved long ago. ``lacks``: whom and what it refuses."""

    make: Callable[[], Connector]
    lacks: set[str]
    calls: list[str]
    # A watermark from before they moved, in the partner's form.
    before: Cursor

    async def run(self, since: Cursor | None = None) -> tuple[set[str], list[Any], Cursor]:
        """Who was told of, what was refused, and the watermark; from each place in a fresh connector."""
        told: set[str] = set()
        refused: list[Any] = []
        cursor = None
        while True:
            page = await self.make().fetch(Stream.PROGRESS, cursor, Scope(courses=COURSES, since=since, now=NOW))
            told |= {record.external_id for record in page.records if isinstance(record, Enrolment)}
            refused += [what for what, _ in page.rejected]
            if page.next is None:
                assert page.watermark is not None
                return told, refused, json.loads(json.dumps(page.watermark))
            cursor = json.loads(json.dumps(page.next))


def school() -> canvas.School:
    there = canvas.School()
    there.courses = [canvas.course(int(course), f"Course {course}") for course in COURSES]
    there.users = {n: {"id": n, "name": f"U {n}"} for n in (11, 12, 13)}
    at = LONG_AGO.isoformat().replace("+00:00", "Z")
    there.enrolments = [
        canvas.enrolment(n, course, user, last_activity_at=at)
        for n, (course, user) in enumerate(((21, 11), (21, 12), (21, 13), (22, 11)))
    ]
    return there


def site() -> moodle.Site:
    there = moodle.Site()
    there.courses = {int(course): moodle.course(int(course), f"Course {course}") for course in COURSES}
    there.users = {n: {"id": n, "fullname": f"U {n}", "email": f"u{n}@example.org"} for n in (11, 12, 13)}
    for course, user in ((21, 11), (21, 12), (21, 13), (22, 11)):
        there.enrol(course, user, access=int(LONG_AGO.timestamp()))
    return there


@pytest.fixture(params=["canvas", "moodle"])
def there(request: pytest.FixtureRequest, serve: Callable[[Any], str], connected: Connected) -> There:
    if request.param == "canvas":
        standing = school()
        address = serve(standing.app)
        before: Cursor = {"since": "2026-02-01T00:00:00+00:00"}
        return There(
            lambda: connected.make(Canvas, address, token=canvas.TOKEN), standing.lacks, standing.calls, before
        )
    other = site()
    folder = serve(other.app) + "/moodle"
    before = {"since": LONG_AGO.timestamp() - 86_400}
    return There(lambda: connected.make(Moodle, folder, token=moodle.TOKEN), other.lacks, other.calls, before)


async def test_a_person_is_asked_about_again_until_it_is_allowed(there: There) -> None:
    there.lacks.add("user 12")
    told, refused, mark = await there.run()
    assert told == EVERYBODY - {"21:12"} and refused == [{"course": "21", "user": "12"}]

    there.calls.clear()
    for _ in range(3):
        told, refused, mark = await there.run(mark)
        assert told == set() and refused == [{"course": "21", "user": "12"}]
    quiet = len(there.calls) / 3

    there.lacks.clear()
    told, refused, mark = await there.run(mark)
    assert told == {"21:12"} and refused == []
    there.calls.clear()
    assert (await there.run(mark))[:2] == (set(), [])
    assert quiet == len(there.calls) + 1, "what is refused for ever costs one call a run"
    assert "refused" not in mark


async def test_a_roster_is_read_from_where_it_last_could_be(there: There) -> None:
    there.lacks.add("course 21")
    told, refused, mark = await there.run(there.before)
    assert told == {"22:11"} and refused == [{"course": "21"}]
    told, refused, mark = await there.run(mark)
    assert told == set() and refused == [{"course": "21"}]

    there.lacks.clear()
    told, refused, mark = await there.run(mark)
    assert told == {"21:11", "21:12", "21:13"} and refused == [], "who moved while it could not be read"
    assert "refused" not in mark
    assert (await there.run(mark))[0] == set()


async def test_a_roster_that_was_never_read_is_read_whole(there: There) -> None:
    there.lacks.add("course 21")
    told, _, mark = await there.run()
    assert told == {"22:11"}
    there.lacks.clear()
    told, _, mark = await there.run(mark)
    assert told == {"21:11", "21:12", "21:13"}
    assert (await there.run(mark))[0] == set()


async def test_a_person_is_not_forgotten_while_the_roster_is_refused(there: There) -> None:
    there.lacks.add("user 12")
    _, _, mark = await there.run()
    there.lacks.add("course 21")
    _, _, mark = await there.run(mark)
    there.lacks.clear()
    assert (await there.run(mark))[0] == {"21:12"}


async def test_work_that_was_graded_while_it_could_not_be_seen_is_asked_about(
    serve: Callable[[Any], str], connected: Connected
) -> None:
    standing = school()
    address = serve(standing.app)
    partner = There(lambda: connected.make(Canvas, address, token=canvas.TOKEN), standing.lacks, standing.calls, {})
    _, _, mark = await partner.run()
    standing.lacks.add("view_all_grades")
    graded = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    standing.submissions = [canvas.submission(21, 13, 601, "graded", 6, graded)]
    _, _, mark = await partner.run(mark)
    mark["since"] = "2027-01-01T00:00:00+00:00"
    standing.lacks.clear()
    assert (await partner.run(mark))[0] == {"21:13"}


def test_a_watermark_has_its_bounds_and_new_ones_come_first() -> None:
    run = Refused({"since": 5})
    entries: list[Any] = []
    for n in range(700):
        entries = run.with_person(run.with_person(entries, "c", str(n)), "c", str(n))
    assert len(entries) == 500
    mark = run.mark(6, entries)
    assert mark is not None and mark["since"] == 6

    later = Refused(mark)
    assert later.people("c") == [str(n) for n in range(500)] and later.people("d") == []
    for n in range(500):
        entries = later.with_person(entries if n else [], "c", str(n))
    entries = later.with_list(entries, "d")
    assert len(entries) == 500 and entries[0] == {"course": "d", "list": "roster", "since": 6}


def test_where_no_time_is_told_the_last_watermark_stays() -> None:
    assert Refused(None).mark(None, [{"course": "c", "user": "u"}]) is None
    assert Refused({"since": 5, "refused": []}).mark(None, []) == {"since": 5}
    assert Refused(None).since("c") is None
