"""Parts of a SCORM 1.2 course that wait for others, as a learner meets them."""

from __future__ import annotations

import pytest
from making import manifest12

pytestmark = pytest.mark.anyio

STATUS = "cmi.core.lesson_status"


def manifest(**prerequisites: str) -> str:
    """Parts a, b, c and the block d with e in it."""

    def item(name: str, inner: str = "") -> str:
        script = prerequisites.get(name)
        waits = f'<adlcp:prerequisites type="aicc_script">{script}</adlcp:prerequisites>' if script else ""
        ref = "" if inner else ' identifierref="r"'
        return f'<item identifier="{name}"{ref}><title>Part {name}</title>{inner}{waits}</item>'

    return manifest12(item("a") + item("b") + item("c") + item("d", item("e")))


def openable(view: dict) -> list[str]:
    return [entry["item"] for entry in view["toc"] if entry["enabled"] and entry["item"] != "o"]


async def started(classroom, **prerequisites: str):
    return await classroom.open(await classroom.enrol(await classroom.course(manifest(**prerequisites))))


async def test_a_part_opens_when_what_it_waits_for_is_done(classroom):
    window = await started(classroom, b="a", c="a &amp; b", d="~c = failed")
    assert (window.item, openable(window.view)) == ("a", ["a", "d", "e"])
    refused = await window.go("choice", "c")
    assert window.item == "a"
    assert refused["message"] == "“Part c” opens later; it depends on: Part a, Part b."

    await window.commit((STATUS, "completed"), terminate=True)
    view = await window.go("_none_", source="sco")  # the page looks again when a part has ended
    assert (window.item, openable(view)) == ("a", ["a", "b", "d", "e"])
    await window.go("continue")
    await window.commit((STATUS, "passed"))
    await window.go("continue")
    assert window.item == "c"
    await window.commit((STATUS, "failed"))
    await window.go("continue")
    assert window.item == "c"
    assert "Part d" in window.view["message"] or "Part e" in window.view["message"]


async def test_continue_and_previous_pass_over_what_is_locked(classroom):
    window = await started(classroom, b="e", c="b")
    await window.go("continue")
    assert window.item == "e"
    await window.go("previous")
    assert window.item == "a"
    await window.go("choice", "d")
    assert window.item == "e"
    await window.commit((STATUS, "passed"))
    await window.go("choice", "b")
    assert window.item == "b"


async def test_a_course_begins_with_the_first_open_part(classroom):
    window = await started(classroom, a="b")
    assert window.item == "b"


@pytest.mark.parametrize("script", ["a &amp;", "nobody", "b", "2*{a}"])
async def test_what_means_nothing_opens(classroom, script):
    window = await started(classroom, b=script)
    assert "b" in openable(window.view)


async def test_parts_that_wait_for_one_another_lock_nobody_out(classroom):
    window = await started(classroom, a="e", b="a", c="b", d="c")
    assert openable(window.view) == ["a", "b", "c", "d", "e"]


async def test_a_reviewer_looks_at_everything(classroom):
    enrolment = await classroom.enrol(await classroom.course(manifest(b="a")))
    assert "b" in openable((await classroom.open(enrolment, "browse")).view)
