"""What is read of a manifest, tidy or not."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import ITEM, RESOURCE, manifest12, manifest2004

from courseyard.content.manifest import read_manifest, with_parameters


def item_of(text: str, files=None):
    reading = read_manifest(text.encode(), files=files)
    return reading.document["organizations"][0]["children"][0]


def found(text: str | bytes, files=None) -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    return [f.code for f in read_manifest(data, files=files).findings]


def test_scorm_12_item_with_all_its_run_time_data():
    inner = (
        '<adlcp:prerequisites type="aicc_script">a&amp;b</adlcp:prerequisites><adlcp:maxtimeallowed>00:30:00'
        "</adlcp:maxtimeallowed><adlcp:timelimitaction>exit,message</adlcp:timelimitaction>"
        "<adlcp:datafromlms> some  data </adlcp:datafromlms><adlcp:masteryscore>80</adlcp:masteryscore>"
    )
    item = item_of(manifest12(ITEM.format(inner=inner)))
    assert item == {
        "identifier": "i",
        "title": "Part",
        "resource": "r",
        "href": "index.html",
        "scorm_type": "sco",
        "prerequisites": "a&b",
        "max_time_allowed": "00:30:00",
        "time_limit_action": "exit,message",
        "launch_data": "some  data",
        "mastery_score": "80",
    }


@pytest.mark.parametrize(
    ("version", "standard", "edition"),
    [
        ("1.2", "1.2", "1.2"),
        ("CAM 1.3", "2004", "2nd"),
        ("2004 2nd Edition", "2004", "2nd"),
        ("2004 3rd Edition", "2004", "3rd"),
        ("2004 4th Edition", "2004", "4th"),
        ("", "2004", "3rd"),
    ],
)
def test_edition_by_schemaversion(version, standard, edition):
    reading = read_manifest(manifest2004('<item identifier="i" identifierref="r"/>', version=version).encode())
    assert (reading.document["standard"], reading.document["edition"]) == (standard, edition)
    assert ("unclear-version" in [f.code for f in reading.findings]) == (version == "")


def test_bases_add_up_and_parameters_join():
    resources = (
        '<resource identifier="r" type="webcontent" adlcp:scormType="sco" href="play.html?x=1" xml:base="sub/"/>'
    )
    text = manifest2004('<item identifier="i" identifierref="r" parameters="?part=2"/>', resources=resources)
    text = text.replace("<resources>", '<resources xml:base="content/">')
    assert item_of(text)["href"] == "content/sub/play.html?x=1&part=2"


@pytest.mark.parametrize(
    ("href", "parameters", "expected"),
    [
        ("a.html", "p=1", "a.html?p=1"),
        ("a.html", "&p=1", "a.html?p=1"),
        ("a.html?q=2", "?p=1", "a.html?q=2&p=1"),
        ("a.html", "#end", "a.html#end"),
        ("a.html#top", "#end", "a.html#top"),
        ("a.html#top", "?p=1", "a.html?p=1#top"),
        ("a.html", "?", "a.html"),
        ("a.html", None, "a.html"),
    ],
)
def test_parameters(href, parameters, expected):
    assert with_parameters(href, parameters) == expected


def test_white_space_in_identifiers_is_collapsed_and_objectives_are_decoded():
    sequencing = (
        '<imsss:sequencing IDRef="  General  "><imsss:objectives><imsss:primaryObjective objectiveID=" ob%20j%201  "/>'
        "</imsss:objectives></imsss:sequencing>"
    )
    collection = (
        '<imsss:sequencingCollection><imsss:sequencing ID="General   "><imsss:controlMode flow="true"/>'
        '<imsss:objectives><imsss:primaryObjective objectiveID="other"/></imsss:objectives>'
        "</imsss:sequencing></imsss:sequencingCollection>"
    )
    item = item_of(manifest2004(f'<item identifier="  a  " identifierref=" r ">{sequencing}</item>', extra=collection))
    assert item["identifier"] == "a"
    assert item["sequencing"]["objectives"] == {"primary": {"id": "ob j 1"}}
    assert item["sequencing"]["control_mode"] == {"flow": True}


def test_fourth_edition_maps_join_the_map_of_the_same_target():
    objectives = (
        '<imsss:sequencing><imsss:objectives><imsss:primaryObjective objectiveID="p" satisfiedByMeasure="1">'
        "<imsss:minNormalizedMeasure>0.6</imsss:minNormalizedMeasure>"
        '<imsss:mapInfo targetObjectiveID="g" writeSatisfiedStatus="true"/></imsss:primaryObjective></imsss:objectives>'
        '<adlseq:objectives><adlseq:objective objectiveID="p">'
        '<adlseq:mapInfo targetObjectiveID="g" writeRawScore="true"/>'
        '<adlseq:mapInfo targetObjectiveID="h" readRawScore="false"/>'
        "</adlseq:objective></adlseq:objectives></imsss:sequencing>"
    )
    item = item_of(manifest2004(f'<item identifier="i" identifierref="r">{objectives}</item>'))
    assert item["sequencing"]["objectives"]["primary"] == {
        "id": "p",
        "satisfied_by_measure": True,
        "min_normalized_measure": 0.6,
        "maps": [
            {"target": "g", "write_satisfied": True, "write_raw": True, "adlseq": True},
            {"target": "h", "read_satisfied": False, "read_measure": False, "read_raw": False, "adlseq": True},
        ],
    }


def test_rules_limits_rollup_and_the_rest_are_kept_as_they_stand():
    sequencing = """<imsss:sequencing>
      <imsss:sequencingRules><imsss:preConditionRule><imsss:ruleConditions conditionCombination="any">
        <imsss:ruleCondition condition="satisfied" operator="not" referencedObjective="x"/>
        <imsss:ruleCondition condition="objectiveMeasureGreaterThan" measureThreshold="0.5"/></imsss:ruleConditions>
        <imsss:ruleAction action="skip"/></imsss:preConditionRule></imsss:sequencingRules>
      <imsss:limitConditions attemptLimit="2"/>
      <imsss:rollupRules objectiveMeasureWeight="0.5">
        <imsss:rollupRule childActivitySet="atLeastCount" minimumCount="2">
        <imsss:rollupConditions><imsss:rollupCondition condition="attempted"/></imsss:rollupConditions>
        <imsss:rollupAction action="completed"/></imsss:rollupRule></imsss:rollupRules>
      <imsss:randomizationControls selectCount="3" reorderChildren="true" randomizationTiming="once"/>
      <imsss:deliveryControls tracked="false"/>
      <adlseq:constrainedChoiceConsiderations preventActivation="true"/>
      <adlseq:rollupConsiderations requiredForCompleted="ifAttempted" measureSatisfactionIfActive="false"/>
    </imsss:sequencing>"""
    item = item_of(
        manifest2004(
            f'<item identifier="i" identifierref="r">{sequencing}'
            '<adlcp:completionThreshold completedByMeasure="true" minProgressMeasure="0.8" progressWeight="0.5"/>'
            '<adlcp:data><adlcp:map targetID="store" writeSharedData="false"/></adlcp:data>'
            "<adlnav:presentation><adlnav:navigationInterface><adlnav:hideLMSUI> continue </adlnav:hideLMSUI>"
            "</adlnav:navigationInterface></adlnav:presentation></item>"
        )
    )
    assert item["sequencing"] == {
        "rules": {
            "pre": [
                {
                    "conditions": [
                        {"condition": "satisfied", "not": True, "objective": "x"},
                        {"condition": "objectiveMeasureGreaterThan", "measure": 0.5},
                    ],
                    "combination": "any",
                    "action": "skip",
                }
            ]
        },
        "limits": {"attempt_limit": 2},
        "rollup": {
            "objective_measure_weight": 0.5,
            "rules": [
                {
                    "child_activity_set": "atLeastCount",
                    "minimum_count": 2,
                    "conditions": [{"condition": "attempted"}],
                    "action": "completed",
                }
            ],
        },
        "randomization": {"select_count": 3, "reorder_children": True, "randomization_timing": "once"},
        "delivery": {"tracked": False},
        "constrained_choice": {"prevent_activation": True},
        "rollup_considerations": {"required_for_completed": "ifAttempted", "measure_satisfaction_if_active": False},
    }
    assert item["completion_threshold"] == {
        "completed_by_measure": True,
        "min_progress_measure": 0.8,
        "progress_weight": 0.5,
    }
    assert item["shared_data"] == [{"target": "store", "write": False}]
    assert item["hide_lms_ui"] == ["continue"]


def test_missing_files_are_told_with_their_line_and_only_the_launch_file_is_an_error():
    resource = RESOURCE.replace("</resource>", '\n<file href="gone.png"/></resource>')
    reading = read_manifest(manifest12(resources=resource).encode(), files=["imsmanifest.xml", "index.html"])
    assert [(f.code, f.severity, f.line) for f in reading.findings] == [("missing-file", "warning", 9)]
    assert reading.usable
    reading = read_manifest(manifest12().encode(), files=["imsmanifest.xml", "Index.html"])
    assert [f.code for f in reading.findings] == ["file-case"]
    reading = read_manifest(manifest12().encode(), files=["imsmanifest.xml"])
    assert not reading.usable


def test_a_byte_order_mark_and_wrong_encodings_are_read_all_the_same():
    assert found(b"\xef\xbb\xbf" + manifest12().encode()) == ["byte-order-mark"]
    umlaut = manifest12().replace("Course", "Über")
    assert found(umlaut.encode("cp1252")) == ["wrong-encoding"]
    assert read_manifest(umlaut.encode("cp1252")).document["title"] == "Über"
    assert found(umlaut.encode("utf-16")) in ([], ["wrong-encoding"])


def test_broken_xml_names_line_and_column():
    reading = read_manifest(manifest12().replace("</title>", "</titel>", 1).encode())
    assert not reading.usable
    assert [f.code for f in reading.findings] == ["bad-xml"]
    assert reading.findings[0].line == 5
    assert "Line 5" in reading.findings[0].message


@pytest.mark.parametrize(
    "xml",
    [
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><manifest>&b;</manifest>',
        b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><manifest><organizations>&f;</organizations></manifest>',
        b"<manifest>" + b"<item>" * 5_000,
        b"<html/>",
        b"",
        b"\x00\x01",
    ],
)
def test_hostile_xml_is_refused_with_a_reason_and_reads_nothing_else(xml):
    reading = read_manifest(xml)
    assert not reading.usable
    assert "root:" not in json.dumps(reading.document)
    assert [f for f in reading.findings if f.severity == "error"]


@pytest.mark.parametrize(
    "href", ["../secret.html", "%2e%2e/secret.html", "javascript:alert(1)", "a/../../b.html", "http://["]
)
def test_an_href_must_stay_in_the_package(href):
    reading = read_manifest(manifest12(resources=RESOURCE.replace('href="index.html">', f'href="{href}">', 1)).encode())
    assert [f.code for f in reading.findings] == ["unsafe-href", "nothing-to-launch"]
    assert not reading.usable


def test_a_package_without_organisation_becomes_a_course_of_one_part():
    text = manifest12()
    start, end = text.index("<organizations"), text.index("</organizations>")
    reading = read_manifest((text[:start] + "<organizations>" + text[end:]).encode())
    assert reading.usable
    assert "no-organization" in [f.code for f in reading.findings]
    assert reading.document["organizations"][0]["children"][0]["href"] == "index.html"


def test_duplicate_items_are_told_apart_because_results_hang_on_them():
    reading = read_manifest(manifest12(ITEM.format(inner="") * 3).encode())
    assert reading.usable
    assert [f.code for f in reading.findings] == ["duplicate-identifier"] * 2
    assert [i["identifier"] for i in reading.document["organizations"][0]["children"]] == ["i", "i-2", "i-3"]


def resource(href: str, **more: str) -> str:
    attributes = "".join(f' {name.replace("_", ":")}="{value}"' for name, value in more.items())
    return f'<resource identifier="r" type="webcontent" adlcp:scormType="sco" href="{href}"{attributes}/>'


def launched(href: str, files: list[str], **more: str) -> tuple[str, list[str]]:
    text = manifest2004(
        '<item identifier="i" identifierref="r"><title>t</title></item>', resources=resource(href, **more)
    )
    return item_of(text, files).get("href"), found(text, files)


@pytest.mark.parametrize(
    ("href", "files", "expected", "codes"),
    [
        ("a b.html", ["a b.html"], "a b.html", []),
        ("a%20b.html?x=1#y", ["a b.html"], "a%20b.html?x=1#y", []),
        ("a%20b.html", ["a%20b.html"], "a%2520b.html", []),
        ("100%.html", ["100%.html"], "100%.html", []),
        ("what?.html", ["what?.html"], "what%3F.html", []),
        ("c#.html", ["c#.html"], "c%23.html", []),
        ("Index.HTML?x=1", ["index.html"], "index.html?x=1", ["file-case"]),
        ("sub\\index.html", ["sub/index.html"], "sub/index.html", []),
        ("./sub/../index.html", ["index.html"], "index.html", []),
        ("/index.html", ["index.html"], "index.html", ["absolute-href"]),
        ("u\u0308.html", ["\u00fc.html"], "%C3%BC.html", []),
    ],
)
def test_the_file_that_was_meant_is_found(href, files, expected, codes):
    assert launched(href, files) == (expected, codes)


def test_a_base_may_climb_inside_of_the_package_and_may_lack_its_slash():
    assert launched("../shared/a.html", ["shared/a.html"], xml_base="one/") == ("shared/a.html", [])
    assert launched("a.html", ["one/a.html"], xml_base="one") == ("one/a.html", ["base-without-slash"])
    assert launched("a.html", [], xml_base="https://example.org/c/") == (
        "https://example.org/c/a.html",
        ["external-launch"],
    )


def test_a_course_with_one_bad_part_is_kept_and_one_with_none_that_works_is_refused():
    items = (
        '<item identifier="a" identifierref="gone"><title>a</title></item>'
        '<item identifier="b" identifierref="r2"><title>b</title></item>'
        '<item identifier="c" identifierref="r"><title>c</title></item>'
    )
    resources = RESOURCE + '<resource identifier="r2" adlcp:scormtype="sco" href="away.html"/>'
    reading = read_manifest(manifest12(items, resources).encode(), files=["index.html"])
    assert reading.usable
    assert [f.code for f in reading.findings] == ["unknown-resource", "missing-launch-file"]
    reading = read_manifest(manifest12(items, resources).encode(), files=["other.html"])
    assert [f.code for f in reading.findings if f.severity == "error"] == ["nothing-to-launch"]


def test_a_default_organisation_with_nothing_to_open_gives_way():
    other = '</organization><organization identifier="o2"><title>Other</title>' + ITEM.format(inner="")
    reading = read_manifest(manifest12('<item identifier="x"><title>x</title></item>' + other).encode())
    assert reading.usable
    assert (reading.document["default_organization"], reading.document["title"]) == ("o2", "Other")
    assert "empty-default" in [f.code for f in reading.findings]


def test_a_scorm_12_heading_with_a_page_of_its_own_keeps_the_page():
    inner = '<adlcp:datafromlms>x</adlcp:datafromlms><item identifier="j" identifierref="r"><title>J</title></item>'
    item = item_of(manifest12(ITEM.format(inner=inner)))
    assert "href" not in item
    assert [(p["identifier"], p["href"], p.get("launch_data")) for p in item["children"]] == [
        ("i-2", "index.html", "x"),
        ("j", "index.html", None),
    ]


def test_a_resource_without_a_type_is_a_sco_where_no_resource_has_one():
    bare = '<resource identifier="r" href="index.html"/>'
    item = '<item identifier="i" identifierref="r"/>'
    assert item_of(manifest2004(item, resources=bare))["scorm_type"] == "sco"
    typed = bare + '<resource identifier="s" adlcp:scormType="asset" href="x.html"/>'
    assert item_of(manifest2004(item, resources=typed))["scorm_type"] == "asset"
    assert found(manifest2004(item, resources=bare)).count("no-scorm-type") == 1


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ('<imsss:ruleConditions><imsss:ruleCondition condition="always"/></imsss:ruleConditions>', "incomplete-rule"),
        (
            (
                '<imsss:ruleConditions><imsss:ruleCondition condition="always"/>'
                '<imsss:ruleCondition condition="sometimes"/></imsss:ruleConditions><imsss:ruleAction action="skip"/>'
            ),
            "incomplete-rule",
        ),
        ('<imsss:ruleAction action="skip"/>', "incomplete-rule"),
    ],
)
def test_a_rule_is_read_whole_or_not_at_all(rule, code):
    sequencing = (
        f"<imsss:sequencing><imsss:sequencingRules><imsss:preConditionRule>{rule}</imsss:preConditionRule>"
        "</imsss:sequencingRules></imsss:sequencing>"
    )
    text = manifest2004(f'<item identifier="i" identifierref="r"><title>t</title>{sequencing}</item>')
    assert "sequencing" not in item_of(text)
    assert code in found(text)


def test_auxiliary_resources_are_ignored_and_told():
    auxiliary = (
        "<imsss:sequencing><imsss:auxiliaryResources>"
        '<imsss:auxiliaryResource auxiliaryResourceID="r" purpose="help"/></imsss:auxiliaryResources></imsss:sequencing>'
    )
    reading = read_manifest(manifest2004(f'<item identifier="i" identifierref="r">{auxiliary}</item>').encode())
    assert "auxiliary-resources" in {finding.code for finding in reading.findings}
    assert reading.document is not None


def test_values_out_of_range_and_unknown_words_leave_the_default():
    inner = (
        '<imsss:sequencing><imsss:objectives><imsss:primaryObjective satisfiedByMeasure="maybe">'
        "<imsss:minNormalizedMeasure>80</imsss:minNormalizedMeasure></imsss:primaryObjective></imsss:objectives>"
        '<imsss:randomizationControls selectCount="-1" randomizationTiming="Once"/></imsss:sequencing>'
        "<adlcp:timeLimitAction>explode</adlcp:timeLimitAction>"
    )
    text = manifest2004(f'<item identifier="i" identifierref="r"><title>t</title>{inner}</item>')
    item = item_of(text)
    assert item["sequencing"] == {"objectives": {"primary": {}}, "randomization": {"randomization_timing": "once"}}
    assert "time_limit_action" not in item
    assert found(text) == ["bad-value"] * 4


def test_empty_space_before_the_declaration_is_passed_over():
    assert found(b"\r\n " + manifest12().encode()) == ["text-before-xml"]


def test_a_version_that_contradicts_the_namespaces_is_told():
    assert found(manifest2004('<item identifier="i" identifierref="r"><title>t</title></item>', version="1.2")) == [
        "contradicting-version"
    ]


def test_a_common_cartridge_is_named():
    text = manifest12().replace("<schema>ADL SCORM", "<schema>IMS Common Cartridge")
    assert "other-standard" in found(text)


def test_a_thousand_findings_of_a_kind_are_counted_not_listed():
    resources = RESOURCE.replace("</resource>", '<file href="gone.png"/>' * 1_000 + "</resource>")
    reading = read_manifest(manifest12(resources=resources).encode(), files=["index.html"])
    assert len(reading.findings) == 21
    assert "980 more" in reading.findings[-1].message


def test_two_hundred_levels_are_read():
    deep = '<item identifier="x"><title>x</title>' * 200 + ITEM.format(inner="") + "</item>" * 200
    reading = read_manifest(manifest12(deep).encode())
    assert reading.usable


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text):
    reading = read_manifest(text.encode("utf-8", "replace"))
    assert reading.document is None


@settings(deadline=None)
@given(st.integers(0, 900), st.text(max_size=20))
def test_a_manifest_with_a_hole_never_crashes(at, noise):
    text = manifest2004('<item identifier="i" identifierref="r" isvisible="no"/>')
    read_manifest((text[:at] + noise + text[at + 5 :]).encode("utf-8", "replace"))


def test_manifests_of_the_conformance_suite_are_read_without_a_finding(shared):
    manifests = sorted((shared / "adl" / "manifests").glob("*.xml"))
    assert len(manifests) == 100
    assert [(m.name, f) for m in manifests for f in read_manifest(m.read_bytes()).findings] == []


def test_random_manifests_are_read_without_a_finding(shared):
    with gzip.open(shared / "sequencing" / "vectors_dev.jsonl.gz", "rt") as lines:
        for line in lines:
            case = json.loads(line)
            assert read_manifest(case["manifest_xml"].encode()).findings == [], case["id"]


def test_a_collection_that_would_multiply_without_end_is_refused():
    rule = '<imsss:preConditionRule><imsss:ruleConditions/><imsss:ruleAction action="skip"/></imsss:preConditionRule>'
    collection = (
        '<imsss:sequencingCollection><imsss:sequencing ID="s"><imsss:sequencingRules>'
        f"{rule * 1_000}</imsss:sequencingRules></imsss:sequencing></imsss:sequencingCollection>"
    )
    items = '<item identifierref="r"><title>t</title><imsss:sequencing IDRef="s"/></item>' * 100
    reading = read_manifest(manifest2004(items, extra=collection).encode())
    assert [f.code for f in reading.findings if f.severity == "error"] == ["too-large"]


@pytest.mark.parametrize(
    ("script", "code"), [("i", "bad-prerequisites"), ("other &amp;", "bad-prerequisites"), ("other", "prerequisites")]
)
def test_prerequisites_are_told_as_what_becomes_of_them(script, code):
    waits = f"<adlcp:prerequisites>{script}</adlcp:prerequisites>"
    items = ITEM.format(inner=waits) + '<item identifier="other" identifierref="r"><title>Other</title></item>'
    found = read_manifest(manifest12(items).encode()).findings
    assert [(f.code, f.line) for f in found if "prerequisites" in f.code] == [(code, 6)]
