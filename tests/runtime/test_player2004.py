"""A SCORM 2004 course: sequencing, data that comes back, requests of the SCO, what outlives an attempt."""

import pytest
from making import manifest2004

from courseyard.errors import ForbiddenError
from courseyard.runtime.player import Place

pytestmark = pytest.mark.anyio

DONE, RESULT, PLACE, EXIT, REQUEST = (
    "cmi.completion_status",
    "cmi.success_status",
    "cmi.location",
    "cmi.exit",
    "adl.nav.request",
)
FLOW = '<imsss:sequencing><imsss:controlMode choice="true" flow="true"/></imsss:sequencing>'


def item(name: str, sequencing: str = "", more: str = "") -> str:
    return (
        f'<item identifier="{name}" identifierref="r"><title>{name}</title>{more}'
        f"<imsss:sequencing>{sequencing}</imsss:sequencing></item>"
    )


def course(*items: str, sequencing: str = FLOW) -> str:
    return manifest2004("".join(items) + sequencing)


THREE = course(item("a"), item("b"), item("c"))


async def test_continue_to_the_end_completes_the_course(classroom):
    enrolment = await classroom.enrol(await classroom.course(THREE))
    window = await classroom.open(enrolment)
    for name, progress in (("a", 33.33), ("b", 66.67), ("c", 100)):
        assert window.item == name
        await window.commit((DONE, "completed"), (RESULT, "passed"), terminate=True)
        assert float((await classroom.enrolment(enrolment))["progress_percentage"]) == progress
        await window.go("continue")
    assert window.view["state"] == "ended"
    assert window.view["result"]["completion"] == "completed"
    assert (await classroom.enrolment(enrolment))["status"] == "passed"


async def test_suspend_all_comes_back_whatever_the_sco_said(classroom):
    enrolment = await classroom.enrol(await classroom.course(THREE))
    window = await classroom.open(enrolment)
    await window.go("choice", "b")
    await window.commit((PLACE, "7"), (EXIT, "normal"), ("cmi.session_time", "PT1M"), terminate=True)
    assert (await window.go("suspendAll"))["state"] == "ended"
    again = await classroom.open(enrolment)
    assert (again.item, again.data["cmi.entry"], again.data[PLACE]) == ("b", "resume", "7")
    assert again.data["cmi.total_time"] == "PT1M"
    assert EXIT not in again.data


async def test_a_closed_tab_stands_where_it_was(classroom):
    enrolment = await classroom.enrol(await classroom.course(THREE))
    window = await classroom.open(enrolment)
    await window.go("choice", "b")
    await window.commit((PLACE, "7"))
    again = await classroom.open(enrolment)
    assert (again.item, again.data["cmi.entry"], again.data[PLACE]) == ("b", "resume", "7")
    assert (await classroom.enrolment(enrolment))["attempts"] == 1


async def test_normal_exit_and_return_is_a_new_attempt_on_the_activity(classroom):
    window = await classroom.open(await classroom.enrol(await classroom.course(THREE)))
    await window.commit((PLACE, "7"), terminate=True)
    await window.go("choice", "b")
    await window.go("choice", "a")
    assert window.data["cmi.entry"] == "ab-initio" and PLACE not in window.data


async def test_suspended_exit_and_return_goes_on(classroom):
    window = await classroom.open(await classroom.enrol(await classroom.course(THREE)))
    await window.commit((PLACE, "7"), (EXIT, "suspend"), terminate=True)
    await window.go("choice", "b")
    await window.go("choice", "a")
    assert (window.data["cmi.entry"], window.data[PLACE]) == ("resume", "7")


async def test_the_next_attempt_knows_what_was_mastered(classroom):
    skip = (
        "<imsss:sequencingRules><imsss:preConditionRule><imsss:ruleConditions>"
        '<imsss:ruleCondition condition="satisfied"/></imsss:ruleConditions><imsss:ruleAction action="skip"/>'
        "</imsss:preConditionRule></imsss:sequencingRules>"
    )
    enrolment = await classroom.enrol(await classroom.course(course(item("a", skip), item("b"))))
    window = await classroom.open(enrolment)
    await window.commit((DONE, "completed"), (RESULT, "passed"), terminate=True)
    await window.go("exitAll")
    assert (await classroom.open(enrolment)).item == "b"


async def test_the_scos_request_takes_effect(classroom):
    window = await classroom.open(await classroom.enrol(await classroom.course(THREE)))
    answer = await window.commit((REQUEST, "{target=c}choice"), terminate=True)
    assert answer["then"] == {"request": "choice", "target": "c"}
    await window.go(None, source="sco")
    assert window.item == "c"
    answer = await window.commit((EXIT, "time-out"), (REQUEST, "previous"), terminate=True)
    assert answer["then"]["request"] == "exitAll"


async def test_without_a_request_the_sco_stays(classroom):
    window = await classroom.open(await classroom.enrol(await classroom.course(THREE)))
    await window.commit((DONE, "completed"), terminate=True)
    view = await window.go("_none_", source="sco")
    assert (view["state"], view["unchanged"], window.item) == ("running", True, "a")


async def test_a_request_whose_answer_was_lost_is_not_run_twice(classroom):
    window = await classroom.open(await classroom.enrol(await classroom.course(THREE)))
    place = Place("a", window.view["delivery"]["activity_attempt"])
    await window.go("continue", came_from=place)
    await window.go("continue", came_from=place)
    assert window.item == "b"


async def test_abandoned_data_do_not_count(classroom):
    enrolment = await classroom.enrol(await classroom.course(THREE))
    window = await classroom.open(enrolment)
    await window.commit((PLACE, "7"), ("cmi.session_time", "PT1H"))
    view = await window.go("abandon")
    assert (view["state"], view["delivery"]) == ("idle", None)
    await window.go("choice", "a")
    assert PLACE not in window.data
    rows = await classroom.sql("select reported_seconds from courseyard.attempts")
    assert rows[0]["reported_seconds"] == 0


async def test_a_start_that_delivers_nothing_leaves_the_contents_to_choose_from(classroom):
    window = await classroom.open(
        await classroom.enrol(await classroom.course(course(item("a"), item("b"), sequencing="")))
    )
    assert (window.view["state"], window.view["delivery"]) == ("idle", None)
    assert window.view["toc"][0]["item"] == "o"
    assert [t["enabled"] for t in window.view["toc"] if t["item"] in "ab"] == [True, True]
    await window.go("choice", "b")
    assert window.item == "b"


async def test_a_refused_request_says_why_and_keeps_the_activity(classroom):
    window = await classroom.open(await classroom.enrol(await classroom.course(THREE)))
    await window.commit((PLACE, "7"))
    view = await window.go("choice", "nowhere")
    assert view["message"]
    assert (window.item, window.data[PLACE], window.data["cmi.entry"]) == ("a", "7", "resume")


async def test_a_request_that_leads_nowhere_leaves_the_contents_to_choose_from(classroom):
    window = await classroom.open(await classroom.enrol(await classroom.course(THREE)))
    view = await window.go("previous")
    assert view["message"] and view["state"] == "idle"
    await window.go("choice", "b")
    assert window.item == "b"


def mapped(*, read: bool) -> str:
    return course(
        item(
            "a",
            '<imsss:objectives><imsss:primaryObjective objectiveID="p"><imsss:mapInfo targetObjectiveID="skill" '
            f'readSatisfiedStatus="{str(read).lower()}" writeSatisfiedStatus="{str(not read).lower()}"/>'
            "</imsss:primaryObjective></imsss:objectives>",
        ),
        item("b"),
    )


async def test_objectives_of_the_learner_reach_another_course(classroom):
    one = await classroom.open(await classroom.enrol(await classroom.course(mapped(read=False))))
    await one.commit((RESULT, "passed"), terminate=True)
    await one.go("exitAll")
    other = await classroom.course(mapped(read=True))
    two = await classroom.open(await classroom.enrol(other))
    assert two.data["cmi.objectives.0.id"] == "p"
    assert two.data["cmi.objectives.0.success_status"] == "passed"
    stranger = await classroom.open(await classroom.enrol(other, "bob@example.org"))
    assert "cmi.objectives.0.success_status" not in stranger.data


async def test_a_course_may_keep_its_objectives_to_itself(classroom):
    def closed(manifest: str) -> str:
        return manifest.replace("<organization ", '<organization adlseq:objectivesGlobalToSystem="false" ', 1)

    own = await classroom.course(closed(mapped(read=False)))
    one = await classroom.open(await classroom.enrol(own))
    await one.commit((RESULT, "passed"), terminate=True)
    await one.go("continue")
    assert await classroom.sql("select objective from courseyard.global_objectives") == []
    await one.go("exitAll")
    assert await classroom.sql("select objective from courseyard.global_objectives") == []
    # Nor does it see what the learner mastered elsewhere.
    other = await classroom.open(await classroom.enrol(await classroom.course(mapped(read=False))))
    await other.commit((RESULT, "passed"), terminate=True)
    await other.go("exitAll")
    assert await classroom.sql("select objective from courseyard.global_objectives") == [{"objective": "skill"}]
    reading = await classroom.open(await classroom.enrol(await classroom.course(closed(mapped(read=True)))))
    assert "cmi.objectives.0.success_status" not in reading.data


async def test_shared_data_are_the_learners(classroom):
    store = '<adlcp:data><adlcp:map targetID="s"/></adlcp:data>'
    package = await classroom.course(course(item("a", more=store), item("b", more=store)))
    enrolment = await classroom.enrol(package)
    window = await classroom.open(enrolment)
    await window.commit(("adl.data.0.store", "hello"))
    rows = await classroom.sql("select store, value from courseyard.shared_data")
    assert rows == [{"store": "s", "value": "hello"}]
    await window.go("continue")
    assert (window.data["adl.data.0.id"], window.data["adl.data.0.store"]) == ("s", "hello")
    looking = await classroom.open(enrolment, "browse")
    await looking.commit(("adl.data.0.store", "changed"))
    await looking.go("suspendAll")
    assert await classroom.sql("select store, value from courseyard.shared_data") == rows


async def test_time_limits_reach_the_sco(classroom):
    limited = item(
        "a",
        '<imsss:limitConditions attemptAbsoluteDurationLimit="PT30M"/>',
        "<adlcp:timeLimitAction>exit,message</adlcp:timeLimitAction>",
    )
    window = await classroom.open(await classroom.enrol(await classroom.course(course(limited, item("b")))))
    assert window.data["cmi.max_time_allowed"] == "PT30M"
    assert window.data["cmi.time_limit_action"] == "exit,message"


async def test_only_a_preview_shows_why(classroom):
    package = await classroom.course(THREE)
    window = await classroom.open(await classroom.enrol(package))
    with pytest.raises(ForbiddenError):
        await classroom.player.why(window.session)
    preview = await classroom.preview(package)
    await preview.commit((DONE, "completed"), terminate=True)
    await preview.go("continue")
    why = await classroom.player.why(preview.session)
    assert [t["item"] for t in why["tree"]] == ["o", "a", "b", "c"]
    assert why["requests"][0]["request"] == "continue"
    assert why["requests"][0]["sentences"] and why["sentences"]
    assert await classroom.sql("select from public.scorm_tracking") == []


async def test_the_next_attempt_runs_on_the_new_version_and_the_present_one_stays(classroom):
    package = await classroom.course(THREE)
    enrolment = await classroom.enrol(package)
    window = await classroom.open(enrolment)
    await classroom.course(course(item("new")), package_id=package)
    again = await classroom.open(enrolment)
    assert again.item == window.item == "a"
    for name in "abc":
        await again.go("choice", name)
        await again.commit((DONE, "completed"), (RESULT, "passed"), terminate=True)
    await again.go("exitAll")
    assert (await classroom.open(enrolment)).item == "new"


LIMITED = (
    '<imsss:limitConditions attemptAbsoluteDurationLimit="PT{seconds}S"/>'
    '<imsss:deliveryControls completionSetByContent="true" objectiveSetByContent="true"/>'
)


def limited(name: str, seconds: int, action: str) -> str:
    sequencing = LIMITED.format(seconds=seconds)
    return item(name, sequencing, f"<adlcp:timeLimitAction>{action}</adlcp:timeLimitAction>")


async def pass_time(classroom, window, seconds: int) -> None:
    """The page is open that long, as its heartbeats tell."""
    for _ in range(seconds // 60):
        await classroom.sql("update courseyard.launches set last_seen_at = last_seen_at - interval '60 seconds'")
        await window.player.heartbeat(window.session)


async def test_time_that_is_used_up_ends_the_session_as_a_time_out_does(classroom):
    enrolment = await classroom.enrol(await classroom.course(course(limited("a", 300, "exit,message"), item("b"))))
    window = await classroom.open(enrolment)
    assert window.data["cmi.max_time_allowed"] == "PT300S"
    assert window.view["delivery"]["time_limit"] == {
        "seconds_left": pytest.approx(300, abs=5),
        "exits": True,
        "tells": True,
    }
    await window.commit((PLACE, "7"), (EXIT, "suspend"))
    view = await window.go("exit", source="clock")
    assert (view["unchanged"], window.item) == (True, "a"), "a page whose clock is ahead is not believed"
    await pass_time(classroom, window, 300)
    view = await window.go("exit", source="clock")
    assert view["state"] == "ended"
    assert view["message"] == "The time for “a” is over (5 minutes), so it was closed."
    again = await classroom.open(enrolment)
    assert (again.item, again.data["cmi.entry"]) == ("a", "ab-initio") and PLACE not in again.data
    assert again.view["delivery"]["time_limit"]["seconds_left"] == pytest.approx(300, abs=5)


async def test_what_is_set_long_after_the_time_was_over_is_kept_and_told(classroom):
    window = await classroom.open(
        await classroom.enrol(await classroom.course(course(limited("a", 60, "exit,message"))))
    )
    assert "findings" not in await window.commit((PLACE, "1"))
    await pass_time(classroom, window, 180)
    answer = await window.commit((PLACE, "2"))
    assert [(f["code"], f["element"]) for f in answer["findings"]] == [("finding:time-over", "cmi.max_time_allowed")]
    assert (await classroom.sql("select data from courseyard.sco_states"))[0]["data"][PLACE] == "2"


async def test_a_clock_stands_while_the_learner_is_elsewhere(classroom):
    body = course(limited("a", 600, "exit,no message"), item("b"))
    window = await classroom.open(await classroom.enrol(await classroom.course(body)))
    await pass_time(classroom, window, 240)
    await window.commit((EXIT, "suspend"), terminate=True)
    await window.go("continue")
    assert window.view["delivery"]["time_limit"] is None
    await pass_time(classroom, window, 300)
    await window.go("previous")
    assert 355 < window.view["delivery"]["time_limit"]["seconds_left"] <= 360
    await pass_time(classroom, window, 360)
    view = await window.go("exit", source="clock")
    assert (view["state"], view["message"]) == ("ended", None), "without a message none is told"


@pytest.mark.parametrize(("action", "tells"), [("continue,message", True), ("continue,no message", None)])
async def test_time_that_may_be_passed_closes_nothing(classroom, action, tells):
    window = await classroom.open(await classroom.enrol(await classroom.course(course(limited("a", 60, action)))))
    limit = window.view["delivery"]["time_limit"]
    assert limit == (tells and {"seconds_left": pytest.approx(60, abs=5), "exits": False, "tells": True})
    await pass_time(classroom, window, 300)
    view = await window.go("exit", source="clock")
    assert (view["state"], view["unchanged"]) == ("running", True)


async def test_a_commit_tells_how_the_activities_stand(classroom):
    inner = f"<item identifier='m'><title>m</title>{item('a')}{item('b')}{FLOW}</item>"
    window = await classroom.open(await classroom.enrol(await classroom.course(course(inner, item("c")))))
    assert "marks" not in await window.commit((PLACE, "1"))
    answer = await window.commit((DONE, "completed"), (RESULT, "failed"))
    unknown = {"completion": "unknown", "success": "unknown"}
    assert answer["marks"] == {"o": unknown, "m": unknown, "a": {"completion": "completed", "success": "failed"}}


@pytest.mark.parametrize("through", [RESULT, "cmi.objectives.0.success_status"])
async def test_who_failed_and_then_passes_has_passed(classroom, through):
    shared = (
        '<imsss:objectives><imsss:primaryObjective objectiveID="known">'
        '<imsss:mapInfo targetObjectiveID="quiz" writeSatisfiedStatus="true"/></imsss:primaryObjective></imsss:objectives>'
    )
    window = await classroom.open(await classroom.enrol(await classroom.course(course(item("a", shared), item("b")))))
    await window.commit((RESULT, "failed"), terminate=True)
    await window.go("continue")
    await window.go("previous")
    assert window.data["cmi.objectives.0.success_status"] == "failed"
    answer = await window.commit((through, "passed"), terminate=True)
    assert answer["marks"]["a"]["success"] == "passed"
    await window.go("continue")
    assert next(entry for entry in window.view["toc"] if entry["item"] == "a")["success"] == "passed"
