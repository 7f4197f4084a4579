"""A SCORM 1.2 course from launch to result, with everything that may go wrong in between."""

import asyncio

import pytest
from making import ITEM, manifest12

from courseyard.errors import (
    AttemptsUsedUpError,
    CommitGapError,
    PackageInactiveError,
    StaleEpochError,
    UnknownActivityError,
)

pytestmark = pytest.mark.anyio

STATUS, SCORE, PLACE, DATA = (
    "cmi.core.lesson_status",
    "cmi.core.score.raw",
    "cmi.core.lesson_location",
    "cmi.suspend_data",
)
TWO = manifest12(
    "".join(f'<item identifier="{i}" identifierref="r{i}"><title>{i}</title></item>' for i in "ab"),
    "".join(f'<resource identifier="r{i}" type="webcontent" adlcp:scormtype="sco" href="index.html"/>' for i in "ab"),
)


async def test_first_launch_delivers_the_sco_with_the_learners_data(classroom):
    window = await classroom.open(await classroom.enrol(await classroom.course(manifest12())))
    assert window.view["state"] == "running"
    assert window.data["cmi.core.student_id"] == "ada@example.org"
    assert (window.data["cmi.core.entry"], window.data["cmi.core.credit"]) == ("ab-initio", "credit")
    assert window.view["delivery"]["url"].endswith("/index.html")


async def test_a_commit_reaches_the_public_tables(either_classroom):
    enrolment = await either_classroom.enrol(await either_classroom.course(manifest12()))
    window = await either_classroom.open(enrolment)
    answer = await window.commit((STATUS, "passed"), (SCORE, "85"), ("cmi.core.session_time", "00:10:00"))
    assert (answer["ack"], answer["marks"]["i"]) == (1, {"completion": "completed", "success": "passed"})
    row = await either_classroom.enrolment(enrolment)
    assert (row["status"], row["score"], row["progress_percentage"], row["attempts"]) == ("passed", 85, 100, 1)
    assert row["time_spent_seconds"] == 600
    tracked = await either_classroom.sql('select element, value from public.scorm_tracking order by "timestamp"')
    assert [(t["element"], t["value"]) for t in tracked] == [
        (STATUS, "passed"),
        (SCORE, "85"),
        ("cmi.core.session_time", "00:10:00"),
    ]


async def test_a_closed_tab_stands_where_it_was(either_classroom):
    enrolment = await either_classroom.enrol(await either_classroom.course(manifest12()))
    window = await either_classroom.open(enrolment)
    await window.commit((PLACE, "page 3"), (DATA, "abc"), ("cmi.core.session_time", "00:01:00"))
    either_classroom.restart()
    again = await either_classroom.open(enrolment)
    assert again.data["cmi.core.entry"] == "resume"
    assert (again.data[PLACE], again.data[DATA]) == ("page 3", "abc")
    assert again.data["cmi.core.total_time"] == "0000:01:00.00"
    assert (await either_classroom.enrolment(enrolment))["attempts"] == 1


async def test_a_retry_is_acknowledged_and_not_written_again(classroom):
    window = await classroom.open(await classroom.enrol(await classroom.course(manifest12())))
    await window.commit((PLACE, "1"))
    await window.commit((PLACE, "2"))
    assert await window.commit((PLACE, "1"), seq=1) == {"ack": 1}
    rows = await classroom.sql('select value from public.scorm_tracking order by "timestamp"')
    assert [r["value"] for r in rows] == ["1", "2"]


async def test_the_newer_window_wins_and_nothing_vanishes(either_classroom):
    enrolment = await either_classroom.enrol(await either_classroom.course(manifest12()))
    old = await either_classroom.open(enrolment)
    new = await either_classroom.open(enrolment)
    with pytest.raises(StaleEpochError):
        await old.commit((PLACE, "old"))
    with pytest.raises(StaleEpochError):
        await old.go("exitAll")
    with pytest.raises(StaleEpochError):
        await either_classroom.player.heartbeat(old.session)
    await new.commit((PLACE, "new"))
    kept = await either_classroom.sql("select elements from courseyard.refused_commits")
    assert [k["elements"] for k in kept] == [[[PLACE, "old"]]]
    assert (await either_classroom.open(enrolment)).data[PLACE] == "new"


async def test_two_windows_at_once_make_one_attempt(classroom):
    enrolment = await classroom.enrol(await classroom.course(manifest12()))
    windows = await asyncio.gather(*(classroom.open(enrolment) for _ in range(4)))
    assert sorted(w.opened["epoch"] for w in windows) == [1, 2, 3, 4]
    assert len({w.opened["attempt"] for w in windows}) == 1


async def test_commits_that_overtake_each_other_are_put_in_order(classroom):
    window = await classroom.open(await classroom.enrol(await classroom.course(manifest12())))
    late = asyncio.create_task(window.commit((PLACE, "second"), seq=2))
    await asyncio.sleep(0.3)
    await window.commit((PLACE, "first"), seq=1)
    assert await late == {"ack": 2}
    data = (await classroom.sql("select data from courseyard.sco_states"))[0]["data"]
    assert data[PLACE] == "second"


async def test_a_gap_is_told_unless_the_window_has_lost_what_came_before(classroom):
    window = await classroom.open(await classroom.enrol(await classroom.course(manifest12())))
    with pytest.raises(CommitGapError) as gap:
        await window.commit((PLACE, "x"), seq=3)
    assert gap.value.extra == {"expected": 1}
    assert await window.commit((PLACE, "x"), seq=3, oldest=3) == {"ack": 3}


@pytest.mark.parametrize("size", [80_000, 1024 * 1024])
async def test_large_suspend_data_come_back_whole(classroom, size):
    enrolment = await classroom.enrol(await classroom.course(manifest12()))
    window = await classroom.open(enrolment)
    text = "ä" * size
    first = await window.commit((DATA, "x" * size))
    assert "limit" in first["findings"][0]["detail"]
    await window.commit((DATA, text))
    assert (await classroom.open(enrolment)).data[DATA] == text
    rows = await classroom.sql("select value from public.scorm_tracking where element = %s", DATA)
    assert [r["value"] for r in rows] == [text]


async def test_more_than_the_server_keeps_is_left_out_and_told(classroom):
    window = await classroom.open(await classroom.enrol(await classroom.course(manifest12())))
    answer = await window.commit((PLACE, "1"), (DATA, "x" * (1024 * 1024 + 1)))
    assert [f["code"] for f in answer["findings"]] == ["refused:too-long"]
    data = (await classroom.sql("select data from courseyard.sco_states"))[0]["data"]
    assert data[PLACE] == "1" and DATA not in data


async def test_what_the_data_model_refuses_changes_nothing(classroom):
    enrolment = await classroom.enrol(await classroom.course(manifest12()))
    window = await classroom.open(enrolment)
    bad = [("cmi.core.student_id", "eve"), (STATUS, "great"), ("cmi.core.score.raw", "1e9"), ("drop table", "x")]
    answer = await window.commit(*bad, ("cmi.interactions.5.id", "q"))
    assert len(answer["findings"]) == 5
    assert await classroom.sql("select from public.scorm_tracking") == []
    assert (await classroom.enrolment(enrolment))["status"] == "incomplete"


async def test_zeros_and_strange_characters_are_kept_as_far_as_text_can(classroom):
    enrolment = await classroom.enrol(await classroom.course(manifest12()))
    window = await classroom.open(enrolment)
    await window.commit((DATA, "a\0b\u2028\U0001f600'\"\\"))
    assert (await classroom.open(enrolment)).data[DATA] == "a�b\u2028\U0001f600'\"\\"


@pytest.mark.parametrize(
    ("mastery", "elements", "status"),
    [
        ("80", [(SCORE, "90")], "passed"),
        ("80", [(SCORE, "70"), (STATUS, "completed")], "failed"),
        ("", [], "completed"),
        ("", [(STATUS, "incomplete")], "incomplete"),
        ("80", [(SCORE, "10"), ("cmi.core.exit", "suspend"), (STATUS, "incomplete")], "incomplete"),
    ],
)
async def test_lesson_status_at_the_end(classroom, mastery, elements, status):
    inner = f"<adlcp:masteryscore>{mastery}</adlcp:masteryscore>" if mastery else ""
    enrolment = await classroom.enrol(await classroom.course(manifest12(ITEM.format(inner=inner))))
    window = await classroom.open(enrolment)
    await window.commit(*elements, terminate=True)
    assert (await classroom.enrolment(enrolment))["status"] == status


async def test_a_finished_course_begins_another_attempt_and_keeps_the_result(either_classroom):
    enrolment = await either_classroom.enrol(await either_classroom.course(manifest12()))
    window = await either_classroom.open(enrolment)
    await window.commit((STATUS, "passed"), (SCORE, "90"), (DATA, "old"), terminate=True)
    view = await window.go("exitAll")
    assert view["state"] == "ended"
    assert (view["result"]["completion"], view["result"]["success"], view["result"]["score"]) == (
        "completed", "passed", 90,
    )  # fmt: skip
    again = await either_classroom.open(enrolment)
    assert again.data["cmi.core.entry"] == "ab-initio" and DATA not in again.data
    row = await either_classroom.enrolment(enrolment)
    assert (row["status"], row["score"], row["attempts"]) == ("passed", 90, 2)


async def test_a_finished_course_that_suspended_goes_on(classroom):
    enrolment = await classroom.enrol(await classroom.course(manifest12()))
    window = await classroom.open(enrolment)
    await window.commit((STATUS, "completed"), (DATA, "bookmark"), ("cmi.core.exit", "suspend"), terminate=True)
    await window.go("exitAll")
    again = await classroom.open(enrolment)
    assert (again.data["cmi.core.entry"], again.data[DATA]) == ("resume", "bookmark")
    assert (await classroom.enrolment(enrolment))["attempts"] == 1


async def test_attempts_are_limited(classroom):
    package = await classroom.course(manifest12())
    enrolment = await classroom.enrol(package)
    await classroom.sql("update public.scorm_packages set max_attempts = 1 where id = %s", package)
    window = await classroom.open(enrolment)
    await window.commit((STATUS, "failed"), terminate=True)
    await window.go("exitAll")
    with pytest.raises(AttemptsUsedUpError):
        await classroom.open(enrolment)


async def test_a_closed_package_neither_enrols_nor_opens(classroom):
    package = await classroom.course(manifest12())
    enrolment = await classroom.enrol(package)
    await classroom.sql("update public.scorm_packages set is_active = false where id = %s", package)
    with pytest.raises(PackageInactiveError):
        await classroom.enrol(package, "bob@example.org")
    with pytest.raises(PackageInactiveError):
        await classroom.open(enrolment)


async def test_enrolling_again_and_at_once_is_one_enrolment(classroom):
    package, learner = await classroom.course(manifest12()), await classroom.learner()
    found = await asyncio.gather(*(classroom.enrolments.enroll(package, learner) for _ in range(6)))
    assert len({identifier for identifier, _ in found}) == 1
    assert [created for _, created in found].count(True) == 1


async def test_several_scos_are_complete_together(classroom):
    enrolment = await classroom.enrol(await classroom.course(TWO))
    window = await classroom.open(enrolment)
    assert window.item == "a"
    await window.commit((STATUS, "completed"), (PLACE, "a1"), terminate=True)
    row = await classroom.enrolment(enrolment)
    assert (row["status"], row["progress_percentage"]) == ("incomplete", 50)
    await window.go("choice", "b")
    assert window.item == "b" and window.data["cmi.core.entry"] == "ab-initio"
    await window.commit((SCORE, "40"), (STATUS, "passed"))
    row = await classroom.enrolment(enrolment)
    assert (row["status"], row["progress_percentage"], row["score"]) == ("passed", 100, 40)
    await window.go("previous")
    assert (window.item, window.data[PLACE], window.data[STATUS]) == ("a", "a1", "completed")


async def test_leaving_an_unfinished_course_means_coming_back_to_the_same_place(classroom):
    enrolment = await classroom.enrol(await classroom.course(TWO))
    window = await classroom.open(enrolment)
    await window.commit((STATUS, "completed"), terminate=True)
    await window.go("continue")
    assert (await window.go("exitAll"))["state"] == "ended"
    again = await classroom.open(enrolment)
    assert again.item == "b"
    assert (await classroom.enrolment(enrolment))["attempts"] == 1


@pytest.mark.parametrize("mode", ["browse", "review"])
async def test_looking_never_writes(classroom, mode):
    enrolment = await classroom.enrol(await classroom.course(manifest12()))
    window = await classroom.open(enrolment)
    await window.commit((STATUS, "incomplete"), (PLACE, "page 3"))
    before = await classroom.enrolment(enrolment)
    looking = await classroom.open(enrolment, mode)
    assert (looking.data["cmi.core.lesson_mode"], looking.data["cmi.core.credit"]) == (mode, "no-credit")
    assert (looking.data.get(PLACE) == "page 3") is (mode == "review")
    await looking.commit((STATUS, "passed"), (SCORE, "100"), terminate=True)
    await looking.go("exitAll")
    assert await classroom.enrolment(enrolment) == before
    tracked = await classroom.sql("select from public.scorm_tracking where value in ('passed', '100')")
    assert tracked == []
    # The learner's own window was not disturbed either.
    await window.commit((PLACE, "page 4"))


async def test_an_activity_that_was_never_opened_takes_nothing(classroom):
    window = await classroom.open(await classroom.enrol(await classroom.course(TWO)))
    with pytest.raises(UnknownActivityError):
        await window.commit((PLACE, "x"), item="b")


async def test_a_logout_ends_the_session(classroom):
    window = await classroom.open(await classroom.enrol(await classroom.course(TWO)))
    answer = await window.commit(("cmi.core.exit", "logout"), terminate=True)
    assert answer["then"] == {"request": "exitAll", "target": None}
    assert (await window.go(None, source="sco"))["state"] == "ended"


async def test_time_is_measured_from_signs_of_life(either_classroom):
    enrolment = await either_classroom.enrol(await either_classroom.course(manifest12()))
    window = await either_classroom.open(enrolment)
    await either_classroom.sql("update courseyard.launches set last_seen_at = last_seen_at - interval '40 seconds'")
    await either_classroom.player.heartbeat(window.session)
    await either_classroom.sql("update courseyard.launches set last_seen_at = last_seen_at - interval '1 hour'")
    await window.commit((PLACE, "after lunch"))
    measured = (await either_classroom.sql("select seconds from courseyard.activity_time"))[0]["seconds"]
    assert 40 <= measured < 60
    assert 40 <= (await either_classroom.enrolment(enrolment))["time_spent_seconds"] < 60
