"""Whole journeys in a real browser, with a look into the database: what an administrator and a learner do."""

from __future__ import annotations

from pathlib import Path

import pytest
from fix_web import DEMO, LIFTING, RunningSite
from playwright.async_api import Browser, FrameLocator, Page, expect

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.xdist_group("journey")]


@pytest.fixture
def as_person(browser: Browser, site: RunningSite):
    """Opens a page in a browser where somebody of a role is signed in."""

    async def open_page(role: str, email: str) -> Page:
        context = await browser.new_context()
        page = await context.new_page()
        token = site.run(site.services.accounts.make_link(site.person(role, email)))
        await page.goto(f"{site.app}/sign-in/link/{token}")
        return page

    return open_page


async def next_step(frame: FrameLocator, *, right: bool) -> str:
    """Answer what is asked on this step and go on; what the button said."""
    question = frame.locator("section:not([hidden]) fieldset")
    if await question.count() and await question.locator("button").count():
        correct = (await question.get_attribute("data-correct") or "").split(",")
        values = [await i.get_attribute("value") or "" for i in await question.locator("input").all()]
        chosen = correct if right else [next(v for v in values if v not in correct)]
        for value in chosen:
            await question.locator(f'input[value="{value}"]').check()
        await question.get_by_role("button", name="Check my answer").click()
    button = frame.locator(".controls button").last
    words = await button.inner_text()
    await button.click()
    return words


async def finish_part(page: Page, *, right: bool = True) -> None:
    """Work through the part that is shown, to its Finish button."""
    frame = page.frame_locator("iframe#sco")
    await expect(frame.locator("body[data-ready=true]")).to_be_attached()
    while await next_step(frame, right=right) != "Finish":
        pass


async def launch(page: Page, site: RunningSite, title: str) -> None:
    await page.goto(f"{site.app}/courses")
    card = page.locator("article, li, section").filter(has_text=title).last
    await card.get_by_role("button").first.click()
    await expect(page.locator("body[data-state=running]")).to_be_attached()


def enroll(site: RunningSite, name: str, email: str) -> None:
    api = site.client()
    package = api.post("/api/packages", files={"file": (f"{name}.zip", DEMO[f"{name}.zip"], "application/zip")}).json()
    made = api.post("/api/enrollments", json={"package_id": package["id"], "learner": {"email": email, "name": "Lea"}})
    assert made.status_code == 201


async def test_administrator_uploads_enrols_and_watches(as_person, site: RunningSite, tmp_path: Path) -> None:
    page = await as_person("admin", "admin@example.org")
    file = tmp_path / "lifting.zip"
    file.write_bytes(LIFTING)
    await page.goto(f"{site.app}/packages")
    await page.locator("input[type=file]").set_input_files(file)
    await page.get_by_role("button", name="Upload").click()
    await expect(page.get_by_role("heading", name="Lifting without getting hurt").first).to_be_visible()
    assert site.sql("select title, version from scorm_packages") == [("Lifting without getting hurt", "1.2")]

    bad = tmp_path / "bad.zip"
    bad.write_bytes(b"<!doctype html>")
    await page.goto(f"{site.app}/packages")
    await page.locator("input[type=file]").set_input_files(bad)
    await page.get_by_role("button", name="Upload").click()
    await expect(page.get_by_text("The file is no zip archive").first).to_be_visible()
    assert site.sql("select count(*) from scorm_packages") == [(1,)]
    await page.context.close()


async def test_learner_leaves_in_the_middle_comes_back_and_passes(as_person, site: RunningSite) -> None:
    enroll(site, "lifting", "lea@example.org")
    page = await as_person("student", "lea@example.org")
    await launch(page, site, "Lifting")
    frame = page.frame_locator("iframe#sco")
    for _ in range(4):
        await next_step(frame, right=True)
    await expect(page.locator("body[data-unsaved='0']")).to_be_attached()
    # The tab is closed as it is: no Finish, no Terminate.
    again = await page.context.new_page()
    await page.close()

    await launch(again, site, "Lifting")
    await expect(again.frame_locator("iframe#sco").locator(".count")).to_have_text("5 of 11")
    await finish_part(again)
    await again.locator("button[data-nav=exitAll]").click()
    await expect(again.locator("body[data-state=ended]")).to_be_attached()
    assert site.sql("select status, score::float, progress_percentage::float, attempts from scorm_enrollments") == [
        ("passed", 100.0, 100.0, 1)
    ]
    answers = site.sql(
        "select element, value from scorm_tracking where element like %s order by element", "cmi.interactions.%.id"
    )
    assert [value for _, value in answers] == ["first-step", "distance", "technique", "team", "pain"]
    await again.context.close()


async def test_a_failed_quiz_is_failed_and_never_passed(as_person, site: RunningSite) -> None:
    enroll(site, "lifting", "lea@example.org")
    page = await as_person("student", "lea@example.org")
    await launch(page, site, "Lifting")
    await finish_part(page, right=False)
    await page.locator("button[data-nav=exitAll]").click()
    await expect(page.locator("body[data-state=ended]")).to_be_attached()
    [(status, score)] = site.sql("select status, score::float from scorm_enrollments")
    assert (status, score) == ("failed", 0.0)
    await page.context.close()


async def test_several_parts_complete_only_together(as_person, site: RunningSite) -> None:
    enroll(site, "workshop", "lea@example.org")
    page = await as_person("student", "lea@example.org")
    await launch(page, site, "workshop")
    for part in ("arrival", "machines", "emergency"):
        await expect(page.locator(f"body[data-activity={part}]")).to_be_attached()
        [(completed,)] = site.sql("select completed_at is not null from scorm_enrollments")
        assert not completed
        await finish_part(page)
        await expect(page.locator("body[data-unsaved='0']")).to_be_attached()
        await page.locator("button[data-nav=continue]").click()
    await expect(page.locator("body[data-state=ended]")).to_be_attached()
    assert site.sql("select progress_percentage::float, completed_at is not null from scorm_enrollments") == [
        (100.0, True)
    ]
    await page.context.close()


async def test_who_passes_the_pretest_skips_the_lessons(as_person, site: RunningSite) -> None:
    enroll(site, "privacy", "lea@example.org")
    page = await as_person("student", "lea@example.org")
    await launch(page, site, "people's data")
    await finish_part(page, right=True)
    await expect(page.locator("body[data-state=ended]")).to_be_attached()
    assert site.sql("select status from scorm_enrollments") == [("passed",)]
    await page.context.close()


async def test_who_fails_the_pretest_learns_and_takes_the_final_test(as_person, site: RunningSite) -> None:
    enroll(site, "privacy", "lea@example.org")
    page = await as_person("student", "lea@example.org")
    await launch(page, site, "people's data")
    await finish_part(page, right=False)
    for part in ("basics", "rights", "breach", "final"):
        await expect(page.locator(f"body[data-activity={part}]")).to_be_attached()
        await finish_part(page)
    await expect(page.locator("body[data-state=ended]")).to_be_attached()
    assert site.sql("select status, score::float from scorm_enrollments") == [("passed", 100.0)]
    await page.context.close()


async def test_what_changes_much_is_asked_first(as_person, site: RunningSite) -> None:
    learner = site.person("student", "lea@example.org")
    page = await as_person("admin", "admin@example.org")
    await page.goto(f"{site.app}/people")
    row = page.locator("tr").filter(has_text="lea@example.org")

    def role() -> str:
        return site.sql("select role from profiles where id = %s", learner)[0][0]

    await row.get_by_role("combobox").select_option("instructor")
    await row.get_by_role("button", name="Change").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Change what The student may do here?")
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(dialog).to_have_count(0)
    assert role() == "student"
    await row.get_by_role("button", name="Change").click()
    await dialog.get_by_role("button", name="Change the role").click()
    await expect(page.get_by_text("The role is changed.")).to_be_visible()
    assert role() == "instructor"
    await page.context.close()


async def test_a_package_can_be_dropped_onto_the_page(as_person, site: RunningSite) -> None:
    page = await as_person("admin", "admin@example.org")
    await page.goto(f"{site.app}/packages")
    await page.locator(".drop").evaluate(
        """(area, bytes) => {
          const dropped = new DataTransfer();
          dropped.items.add(new File([new Uint8Array(bytes)], "lifting.zip", { type: "application/zip" }));
          area.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
        }""",
        list(LIFTING),
    )
    await page.get_by_role("button", name="Upload").click()
    await expect(page.get_by_role("heading", name="Lifting without getting hurt").first).to_be_visible()
    await page.context.close()
