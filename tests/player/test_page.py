"""The player page in a real browser against the real server: nothing that a SCO was told is kept gets lost."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fix_web import RunningSite, upload
from making import manifest12, manifest2004
from playwright.async_api import Browser, BrowserContext, Frame, Page, expect

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.xdist_group("player")]

FLOW = '<imsss:sequencing><imsss:controlMode choice="true" flow="true"/></imsss:sequencing>'
ITEMS = "".join(f'<item identifier="i{n}" identifierref="r"><title>Part {n}</title></item>' for n in (1, 2, 3))
# A lesson of the usual kind: it says its last words in beforeunload or unload, if the test wants it to.
LESSON = """<!doctype html><html lang="en"><title>Lesson</title><h1>Lesson</h1><script>
const find = (at) => at.API_1484_11 || (at.parent !== at ? find(at.parent) : at.opener && find(at.opener));
window.api = find(window);
window.atStart = api ? [typeof api, api.Initialize(""), api.GetValue("cmi.entry")] : [];
addEventListener(sessionStorage.lastWords || "unload", () => {
  if (!sessionStorage.lastWords) return;
  api.SetValue("cmi.suspend_data", "last words");
  if (sessionStorage.wish) api.SetValue("adl.nav.request", sessionStorage.wish);
  api.Terminate("");
});
</script></html>"""

Open = Callable[..., Awaitable[Page]]
Make = Callable[[str], str]


def course(body: str = ITEMS + FLOW, make: Make = manifest2004) -> bytes:
    """Three parts in a row, or what else the organisation holds."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("imsmanifest.xml", make(body))
        archive.writestr("index.html", LESSON)
    return packed.getvalue()


class Course:
    """The course on the server, and a learner in it."""

    def __init__(
        self, site: RunningSite, window: str = "frame", body: str = ITEMS + FLOW, make: Make = manifest2004
    ) -> None:
        self.site = site
        self.client = site.client()
        made = upload(self.client, course(body, make), "course.zip")
        assert made.status_code == 201, made.text
        self.package = made.json()["id"]
        if window == "new":
            changed = self.client.patch(f"/api/packages/{self.package}", json={"launch_window": "new"})
            assert changed.status_code == 200, changed.text
        learner = {"email": "ada@example.org", "name": "Ada"}
        made = self.client.post("/api/enrollments", json={"package_id": self.package, "learner": learner})
        self.enrollment = made.json()["id"]

    def launch(self, **options: Any) -> str:
        """The address of a launch."""
        return str(self.client.post(f"/api/enrollments/{self.enrollment}/launch", json=options).json()["url"])

    def stored(self, item: str = "i1") -> dict[str, str]:
        """What the database holds of an activity's newest attempt."""
        rows = self.site.sql(
            "select data from courseyard.sco_states where item = %s order by updated_at desc limit 1", item
        )
        return rows[0][0] if rows else {}

    async def eventually(self, element: str, value: str, item: str = "i1") -> None:
        """Wait until the database holds a value."""
        for _ in range(100):
            if self.stored(item).get(element) == value:
                return
            await asyncio.sleep(0.05)
        pytest.fail(f"{element} is {self.stored(item).get(element)!r}, not {value!r}")


@pytest.fixture
def course_of(site: RunningSite) -> Course:
    """The course, opened in a frame."""
    return Course(site)


async def running(page: Page, item: str = "i1") -> Frame:
    """The content, once it has been delivered and has started."""
    await page.wait_for_selector(f"body[data-state=running][data-activity={item}]")
    element = await page.wait_for_selector("iframe#sco")
    frame = await element.content_frame()
    assert frame is not None
    await frame.wait_for_load_state("load")
    assert (await frame.evaluate("atStart"))[:2] == ["object", "true"]
    return frame


async def start(page: Page, course_of: Course, **options: Any) -> Frame:
    """Open a launch in a page."""
    await page.goto(course_of.launch(**options))
    return await running(page)


async def call(frame: Frame, name: str, *arguments: str) -> str:
    """Call the API from content."""
    return str(await frame.evaluate("([name, args]) => api[name](...args)", [name, list(arguments)]))


async def told(page: Page, words: str) -> None:
    """Wait for an alert."""
    await expect(page.get_by_role("alert")).to_contain_text(words)


async def saved(page: Page) -> None:
    """Wait until everything is acknowledged."""
    await page.wait_for_selector('body[data-unsaved="0"]')


async def test_what_is_set_is_on_the_server_soon_without_a_commit(page: Page, course_of: Course) -> None:
    frame = await start(page, course_of)
    assert await call(frame, "SetValue", "cmi.location", "page 3") == "true"
    assert await page.get_attribute("body", "data-unsaved") == "1"
    await saved(page)
    assert course_of.stored()["cmi.location"] == "page 3"
    await expect(page.locator("#chip")).to_have_text("All changes saved")


async def test_a_crash_right_after_a_commit_loses_nothing(browser: Browser, course_of: Course) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    frame = await start(page, course_of)
    await page.route("**/play/api/commit", lambda route: route.abort())
    await call(frame, "SetValue", "cmi.location", "page 7")
    assert await call(frame, "Commit", "") == "true"
    await crash(page)
    assert "cmi.location" not in course_of.stored()

    page = await context.new_page()
    frame = await start(page, course_of)
    assert course_of.stored()["cmi.location"] == "page 7"
    assert await call(frame, "GetValue", "cmi.location") == "page 7"
    await context.close()


async def test_offline_everything_goes_on_and_is_sent_later(page: Page, course_of: Course) -> None:
    frame = await start(page, course_of)
    await page.context.set_offline(True)
    for place in range(5):
        await call(frame, "SetValue", "cmi.location", f"page {place}")
        await call(frame, "SetValue", "cmi.suspend_data", "x" * 60_000)
        assert await call(frame, "Commit", "") == "true"
    await expect(page.locator("#chip")).to_contain_text("waiting on this device")
    # What piles up is put together: the browser's storage does not fill.
    assert int(await page.get_attribute("body", "data-unsaved") or 0) <= 2

    await page.click("[data-nav=continue]")
    await told(page, "No connection")
    assert await frame.evaluate("document.title") == "Lesson", "content stays while the next part cannot come"

    await page.context.set_offline(False)
    await saved(page)
    assert course_of.stored()["cmi.location"] == "page 4"
    await page.click("[data-nav=continue]")
    await running(page, "i2")


async def test_an_answer_that_got_lost_does_not_navigate_twice(page: Page, course_of: Course) -> None:
    await start(page, course_of)
    seen = 0

    async def lose_the_first(route: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == 1:
            await route.fetch()
            await route.abort()
        else:
            await route.continue_()

    await page.route("**/play/api/navigate", lose_the_first)
    await page.click("[data-nav=continue]")
    await running(page, "i2")
    assert seen == 2


async def test_the_newer_window_wins_and_the_older_is_told(page: Page, course_of: Course) -> None:
    frame = await start(page, course_of)
    other = await page.context.new_page()
    await start(other, course_of)
    await call(frame, "SetValue", "cmi.location", "from the old window")
    await told(page, "opened in another window")
    await expect(page.locator("body")).to_have_attribute("data-state", "error")
    assert course_of.stored().get("cmi.location") != "from the old window"
    await page.get_by_role("button", name="Continue here").click()
    frame = await running(page)
    await call(frame, "SetValue", "cmi.location", "here again")
    await course_of.eventually("cmi.location", "here again")


@pytest.mark.parametrize("event", ["unload", "pagehide", "beforeunload"])
async def test_last_words_are_kept_when_the_learner_goes_on(page: Page, course_of: Course, event: str) -> None:
    frame = await start(page, course_of)
    await frame.evaluate("event => { sessionStorage.lastWords = event; sessionStorage.wish = 'exitAll'; }", event)
    await page.reload()
    await running(page)
    await page.click("[data-nav=continue]")
    await running(page, "i2")  # the learner's wish wins over the lesson's
    assert course_of.stored("i1")["cmi.suspend_data"] == "last words"


@pytest.mark.parametrize("event", ["unload", "pagehide", "beforeunload"])
async def test_last_words_are_kept_when_the_tab_closes(page: Page, course_of: Course, event: str) -> None:
    frame = await start(page, course_of)
    await frame.evaluate("event => { sessionStorage.lastWords = event; }", event)
    await page.reload()
    await running(page)
    await page.close(run_before_unload=event == "beforeunload")
    await course_of.eventually("cmi.suspend_data", "last words")


async def test_the_tab_closes_before_autosave(page: Page, course_of: Course) -> None:
    frame = await start(page, course_of)
    await call(frame, "SetValue", "cmi.location", "the very end")
    await page.close()
    await course_of.eventually("cmi.location", "the very end")


async def test_a_lesson_moves_on_by_itself(page: Page, course_of: Course) -> None:
    frame = await start(page, course_of)
    await call(frame, "SetValue", "adl.nav.request", "{target=i3}choice")
    assert await call(frame, "Terminate", "") == "true"
    frame = await running(page, "i3")
    await call(frame, "Terminate", "")
    await page.wait_for_timeout(500)
    await expect(page.locator("body")).to_have_attribute("data-activity", "i3")
    await expect(page.locator("#live")).to_have_text("This part is finished. Choose where to go next.")


async def test_each_part_finds_a_fresh_api_before_it_runs(page: Page, course_of: Course) -> None:
    frame = await start(page, course_of)
    await call(frame, "Terminate", "")
    await page.click("nav#toc [data-item=i2]")
    frame = await running(page, "i2")
    assert await call(frame, "GetLastError") in {"0", "403"}
    assert await page.evaluate("[typeof API, typeof API_1484_11]") == ["undefined", "object"]


async def test_the_end_shows_the_result_and_leads_back(page: Page, course_of: Course) -> None:
    frame = await start(page, course_of, redirect_url=f"{course_of.site.app}/healthz")
    for element, value in (
        ("cmi.completion_status", "completed"),
        ("cmi.success_status", "failed"),
        ("cmi.score.scaled", "0.4"),
        ("cmi.session_time", "PT1H5M"),
    ):
        assert await call(frame, "SetValue", element, value) == "true"
    await page.click("[data-nav=exitAll]")
    await page.wait_for_selector("body[data-state=ended]")
    facts = await page.locator("#ended-facts").inner_text()
    assert facts.split("\n") == ["Score", "13.33", "Time", "1 h 5 min", "Progress", "33 %"]
    await expect(page.get_by_role("link", name="Return to my courses")).to_be_focused()
    await page.wait_for_timeout(2500)
    await expect(page.locator("body")).to_have_attribute("data-state", "ended")
    await page.wait_for_url("**/healthz", timeout=10_000)


async def test_suspend_and_resume(page: Page, course_of: Course) -> None:
    frame = await start(page, course_of)
    await call(frame, "SetValue", "cmi.suspend_data", "half way")
    await page.click("[data-nav=suspendAll]")
    await page.wait_for_selector("body[data-state=ended]")
    frame = await start(page, course_of)
    assert (await frame.evaluate("atStart"))[2] == "resume"
    assert await call(frame, "GetValue", "cmi.suspend_data") == "half way"


async def test_the_page_can_be_reloaded_long_after_its_link_expired(page: Page, course_of: Course) -> None:
    first = course_of.launch()
    await page.goto(first)
    await running(page)
    assert page.url != first
    await page.reload()
    await running(page)


async def test_review_writes_nothing(page: Page, course_of: Course) -> None:
    frame = await start(page, course_of, mode="review")
    await expect(page.locator("#mode")).to_contain_text("nothing is recorded")
    assert await call(frame, "SetValue", "cmi.location", "nowhere") == "true"
    assert await call(frame, "Commit", "") == "true"
    await page.wait_for_timeout(1500)
    assert course_of.site.sql("select count(*) from public.scorm_tracking") == [(0,)]


async def test_by_keyboard_and_for_screen_readers(page: Page, course_of: Course) -> None:
    await start(page, course_of)
    assert await page.get_attribute("iframe#sco", "title") == "Part 1"
    await page.locator("#toc-toggle").focus()
    await page.keyboard.press("Alt+Shift+KeyN")
    await running(page, "i2")
    current = page.locator("nav#toc [aria-current=true]")
    await expect(current).to_have_attribute("data-item", "i2")
    await page.locator("nav#toc [data-item=i1]").focus()
    await page.keyboard.press("Enter")
    await running(page, "i1")
    await expect(page.locator("iframe#sco")).to_be_focused()
    await page.locator("#toc-toggle").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("nav#toc")).to_be_hidden()
    await page.reload()
    await running(page)
    await expect(page.locator("nav#toc")).to_be_hidden()


async def other_page(context: BrowserContext, page: Page) -> Page:
    """The window that the page has opened; wait for it."""
    others = [other for other in context.pages if other is not page]
    return others[0] if others else await context.wait_for_event("page")


async def test_a_window_of_its_own(browser: Browser, site: RunningSite) -> None:
    course_of = Course(site, "new")
    context: BrowserContext = await browser.new_context()
    page = await context.new_page()
    await page.goto(course_of.launch())
    await page.wait_for_selector("body[data-state=running]")
    button = page.locator("#popup-open")
    await expect(button).to_be_visible()
    if await button.inner_text() == "Open the window":  # blocked, as it did not come from a click
        await button.click()
    await expect(button).to_have_text("Show the window")
    content = await other_page(context, page)
    await content.wait_for_url("**/index.html*")
    assert (await content.evaluate("atStart"))[:2] == ["object", "true"]
    await content.evaluate("api.SetValue('cmi.location', 'in the window')")
    await content.close()
    await page.wait_for_selector("body[data-state=ended]")
    assert course_of.stored()["cmi.location"] == "in the window"
    await context.close()


async def test_a_blocked_window_is_offered_by_a_button(browser: Browser, site: RunningSite) -> None:
    course_of = Course(site, "new")
    context: BrowserContext = await browser.new_context()
    await context.add_init_script("window.really = window.open; window.open = () => null")
    page = await context.new_page()
    await page.goto(course_of.launch())
    button = page.get_by_role("button", name="Open the window")
    await expect(button).to_be_visible()
    await page.evaluate("void (window.open = window.really)")
    async with context.expect_page() as opened:
        await button.click()
    content = await opened.value
    await content.wait_for_url("**/index.html*")
    assert (await content.evaluate("atStart"))[:2] == ["object", "true"]
    await context.close()


async def test_a_preview_tells_why(page: Page, course_of: Course) -> None:
    link = course_of.site.run(
        course_of.site.services.courses.preview(course_of.package, course_of.site.person("admin"), None)
    )
    await page.goto(link)
    frame = await running(page)
    await call(frame, "SetValue", "cmi.score.scaled", "7")
    await page.click("#why-toggle")
    panel = page.get_by_role("complementary", name="Why?")
    await expect(panel.get_by_role("rowheader", name="Part 2")).to_be_visible()
    await expect(panel.locator("ol .bad")).to_contain_text('SetValue("cmi.score.scaled", "7")')
    await expect(panel.get_by_text("The course is not complete")).to_be_visible()
    await call(frame, "SetValue", "cmi.completion_status", "completed")
    await call(frame, "SetValue", "adl.nav.request", "{target=i3}choice")
    await call(frame, "Terminate", "")
    await running(page, "i3")
    await expect(panel.get_by_text("choice Part 3: shows Part 3")).to_be_visible()
    await expect(panel.get_by_text("Part 1: the attempt ended.")).to_be_visible()
    await expect(panel.get_by_role("row", name="Part 1")).to_contain_text("completed")
    await panel.get_by_role("searchbox").fill("nav.request")
    await expect(panel.locator("ol li")).to_have_count(1)
    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    await expect(page.locator("#why-toggle")).to_be_focused()
    assert course_of.site.sql("select count(*) from public.scorm_tracking") == [(0,)]


async def test_an_old_link_says_so(page: Page, course_of: Course) -> None:
    await page.goto(f"{course_of.site.content}/play/not-a-link")
    await page.wait_for_selector("body[data-state=error]")
    assert len((await page.get_by_role("alert").inner_text()).strip()) > 10


async def forget_token(page: Page, seen: list[str]) -> None:
    """From now on the server takes the present token no more, as after it expired or the secret was changed."""

    async def spoil(route: Any) -> None:
        headers = dict(route.request.headers)
        token = headers.get("authorization", "")
        if not seen and token:
            seen.append(token)
        if token and token in seen:
            headers["authorization"] = "Bearer worth.nothing.now"
        await route.continue_(headers=headers)

    await page.route("**/play/api/*", spoil)


async def test_a_token_that_ran_out_is_renewed_under_the_learners_hands(page: Page, course_of: Course) -> None:
    frame = await start(page, course_of)
    await frame.evaluate("window.stays = 'here'")
    await forget_token(page, [])
    await call(frame, "SetValue", "cmi.location", "page 5")
    assert await call(frame, "Commit", "") == "true"
    await course_of.eventually("cmi.location", "page 5")
    await saved(page)
    assert await frame.evaluate("window.stays") == "here", "the lesson was not loaded again"
    await call(frame, "SetValue", "cmi.location", "page 6")
    await course_of.eventually("cmi.location", "page 6")
    await page.click("[data-nav=continue]")
    await running(page, "i2")


async def test_a_token_that_ran_out_does_not_stop_the_way_on(page: Page, course_of: Course) -> None:
    frame = await start(page, course_of)
    await forget_token(page, [])
    await call(frame, "SetValue", "cmi.location", "page 5")
    await page.click("[data-nav=continue]")
    await page.wait_for_selector("body[data-state=running]")
    await course_of.eventually("cmi.location", "page 5")


async def test_what_waits_from_before_the_secret_changed_is_not_lost(page: Page, course_of: Course) -> None:
    frame = await start(page, course_of)
    await page.route("**/play/api/commit", lambda route: route.abort())
    await call(frame, "SetValue", "cmi.location", "page 9")
    await call(frame, "Commit", "")
    stale = await page.evaluate(
        "Object.values(localStorage).map(v => { try { return JSON.parse(v).token } catch { return null } }).find(Boolean)"
    )
    other = await page.context.new_page()
    await crash(page)
    assert "cmi.location" not in course_of.stored()
    await forget_token(other, [f"Bearer {stale}"])
    frame = await start(other, course_of)
    assert await call(frame, "GetValue", "cmi.location") == "page 9"
    assert course_of.stored()["cmi.location"] == "page 9"


async def crash(page: Page) -> None:
    """End a page without its last words, which routes do not hold back and which would arrive otherwise."""
    session = await page.context.new_cdp_session(page)
    async with page.expect_event("crash"):
        crashing = asyncio.ensure_future(session.send("Page.crash"))
    crashing.cancel()


@pytest.mark.parametrize(
    "storage",
    [
        "localStorage.setItem('content', 'x'.repeat(5 * 1024 * 1024 - 200))",
        "Storage.prototype.setItem = () => { throw new DOMException('no', 'SecurityError') }",
    ],
    ids=["full", "forbidden"],
)
async def test_where_local_storage_is_full_or_forbidden(page: Page, course_of: Course, storage: str) -> None:
    await page.add_init_script(f"try {{ {storage} }} catch {{}}")
    frame = await start(page, course_of)
    await page.route("**/play/api/commit", lambda route: route.abort())
    await call(frame, "SetValue", "cmi.location", "page 2")
    await call(frame, "SetValue", "cmi.suspend_data", "x" * 1000)
    assert await call(frame, "Commit", "") == "true"
    await expect(page.locator("#chip")).to_contain_text("waiting on this device")
    keys = "new Promise(done => { indexedDB.open('courseyard').onsuccess = ({ target }) => { const all = target.result.transaction('journal').objectStore('journal').getAllKeys(); all.onsuccess = () => { target.result.close(); done(all.result.length); }; }; })"
    assert await page.evaluate(keys) == 1
    other = await page.context.new_page()
    await crash(page)
    assert "cmi.location" not in course_of.stored()
    frame = await start(other, course_of)
    assert await call(frame, "GetValue", "cmi.location") == "page 2"
    await saved(other)
    assert await other.evaluate(keys) == 0


async def test_the_contents_show_what_a_commit_has_changed(page: Page, course_of: Course) -> None:
    frame = await start(page, course_of)
    part = page.locator("nav#toc [data-item=i1]")
    await expect(part).to_have_accessible_name("Part 1")
    await call(frame, "SetValue", "cmi.completion_status", "incomplete")
    await call(frame, "Commit", "")
    await expect(part).to_have_accessible_name("Part 1 (in progress)")
    await call(frame, "SetValue", "cmi.success_status", "passed")
    await call(frame, "Commit", "")
    await expect(part).to_have_accessible_name("Part 1 (passed)")
    await expect(part.locator(".mark")).to_have_text("✓")
    await expect(part).to_have_attribute("aria-current", "true")


def timed(seconds: int, action: str) -> str:
    """Two parts, the first of which has a time limit."""
    return (
        '<item identifier="i1" identifierref="r"><title>Part 1</title>'
        f"<adlcp:timeLimitAction>{action}</adlcp:timeLimitAction><imsss:sequencing>"
        f'<imsss:limitConditions attemptAbsoluteDurationLimit="PT{seconds}S"/></imsss:sequencing></item>'
        f'<item identifier="i2" identifierref="r"><title>Part 2</title></item>{FLOW}'
    )


async def test_a_part_closes_when_its_time_is_over(page: Page, site: RunningSite) -> None:
    course_of = Course(site, body=timed(3, "exit,message"))
    frame = await start(page, course_of)
    await expect(page.get_by_role("timer")).to_contain_text("0:0")
    await frame.evaluate("sessionStorage.lastWords = 'unload'")
    await page.wait_for_selector("body[data-state=ended]", timeout=10_000)
    await told(page, "The time for “Part 1” is over (3 seconds), so it was closed.")
    await expect(page.get_by_role("timer")).to_be_hidden()


async def test_a_part_whose_time_may_be_passed_only_says_so(page: Page, site: RunningSite) -> None:
    course_of = Course(site, body=timed(2, "continue,message"))
    await start(page, course_of)
    await told(page, "The time for this part is over. You can go on.")
    await expect(page.locator("body")).to_have_attribute("data-state", "running")


WAITING = "".join(
    f'<item identifier="{name}" identifierref="r"><title>Part {name}</title>{waits}</item>'
    for name, waits in (("i1", ""), ("i2", "<adlcp:prerequisites>i1</adlcp:prerequisites>"), ("i3", ""))
)


async def test_a_part_that_waits_opens_as_soon_as_the_other_is_done(page: Page, site: RunningSite) -> None:
    waiting = Course(site, body=WAITING, make=manifest12)
    await page.goto(waiting.launch())
    await page.wait_for_selector("body[data-state=running][data-activity=i1]")
    second = page.locator("nav#toc [data-item=i2]")
    await expect(second).to_have_attribute("aria-disabled", "true")
    await page.wait_for_function("window.API")
    await page.evaluate(
        "[API.LMSInitialize(''), API.LMSSetValue('cmi.core.lesson_status', 'completed'), API.LMSFinish('')]"
    )
    await expect(second).not_to_have_attribute("aria-disabled", "true")
    await page.click("[data-nav=continue]")
    await page.wait_for_selector("body[data-activity=i2]")


async def test_a_wish_that_cannot_be_had_is_told_in_plain_words(page: Page, course_of: Course) -> None:
    frame = await start(page, course_of)
    await call(frame, "SetValue", "cmi.location", "page 3")
    assert await call(frame, "SetValue", "adl.nav.request", "{target=i9}choice") == "true"
    await call(frame, "Terminate", "")
    await told(page, "The course has no such part.")
    words = await page.get_by_role("alert").inner_text()
    assert not any(code in words for code in ("NB.", "SB.", "OP.", "TB."))
    frame = await running(page, "i1")
    assert await call(frame, "GetValue", "cmi.location") == "page 3", "the learner stands where they stood"
    await page.click("[data-nav=continue]")
    await running(page, "i2")
    await expect(page.locator("#alert")).to_be_empty()
