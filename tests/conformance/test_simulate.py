"""``courseyard package simulate`` as other programs use it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

MANIFEST = """<manifest identifier="m" xmlns="http://www.imsglobal.org/xsd/imscp_v1p1"
 xmlns:adlcp="http://www.adlnet.org/xsd/adlcp_v1p3" xmlns:imsss="http://www.imsglobal.org/xsd/imsss">
<metadata><schema>ADL SCORM</schema><schemaversion>2004 4th Edition</schemaversion></metadata>
<organizations default="o"><organization identifier="o"><title>Course</title>
<item identifier="a" identifierref="r"><title>First</title></item><item identifier="b" identifierref="r"><title>Second</title></item>
<imsss:sequencing><imsss:controlMode flow="true"/></imsss:sequencing></organization></organizations>
<resources><resource identifier="r" type="webcontent" adlcp:scormType="sco" href="a.html"/></resources></manifest>"""


def simulate(*arguments, stdin=""):
    command = [str(Path(sys.executable).with_name("courseyard")), "package", "simulate", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def manifest(tmp_path):
    file = tmp_path / "imsmanifest.xml"
    file.write_text(MANIFEST, "utf-8")
    return file


def test_cases_come_in_by_line_and_go_out_by_line():
    steps = [{"nav": "start"}, {"report": {"completion": "completed"}}, {"nav": "continue"}, {"nav": "resumeAll"}]
    case = json.dumps({"id": "one", "manifest_xml": MANIFEST, "steps": steps})
    done = simulate("--jsonl", stdin=f"{case}\n\n{case}\n")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [a["id"] for a in answers] == ["one", "one"]
    first, second, third = answers[0]["outcomes"]
    assert (first["delivered"], second["delivered"]) == ("a", "b")
    assert second["state"]["a"]["completion"] == "completed"
    assert (third["result"], third["exception"]) == ("rejected", "NB.2.1-1")


def test_a_script_is_told_in_words(manifest, tmp_path):
    script = tmp_path / "steps.jsonl"
    script.write_text('{"nav": "start"}\n{"nav": "continue"}\n', "utf-8")
    done = simulate(str(manifest), "--script", str(script), "--explain")
    assert "delivered: Second (b)" in done.stdout
    assert "The course is not complete: Second is incomplete, 1 of 2 required activities are done." in done.stdout


def test_by_hand(manifest):
    done = simulate(str(manifest), stdin="start\ntoc\nchoice b\nquit\n")
    assert "delivered: First (a)" in done.stdout
    assert "delivered: Second (b)" in done.stdout


def test_a_script_that_is_no_json_is_told_without_a_traceback(manifest, tmp_path):
    script = tmp_path / "steps.jsonl"
    script.write_text("{nope\n", "utf-8")
    done = simulate(str(manifest), "--script", str(script))
    assert done.returncode != 0
    assert "line 1 of the script is no JSON" in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"report": {"scaled": "much"}}', "line 2 of the script: Expected `float | null`, got `str`"),
        ('{"report": {"complete": true}}', "line 2 of the script: Object contains unknown field `complete`"),
        ('{"nav": "dance"}', "line 2 of the script: there is no request 'dance'"),
        ('{"nav": "start", "report": {}}', 'line 2 of the script: either "nav" or "report" is needed'),
    ],
)
def test_a_wrong_step_is_told_with_its_line(manifest, tmp_path, line, told):
    script = tmp_path / "steps.jsonl"
    script.write_text(f'{{"nav": "start"}}\n{line}\n', "utf-8")
    done = simulate(str(manifest), "--script", str(script))
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert told in " ".join(done.stderr.replace("│", " ").split())


def test_a_wrong_case_does_not_stop_the_others():
    good = json.dumps({"id": "good", "manifest_xml": MANIFEST, "steps": [{"nav": "start"}]})
    done = simulate("--jsonl", stdin=f"{{bad\n{json.dumps({'id': 7, 'manifest_xml': '<m', 'steps': []})}\n{good}\n")
    bad, empty, answer = [json.loads(line) for line in done.stdout.splitlines()]
    assert bad["line"] == 1 and "malformed" in bad["error"]
    assert empty["id"] == 7 and "no well-formed XML" in empty["error"]
    assert answer["outcomes"][0]["delivered"] == "a"
    assert done.returncode == 1


def test_an_author_at_the_keyboard(manifest):
    typed = "report completion=completed\nstart\nfly\nchoice\nreport success=passd\nreport completion=completed\ncontinue\nwhy\n"
    done = simulate(str(manifest), stdin=typed)
    for words in (
        "Nothing is open that could report.",
        "There is no request 'fly'; type help.",
        "choice what? Name an activity; toc shows them.",
        "That is no report: Invalid enum value 'passd'",
        "The course is not complete: Second is incomplete, 1 of 2 required activities are done.",
    ):
        assert words in done.stdout
    assert done.stdout.count("delivered: Second (b)") == 1
