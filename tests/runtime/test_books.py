"""What the Run-Time Environment and Content Aggregation books say of the data between a SCO and its activity.

The words are those of ADL's conformance suite, whose cases ask for each of these points.
"""

import pytest
from making import manifest2004

from courseyard.datamodel import Model

pytestmark = pytest.mark.anyio

FLOW = '<imsss:sequencing><imsss:controlMode choice="true" flow="true"/></imsss:sequencing>'
DONE, RESULT, EXIT = "cmi.completion_status", "cmi.success_status", "cmi.exit"


def item(name: str, sequencing: str = "", before: str = "", attributes: str = "") -> str:
    return (
        f'<item identifier="{name}" identifierref="r"><title>{name}</title>{before}'
        f"<imsss:sequencing {attributes}>{sequencing}</imsss:sequencing></item>"
    )


def course(*items: str, **more: str) -> str:
    return manifest2004("".join(items) + FLOW, **more)


def primary(identifier: str = "p", maps: str = "", attributes: str = "") -> str:
    return (
        f'<imsss:objectives><imsss:primaryObjective objectiveID="{identifier}" {attributes}>{maps}'
        "</imsss:primaryObjective></imsss:objectives>"
    )


def adlseq(identifier: str, attributes: str) -> str:
    return (
        f'<adlseq:objectives><adlseq:objective objectiveID="{identifier}"><adlseq:mapInfo {attributes}/>'
        "</adlseq:objective></adlseq:objectives>"
    )


def objectives_of(data: dict[str, str]) -> dict[str, dict[str, str]]:
    """cmi.objectives by id."""
    found = {}
    for name, value in data.items():
        if name.startswith("cmi.objectives.") and name.endswith(".id"):
            place = name.removesuffix("id")
            told = {n.removeprefix(place): v for n, v in data.items() if n.startswith(place) and n != name}
            found[value] = told
    return found


async def window_on(classroom, manifest: str, email: str = "ada@example.org"):
    return await classroom.open(await classroom.enrol(await classroom.course(manifest), email))


async def test_white_space_in_names_is_collapsed(classroom):
    manifest = course(
        item("  a  ", attributes='IDRef="  shared  "'),
        item("b"),
        extra='<imsss:sequencingCollection><imsss:sequencing ID="shared     ">'
        '<imsss:objectives><imsss:primaryObjective objectiveID=" ob%20j%201     "/></imsss:objectives>'
        "</imsss:sequencing></imsss:sequencingCollection>",
    )
    window = await window_on(classroom, manifest)
    assert window.item == "a"
    assert objectives_of(window.data) == {"ob j 1": {}}


async def test_target_ids_that_differ_in_space_alone_are_the_same_and_case_counts(classroom):
    write = '<imsss:mapInfo targetObjectiveID="gObj%20-%20X" writeSatisfiedStatus="true"/>'
    manifest = course(
        item("a", primary(maps=write)),
        item("b", primary(maps='<imsss:mapInfo targetObjectiveID=" gObj%20%20-%20%20X "/>')),
        item("c", primary(maps='<imsss:mapInfo targetObjectiveID="GOBJ%20-%20X"/>')),
    )
    window = await window_on(classroom, manifest)
    await window.commit((RESULT, "passed"), terminate=True)
    await window.go("continue")
    assert objectives_of(window.data)["p"] == {"success_status": "passed"}
    await window.go("continue")
    assert objectives_of(window.data)["p"] == {}


async def test_a_collection_gives_maps_to_an_objective_of_the_item(classroom):
    collection = (
        "<imsss:sequencingCollection><imsss:sequencing ID='s'>"
        + adlseq("p", 'targetObjectiveID="g" writeCompletionStatus="true" writeRawScore="true"')
        + "</imsss:sequencing></imsss:sequencingCollection>"
    )
    manifest = course(
        item("a", primary(), attributes='IDRef="s"'),
        item("b", primary() + adlseq("p", 'targetObjectiveID="g"')),
        extra=collection,
    )
    window = await window_on(classroom, manifest)
    await window.commit(("cmi.objectives.0.completion_status", "not attempted"), ("cmi.score.raw", "7"))
    await window.go("continue")
    told = objectives_of(window.data)["p"]
    assert told == {"completion_status": "incomplete", "score.raw": "7"}, "not attempted is not complete"


async def test_only_named_objectives_are_there_at_launch(classroom):
    others = '<imsss:objectives><imsss:primaryObjective/><imsss:objective objectiveID="x"/></imsss:objectives>'
    window = await window_on(classroom, course(item("a", others), item("b", primary())))
    assert list(objectives_of(window.data)) == ["x"]
    await window.go("continue")
    assert list(objectives_of(window.data)) == ["p"]


async def test_scores_of_one_course_are_read_in_another(classroom):
    fields = ("RawScore", "MinScore", "MaxScore")
    write = " ".join(f'write{name}="true"' for name in fields)
    first = course(item("a", primary() + adlseq("p", f'targetObjectiveID="across" {write}')))
    second = course(item("b", primary() + adlseq("p", 'targetObjectiveID="across"')))
    window = await window_on(classroom, first)
    await window.commit(("cmi.score.raw", "12"), ("cmi.score.min", "-1"), ("cmi.score.max", "20.5"), terminate=True)
    await window.go("exitAll")
    window = await window_on(classroom, second)
    assert objectives_of(window.data)["p"] == {"score.raw": "12", "score.min": "-1", "score.max": "20.5"}
    window = await window_on(classroom, second, "another@example.org")
    assert objectives_of(window.data)["p"] == {}, "another learner has objectives of their own"


async def test_a_course_may_keep_its_objectives_to_itself(classroom):
    write = '<imsss:mapInfo targetObjectiveID="g" writeSatisfiedStatus="true"/>'
    shared = course(item("a", primary(maps=write)))
    own = shared.replace(
        '<organization identifier="o"', '<organization identifier="o" adlseq:objectivesGlobalToSystem="false"'
    )
    window = await window_on(classroom, shared)
    await window.commit((RESULT, "passed"), terminate=True)
    await window.go("exitAll")
    assert objectives_of((await window_on(classroom, own)).data)["p"] == {}
    assert objectives_of((await window_on(classroom, shared)).data)["p"] == {"success_status": "passed"}


async def test_progress_that_is_read_is_judged_by_the_readers_own_threshold(classroom):
    threshold = '<adlcp:completionThreshold completedByMeasure="true" minProgressMeasure="0.5"/>'
    write = primary() + adlseq("p", 'targetObjectiveID="g" writeProgressMeasure="true"')
    read = primary() + adlseq("p", 'targetObjectiveID="g"')
    window = await window_on(classroom, course(item("a", write), item("b", read, threshold), item("c", read)))
    await window.commit(("cmi.progress_measure", "0.6"), (DONE, "incomplete"), terminate=True)
    await window.go("continue")
    assert window.data["cmi.completion_threshold"] == "0.5"
    assert objectives_of(window.data)["p"] == {"completion_status": "completed", "progress_measure": "0.6"}
    assert objectives_of((await window.go("continue"))["delivery"]["data"])["p"] == {"progress_measure": "0.6"}


@pytest.mark.parametrize(
    ("attributes", "inner", "expected"),
    [
        ("", "<imsss:minNormalizedMeasure>0.6</imsss:minNormalizedMeasure>", None),
        ('satisfiedByMeasure="false"', "<imsss:minNormalizedMeasure>0.6</imsss:minNormalizedMeasure>", None),
        ('satisfiedByMeasure="true"', "", "1"),
        ('satisfiedByMeasure="true"', "<imsss:minNormalizedMeasure>0.6</imsss:minNormalizedMeasure>", "0.6"),
    ],
)
async def test_the_passing_score_is_told_where_it_is_in_force(classroom, attributes, inner, expected):
    window = await window_on(classroom, course(item("a", primary(maps=inner, attributes=attributes))))
    assert window.data.get("cmi.scaled_passing_score") == expected
    if expected is None:
        assert Model("2004", window.data).get("cmi.scaled_passing_score") == ("", 403)
        return
    sco = Model("2004", window.data)
    sco.set(RESULT, "passed")
    assert sco.get(RESULT) == ("unknown", 0), "no score yet, so nothing is known, whatever the SCO says"
    sco.set("cmi.score.scaled", "1")
    assert sco.get(RESULT) == ("passed", 0)
    sco.set("cmi.score.scaled", "0.1")
    assert sco.get(RESULT) == ("failed", 0)


async def test_total_time_adds_up_in_any_spelling_and_stands_still_within_a_session(classroom):
    window = await window_on(classroom, course(item("a"), item("b")))
    total = []
    for session in ("PT1M", "PT0H0M0S", "PT01H059M020S", "PT0H05M49S"):
        await window.commit(("cmi.session_time", session), (EXIT, "suspend"), terminate=True)
        await window.go("choice", "a")
        total.append(Model("2004", window.data).get("cmi.total_time")[0])
    assert total == ["PT1M", "PT1M", "PT2H20S", "PT2H6M9S"]
    await window.commit(("cmi.session_time", "P0Y029DT0H"), terminate=True)
    await window.go("choice", "b")
    await window.go("choice", "a")
    assert window.data["cmi.total_time"] in {"PT0S", "PT0H0M0S"}, "a new attempt begins with none"


async def test_a_time_out_ends_the_session_and_the_next_one_begins_anew(classroom):
    enrolment = await classroom.enrol(await classroom.course(course(item("a"), item("b"))))
    window = await classroom.open(enrolment)
    answer = await window.commit(
        ("cmi.suspend_data", "x"), ("cmi.session_time", "PT5M"), (EXIT, "time-out"), terminate=True
    )
    assert answer["then"] == {"request": "exitAll", "target": None}
    assert (await window.go(None, source="sco"))["state"] == "ended"
    again = await classroom.open(enrolment)
    assert again.data["cmi.entry"] == "ab-initio"
    assert "cmi.suspend_data" not in again.data and again.data["cmi.total_time"].startswith("PT0")


STORES = (
    '<adlcp:data><adlcp:map targetID="one"/><adlcp:map targetID="two" readSharedData="false" writeSharedData="true"/>'
    '<adlcp:map targetID="three" writeSharedData="false"/></adlcp:data>'
)


def private(manifest: str) -> str:
    return manifest.replace(
        '<organization identifier="o"', '<organization identifier="o" adlcp:sharedDataGlobalToSystem="false"'
    )


async def test_shared_data_by_their_maps(classroom):
    window = await window_on(classroom, course(item("a", before=STORES)))
    sco = Model("2004", window.data)
    assert sco.get("adl.data._count") == ("3", 0)
    assert sco.get("adl.data.0.store") == ("", 403), "nothing was stored yet"
    assert sco.get("adl.data.1.store") == ("", 405)
    assert sco.set("adl.data.2.store", "x").code == 404
    assert sco.set("adl.data.0.id", "other").code == 404
    assert sco.set("adl.data.0.store", "x") is None and sco.get("adl.data.0.store") == ("x", 0)
    assert sco.set("adl.data.0.store", "") is None and sco.get("adl.data.0.store") == ("", 403)


async def test_shared_data_that_the_course_keeps_end_with_its_attempt_and_live_over_a_break(classroom):
    manifest = private(course(item("a", before=STORES), item("b", before=STORES)))
    enrolment = await classroom.enrol(await classroom.course(manifest))
    window = await classroom.open(enrolment)
    await window.commit(("adl.data.0.store", "kept"), terminate=True)
    await window.go("choice", "b")
    assert window.data["adl.data.0.store"] == "kept"
    await window.go("suspendAll")
    window = await classroom.open(enrolment)
    assert window.data["adl.data.0.store"] == "kept"
    await window.go("exitAll")
    window = await classroom.open(enrolment)
    assert "adl.data.0.store" not in window.data
    shared = await window_on(classroom, course(item("a", before=STORES)))
    await shared.commit(("adl.data.0.store", "for all"), terminate=True)
    await shared.go("exitAll")
    window = await classroom.open(enrolment)
    assert "adl.data.0.store" not in window.data, "the same target of another scope is another store"
    assert (await window_on(classroom, course(item("c", before=STORES)))).data["adl.data.0.store"] == "for all"


async def test_trying_the_whole_course_again_is_a_new_attempt_for_its_stores(classroom):
    again = (
        '<imsss:sequencingRules><imsss:postConditionRule><imsss:ruleConditions><imsss:ruleCondition condition="always"/>'
        '</imsss:ruleConditions><imsss:ruleAction action="retryAll"/></imsss:postConditionRule></imsss:sequencingRules>'
    )
    window = await window_on(classroom, private(course(item("a", again, STORES), item("b"))))
    await window.commit(("adl.data.0.store", "kept"), terminate=True)
    await window.go("continue")
    assert (window.item, "adl.data.0.store" in window.data) == ("a", False)


async def test_what_may_be_asked_for_is_known_at_launch(classroom):
    window = await window_on(classroom, course(item("a"), item("b"), item("c")))
    sco = Model("2004", window.data, valid=window.view["valid"])
    known = ("continue", "previous", "choice.{target=c}", "jump.{target=b}", "choice.{target=nowhere}")
    answers = [sco.get(f"adl.nav.request_valid.{name}") for name in known]
    assert answers == [("true", 0), ("false", 0), ("true", 0), ("true", 0), ("false", 0)]


async def test_a_silent_sco_is_concluded_by_the_lms_unless_the_content_decides(classroom):
    decides = '<imsss:deliveryControls completionSetByContent="true" objectiveSetByContent="true"/>'
    window = await window_on(classroom, course(item("a"), item("b", decides), item("c")))
    for _ in ("a", "b"):
        await window.commit(("cmi.location", "1"), terminate=True)
        await window.go("continue")
    status = {entry["item"]: (entry["completion"], entry["success"]) for entry in window.view["toc"]}
    assert (status["a"], status["b"]) == (("completed", "passed"), ("unknown", "unknown"))


async def test_an_asset_counts_as_done_once_it_was_left(classroom):
    resources = '<resource identifier="r" type="webcontent" adlcp:scormType="asset" href="index.html"/>'
    enrolment = await classroom.enrol(await classroom.course(course(item("a"), item("b"), resources=resources)))
    window = await classroom.open(enrolment)
    assert window.data == {}
    await window.go("continue")
    await window.go("continue")
    assert window.view["state"] == "ended"
    assert (await classroom.enrolment(enrolment))["status"] == "passed"


@pytest.mark.parametrize(
    "value",
    [
        "".join(map(chr, range(0x21, 0x100))),
        "&lt;&#x41;&amp;amp; it\u2019s",
        manifest2004(item("a") * 12),
        "x" * 64_000,
    ],
    ids=["latin and C1 controls", "character references", "a manifest", "64,000 characters"],
)
async def test_shared_data_come_back_as_they_were_stored(classroom, value):
    window = await window_on(classroom, course(item("a", before=STORES), item("b", before=STORES)))
    await window.commit(("adl.data.0.store", value), terminate=True)
    await window.go("continue")
    assert window.data["adl.data.0.store"] == value


@pytest.mark.parametrize("name", ["__CM-04a.Activity.3__", "_.activity.11", "cluster"])
async def test_a_sco_may_ask_for_any_item_and_for_a_cluster(classroom, name):
    cluster = f'<item identifier="cluster"><title>c</title>{item("__CM-04a.Activity.3__")}{item("_.activity.11")}{FLOW}</item>'
    window = await window_on(classroom, course(item("a"), cluster))
    sco = Model("2004", window.data, valid=window.view["valid"])
    assert sco.get(f"adl.nav.request_valid.choice.{{target={name}}}") == ("true", 0)
    wish = f"{{target={name}}}choice"
    assert sco.set("adl.nav.request", wish) is None
    await window.commit(("adl.nav.request", wish), terminate=True)
    await window.go(None, source="sco")
    assert window.item == ("__CM-04a.Activity.3__" if name == "cluster" else name)


async def test_post_conditions_wait_until_the_learner_moves(classroom):
    always = (
        '<imsss:sequencingRules><imsss:postConditionRule><imsss:ruleConditions><imsss:ruleCondition condition="always"/>'
        '</imsss:ruleConditions><imsss:ruleAction action="exitAll"/></imsss:postConditionRule></imsss:sequencingRules>'
    )
    window = await window_on(classroom, course(item("a", always), item("b")))
    await window.commit((DONE, "completed"), terminate=True)
    assert (await window.go("_none_", source="sco"))["state"] == "running", "it asked for nothing, so it stays"
    assert window.view["valid"]["continue"] and window.view["valid"]["exitAll"]
    assert (await window.go("continue"))["state"] == "ended"


async def test_abandoned_data_are_not_kept_and_abandoning_all_ends_the_session(classroom):
    enrolment = await classroom.enrol(await classroom.course(course(item("a"), item("b"))))
    window = await classroom.open(enrolment)
    await window.commit((RESULT, "passed"), ("cmi.location", "7"), ("adl.nav.request", "abandon"), terminate=True)
    assert (await window.go(None, source="sco"))["state"] == "idle"
    await window.go("choice", "b")
    await window.commit((RESULT, "passed"), terminate=True)
    assert (await window.go("abandonAll"))["state"] == "ended"
    again = await classroom.open(enrolment)
    status = {entry["item"]: entry["success"] for entry in again.view["toc"]}
    assert (again.item, status) == ("a", {"o": "unknown", "a": "unknown", "b": "unknown"})
    assert "cmi.location" not in again.data


@pytest.mark.parametrize(("control", "offered"), [("", True), ('choiceExit="false"', False)])
async def test_where_the_way_out_is_shut_the_contents_offer_nothing(classroom, control, offered):
    flow = f'<imsss:sequencing><imsss:controlMode choice="true" flow="true" {control}/></imsss:sequencing>'
    cluster = f'<item identifier="m"><title>m</title>{item("a")}{flow}</item>'
    window = await window_on(classroom, course(cluster, item("b")))
    enabled = {entry["item"]: entry["enabled"] for entry in window.view["toc"]}
    assert (enabled["b"], enabled["o"]) == (offered, offered)


async def test_hidden_from_choice_takes_the_branch_and_invisible_only_the_entry(classroom):
    rule = (
        '<imsss:sequencingRules><imsss:preConditionRule><imsss:ruleConditions><imsss:ruleCondition condition="always"/>'
        '</imsss:ruleConditions><imsss:ruleAction action="hiddenFromChoice"/></imsss:preConditionRule></imsss:sequencingRules>'
    )
    control = '<imsss:controlMode choice="true" flow="true"/>'
    hidden = f'<item identifier="h"><title>h</title>{item("in h")}<imsss:sequencing>{control}{rule}</imsss:sequencing></item>'
    unseen = f'<item identifier="u" isvisible="false"><title>u</title>{item("in u")}{FLOW}</item>'
    window = await window_on(classroom, course(item("a"), hidden, unseen))
    assert [entry["item"] for entry in window.view["toc"] if entry["visible"]] == ["o", "a", "in u"]
