"""The whole way of a partner in a real browser: added, looked at, imported, mapped, enrolled at, followed to the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fix_web import LIFTING, RunningSite, upload
from partners.standins import canvas, moodle
from playwright.async_api import Browser, Page, expect

from courseyard.partners.providers import Draft, Settings
from courseyard.partners.signatures import is_standard_secret

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("journey")]

# What happens at the partner happens now: of people who were there long ago a partner is not asked again.
T = int(time.time())


@pytest.fixture
async def worker(site: RunningSite) -> AsyncIterator[None]:
    """The background work of the server, as ``courseyard serve`` does it."""
    working = asyncio.run_coroutine_threadsafe(site.jobs.run(), site.loop)
    yield
    working.cancel()
    await asyncio.sleep(0)


@pytest.fixture
def academy() -> moodle.Site:
    """A partner's Moodle with two courses; nobody is enrolled."""
    there = moodle.Site()
    there.categories = [{"id": 2, "name": "Safety", "parent": 0, "path": "/2", "coursecount": 2}]
    there.courses = {21: moodle.course(21, "Lifting without getting hurt"), 22: moodle.course(22, "Working at height")}
    return there


async def signed_in(browser: Browser, site: RunningSite, profile_id: str) -> Page:
    page = await (await browser.new_context()).new_page()
    link = await asyncio.to_thread(site.run, site.services.accounts.make_link(profile_id))
    await page.goto(f"{site.app}/sign-in/link/{link}")
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    return page


async def until(check: Callable[[], Any], seconds: float = 30) -> None:
    """Wait for what the background work is to bring about."""
    for _ in range(int(seconds * 10)):
        if await asyncio.to_thread(check):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not come about")


async def test_a_partner_from_its_token_to_the_certificate(
    browser: Browser, site: RunningSite, worker: None, academy: moodle.Site, serve: Callable[[Any], str]
) -> None:
    admin = await asyncio.to_thread(site.person, "admin", "admin@example.org")
    lea = await asyncio.to_thread(site.person, "student", "lea@example.org")
    await asyncio.to_thread(upload, site.client(), LIFTING)
    page = await signed_in(browser, site, admin)

    # Add the partner and try the connection.
    await page.get_by_role("link", name="Partners", exact=True).first.click()
    await page.get_by_role("link", name="Add a partner").first.click()
    await (
        page.locator("section, article, li")
        .filter(has=page.get_by_role("heading", name="Moodle"))
        .last.get_by_role("link", name="Choose")
        .click()
    )
    await page.get_by_label("Name", exact=True).fill("Harbour Academy")
    await page.locator("[name='option.base_url']").fill(f"{serve(academy.app)}/moodle")
    await page.locator("[name='option.token']").fill(moodle.TOKEN)
    # A run of the schedule could have read the partner a moment before the one that is asked for below.
    await page.get_by_label("Fetch", exact=True).select_option(label="By hand only")
    await page.locator("main form.card button.primary").click()
    await page.get_by_role("button", name="Test connection").click()
    connection = page.locator("#connection")
    await expect(connection.get_by_text("OK").first).to_be_visible()
    await expect(connection.get_by_text("Failed")).to_have_count(0)
    assert moodle.TOKEN not in await page.content()

    # Look at the catalogue, and import one course of it.
    await page.get_by_role("link", name="Courses", exact=True).first.click()
    await page.get_by_role("button", name="Look at what the partner offers").click()
    await page.get_by_role("link", name="Show what was found").click()
    await expect(page.get_by_role("link", name="New (2)")).to_be_visible()
    await page.get_by_role("checkbox", name="Lifting without getting hurt").check()
    await page.get_by_role("button", name="Import the chosen ones").click()
    await expect(page.get_by_role("link", name="Imported (1)")).to_be_visible()
    assert site.sql("select course_name, external_course_id from public.partner_courses") == [
        ("Lifting without getting hurt", "21")
    ]

    # Map it, as suggested, to the package of the same title.
    await page.goto(f"{site.app}/partners/mappings/suggestions")
    await expect(page.locator("main")).to_contain_text("Lifting without getting hurt")
    await page.get_by_role("checkbox", name="Lifting without getting hurt").first.check()
    await page.get_by_role("button", name="Map", exact=True).click()
    await until(lambda: site.sql("select 1 from public.partner_course_mappings where scorm_package_id is not null"))

    # Enrol Lea there; an account is made for her at the partner, and the mapped enrolment here.
    await page.goto(f"{site.app}/partners/enrol")
    await page.get_by_label("Partner's course").select_option(label="Lifting without getting hurt")
    await page.get_by_label("E-mails or identifiers").fill("lea@example.org")
    await page.get_by_role("button", name="Add to the list").click()
    await page.get_by_role("button", name="Enrol 1 person").click()
    await until(lambda: academy.enrolled)
    ((course_id, account),) = academy.enrolled
    assert course_id == 21 and academy.users[account]["email"] == "lea@example.org"
    await until(lambda: site.sql("select 1 from public.partner_lms_enrollments where status = 'active'"))
    assert site.sql("select user_id::text, status from public.scorm_enrollments") == [(lea, "not_attempted")]

    # She works there; the next sync brings it here.
    academy.enrolled[21, account]["lastcourseaccess"] = T
    academy.contents[21] = [{"id": 1, "name": "Start", "modules": [
        {"id": 101, "name": "Before you lift", "modname": "scorm", "instance": 1},
        {"id": 102, "name": "Final check", "modname": "quiz", "instance": 2},
    ]}]  # fmt: skip
    academy.statuses[21, account] = [moodle.status(101, 1, T - 100), moodle.status(102, 2, T - 50, modname="quiz")]
    academy.grades[21, account] = [moodle.grade(102, 9, 0, 10, T - 50)]
    academy.completed[21, account] = T
    academy.badges[account] = [{"name": "Safe lifter", "uniquehash": "b-1", "dateissued": T, "courseid": 21}]
    await page.goto(f"{site.app}/partners")
    await page.get_by_role("link", name="Harbour Academy").first.click()
    await page.get_by_role("button", name="Sync now").click()
    await until(lambda: site.sql("select 1 from public.partner_credentials"))
    assert site.sql(
        "select module_name, status, score from public.external_module_progress where user_id = %s order by module_id",
        lea,
    ) == [("Before you lift", "completed", None), ("Final check", "passed", 90)]

    # What everybody sees of it: the enrolment, the log, and the learner her certificate and the course counted here.
    await page.goto(f"{site.app}/partners/enrolments")
    await expect(page.locator("main table")).to_contain_text("Completed")
    await page.goto(f"{site.app}/partners/log")
    await page.get_by_role("link", name="Full sync").first.click()
    await expect(page.locator("main")).to_contain_text("Succeeded")
    await expect(page.locator("main")).to_contain_text("Module progress")
    await until(lambda: site.sql("select 1 from public.scorm_enrollments where status = 'completed'"), 90)
    learner = await signed_in(browser, site, lea)
    await learner.goto(f"{site.app}/earned")
    await expect(learner.locator("main")).to_contain_text("Safe lifter")
    assert site.sql("select distinct status from public.lms_sync_log") == [("succeeded",)]


async def test_a_secret_is_made_in_the_browser_and_shown_until_it_is_saved(browser: Browser, site: RunningSite) -> None:
    admin = await asyncio.to_thread(site.person, "admin", "admin@example.org")
    page = await signed_in(browser, site, admin)
    await page.goto(f"{site.app}/partners/providers/new?kind=webhook")
    secret = page.get_by_label("Secret", exact=True)
    await page.get_by_role("button", name="Make one for Secret").click()
    await expect(page.get_by_text("Copy it now")).to_be_visible()
    made = await secret.input_value()
    assert is_standard_secret(made)
    await page.get_by_role("button", name="Make one for Secret").click()
    assert await secret.input_value() != made, "each is another one"
    made = await secret.input_value()
    await page.locator("main form.card button.primary").click()
    await expect(page.get_by_text("Where the partner pushes to")).to_be_visible()
    assert made not in await page.content()
    await page.get_by_role("link", name="Settings").click()
    await expect(secret).to_have_attribute("placeholder", "Stored; leave empty to keep")
    assert made not in await page.content()
    [row] = await asyncio.to_thread(site.run, site.services.hub.providers.all())
    provider = await asyncio.to_thread(site.run, site.services.hub.providers.get(row["id"]))
    assert site.services.hub.providers.open(provider).config.text("secret") == made


async def test_an_administrator_goes_to_canvas_and_lets_this_server_in(
    browser: Browser, site: RunningSite, serve: Callable[[Any], str]
) -> None:
    admin = await asyncio.to_thread(site.person, "admin", "admin@example.org")
    school = canvas.School()
    school.users[1] = {"id": 1, "name": "Courseyard"}
    school.redirects.add(f"{site.app}/partners/connected")
    options = {
        "base_url": serve(school.app), "client_id": canvas.CLIENT[0], "client_secret": canvas.CLIENT[1],
    }  # fmt: skip
    made = Draft("canvas", "Harbour School", options, Settings(schedule_minutes=None))
    provider = await asyncio.to_thread(site.run, site.services.hub.providers.save(made))
    page = await signed_in(browser, site, admin)
    await page.goto(f"{site.app}/partners/providers/{provider}")
    await page.get_by_role("button", name="Connect", exact=True).click()
    # From another site the browser brings the session along, and the person is back as who they were.
    await page.get_by_role("link", name="Go on to Harbour School").click()
    await expect(page.get_by_text("The partner lets this server in")).to_be_visible()
    await page.get_by_role("button", name="Test connection").click()
    await expect(page.locator("#connection").get_by_text("Signed in as Courseyard")).to_be_visible()
