"""A published sequenced course, played through in the browser: who fails a test gets its lesson again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fix_web import RunningSite, upload
from playwright.async_api import Page, expect

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.xdist_group("remediation")]

PACKAGE = "SequencingSimpleRemediation_SCORM20043rdEdition.zip"
LESSONS = ("playing_item", "etuqiette_item", "handicapping_item", "havingfun_item")
TESTS = ("test_1", "test_2", "test_3", "test_4")
ANSWER = """(questions, right) => questions.forEach((question) => {
  const [yes, no] = ["correctAnswer", "answer"].map((name) => question.querySelector(`.${name} input`));
  if (no) return (right ? yes : no).click();
  yes.value = right ? question.querySelector(".correctAnswer").textContent.match(/[0-9]+/)[0] : "0";
})"""


class Golfer:
    """Somebody in the course, with a browser and a look into the database."""

    def __init__(self, site: RunningSite, page: Page, package: bytes) -> None:
        self.site, self.page = site, page
        self.client = site.client()
        made = upload(self.client, package, PACKAGE)
        assert made.status_code == 201, made.text
        learner = {"email": "golfer@example.org", "name": "Golfer"}
        body = {"package_id": made.json()["id"], "learner": learner}
        self.enrollment = self.client.post("/api/enrollments", json=body).json()["id"]

    async def open(self) -> None:
        """Launch, and say yes to whatever the course asks in a dialogue."""
        await self.page.goto(self.client.post(f"/api/enrollments/{self.enrollment}/launch", json={}).json()["url"])

    async def read(self, item: str) -> None:
        """Page through a lesson, and go on."""
        await self.shown(item)
        lesson = self.page.frame_locator("iframe#sco")
        while await lesson.locator("#butNext").is_enabled():
            await lesson.locator("#butNext").click()
        await self.page.click("[data-nav=continue]")

    async def answer(self, item: str, *, right: bool) -> None:
        """Take a test, and go on."""
        await self.shown(item)
        sheet = self.page.frame_locator("iframe#sco").frame_locator("#contentFrame")
        await sheet.get_by_role("button", name="Submit Answers").wait_for()
        await sheet.locator(".question").evaluate_all(ANSWER, right)
        await sheet.get_by_role("button", name="Submit Answers").click()
        await expect(sheet.locator("h3").first).to_have_text(f"Score: {100 if right else 0}")
        await self.page.click("[data-nav=continue]")

    async def shown(self, item: str) -> None:
        """Wait for an activity."""
        await self.page.wait_for_selector(f"body[data-state=running][data-activity={item}]")
        await self.page.frame_locator("iframe#sco").frame_locator("#contentFrame").locator("body").wait_for()

    def status(self) -> tuple[Any, ...]:
        """The learner's public row."""
        query = "select status, score::float8, progress_percentage::float8, attempts from public.scorm_enrollments"
        return self.site.sql(query)[0]

    def visits(self) -> dict[str, int]:
        """How many attempts there were on each activity."""
        return dict(self.site.sql("select item, count(*) from courseyard.sco_states group by item"))


@pytest.fixture
def golfer(site: RunningSite, page: Page, shared: Path) -> Golfer:
    """At the beginning of the course."""
    page.on("dialog", lambda dialog: dialog.accept())
    return Golfer(site, page, (shared / "packages" / PACKAGE).read_bytes())


async def test_who_passes_every_test_is_through_at_once(golfer: Golfer) -> None:
    await golfer.open()
    for lesson in LESSONS:
        await golfer.read(lesson)
    for number, test in enumerate(TESTS):
        await golfer.answer(test, right=True)
        if number == 0:
            await golfer.shown("test_2")
            marks = golfer.page.locator("nav#toc [data-item=test_1]")
            await expect(marks).to_have_accessible_name("Playing Quiz (passed)")
    await golfer.page.wait_for_selector("body[data-state=ended]")
    await expect(golfer.page.get_by_role("heading", name="Well done!")).to_be_visible()
    assert golfer.status() == ("passed", 100, 100, 1)
    assert golfer.visits() == dict.fromkeys(LESSONS + TESTS, 1)


async def test_who_fails_the_first_test_gets_its_lesson_again(golfer: Golfer) -> None:
    await golfer.open()
    for lesson in LESSONS:
        await golfer.read(lesson)
    await golfer.answer("test_1", right=False)
    for test in TESTS[1:]:
        await golfer.answer(test, right=True)
    await golfer.shown("playing_item")
    assert golfer.status()[0] != "passed"
    # Leave in the middle of the remediation and come back to it.
    await golfer.page.click("[data-nav=suspendAll]")
    await golfer.page.wait_for_selector("body[data-state=ended]")
    await golfer.open()
    await golfer.read("playing_item")
    await golfer.answer("test_1", right=True)
    # The last test has sequencing rules of its own, which replace the shared rule that skips what is known.
    await golfer.answer("test_4", right=True)
    await golfer.page.wait_for_selector("body[data-state=ended]")
    assert golfer.status() == ("passed", 100, 100, 1)
    assert golfer.visits() == dict.fromkeys(LESSONS + TESTS, 1) | {"playing_item": 2, "test_1": 2, "test_4": 2}
    verdicts = golfer.site.sql(
        "select data ->> 'cmi.success_status' from courseyard.sco_states where item = 'test_1'"
        " order by activity_attempt"
    )
    assert verdicts == [("failed",), ("passed",)]
