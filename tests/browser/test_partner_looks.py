"""Partner pages as they look: times after a refresh, words that are wider than a phone, tabs that go on beyond its edge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fix_web import RunningSite, upload
from partners.scripted import Scripted, scripted_kind
from partners.scripted import page as partner_page
from playwright.async_api import Browser, Page

from courseyard.partners.connector import Stream
from courseyard.partners.credentials import Entry
from courseyard.partners.mappings import Link
from courseyard.partners.providers import Draft, Settings
from courseyard.partners.records import Course, Credential, Enrolment, ModuleProgress, User
from courseyard.partners.sources import source_of
from courseyard.partners.webhooks import EndpointDraft

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("journey")]

WORD = "Rindfleischetikettierungsueberwachungsaufgabenuebertragungsgesetzgebung1"


@asynccontextmanager
async def administrator(browser: Browser, site: RunningSite, width: int = 390, **how: Any) -> AsyncIterator[Page]:
    """A page of somebody who is signed in as an administrator."""
    context = await browser.new_context(viewport={"width": width, "height": 800}, locale="en-US", **how)
    page = await context.new_page()
    admin = await asyncio.to_thread(site.person, "admin")
    link = await asyncio.to_thread(site.run, site.services.accounts.make_link(admin))
    await page.goto(f"{site.app}/sign-in/link/{link}")
    await page.wait_for_url("**/packages")
    yield page
    await context.close()


class Wordy:
    """A partner all of whose names are one long word, with something on each of its pages."""

    def __init__(self, site: RunningSite, partner: type[Scripted]) -> None:
        self.site, self.hub = site, site.services.hub
        run, hub = site.run, self.hub
        settings = Settings(schedule_minutes=None, import_rule="all")
        self.provider = run(hub.providers.save(Draft("scripted", WORD, {"base_url": "http://partner.test"}, settings)))
        lea = site.person(email=f"{WORD[:60]}@example.org")
        for name in ("leo", "LEO"):
            email = f"{name}.{WORD[:55]}@example.org"
            site.sql("insert into public.profiles (email, full_name) values (%s, %s)", email, WORD)
        site.sql("update public.profiles set full_name = %s where id = %s", WORD, lea)
        site.sql("insert into public.courses (title) values (%s)", WORD)
        people = [
            User(external_id=f"{number}{WORD}", email=email, name=WORD)
            for number, email in enumerate((f"{WORD[:60]}@example.org", f"leo.{WORD[:55]}@example.org", None))
        ]
        courses = [Course(external_id=f"{number}{WORD}", title=WORD, code=WORD, category=WORD) for number in range(3)]
        enrolments = [Enrolment(external_id=f"{user.external_id}-e", course=f"0{WORD}", user=user) for user in people]
        partner.script = {
            Stream.CATALOGUE: [partner_page(*courses, rejected=[({WORD: WORD}, f"it is {WORD}")])],
            Stream.ENROLMENTS: [partner_page(*enrolments)],
            Stream.PROGRESS: [
                partner_page(*(ModuleProgress(enrolment=e.external_id, module_id=WORD, module_name=WORD) for e in enrolments))
            ],
            Stream.CREDENTIALS: [
                partner_page(*(Credential(external_id=f"{u.external_id}k", user=u, name=WORD, number=WORD) for u in people))
            ],
        }  # fmt: skip
        self.run = run(hub.runs.start(self.provider))
        site.work()
        changed = Course(external_id=f"0{WORD}", title=f"2{WORD}", code=WORD, category=WORD)
        new = Course(external_id=f"9{WORD}", title=WORD, description=WORD)
        partner.script = {Stream.CATALOGUE: [partner_page(changed, new)]}
        self.dry = run(hub.runs.start(self.provider, [Stream.CATALOGUE], dry_run=True))
        site.work()
        package = upload(site.client()).json()["id"]
        course, other, *_ = (i for (i,) in site.sql("select id::text from public.partner_courses"))
        run(hub.mappings.add([Link(course, "package", package)], "equivalent", None))
        run(hub.enrolling.enrol(other, [lea], None))
        [(self.enrolment,)] = site.sql(
            "select id::text from public.partner_lms_enrollments where course_id = %s", other
        )
        today = datetime.now(UTC).date()
        entry = Entry(lea, self.provider, WORD, WORD, WORD, today, today + timedelta(9), f"https://example.org/{WORD}")
        self.credential = run(hub.credentials.enter(entry, None))
        self.endpoint, _ = run(hub.webhooks.add(EndpointDraft(f"http://127.0.0.1:9/{WORD}", ["*"], WORD)))
        run(hub.webhooks.test(self.endpoint))
        options = {"source": "upload", "content": "delta"}
        self.files = run(hub.providers.save(Draft("files", WORD, options, settings)))
        place = source_of(hub.providers.open(run(hub.providers.get(self.files))).config)
        run(place.write(f"{WORD}.csv", f"{WORD};E-mail\n{WORD};lea@example.org\n".encode()))
        self.course = course

    def paths(self) -> list[str]:
        """Every page that shows something of it."""
        own, files = f"/partners/providers/{self.provider}", f"/partners/providers/{self.files}"
        account = f"{own}/people/account?account=1{WORD}"
        return [
            "/partners", own, f"{own}/settings", f"{own}/delete",
            *(f"{own}/catalogue?state={state}" for state in ("new", "changed", "imported", "gone")),
            *(f"{own}/people?state={state}" for state in ("waiting", "matched")), account, f"{own}/waiting",
            files, f"{files}/files", f"{files}/files/delete?file={WORD}.csv", f"{files}/columns?kind=course",
            "/partners/log", f"/partners/log/{self.run}", f"/partners/log/{self.dry}", f"/partners/log/{self.run}/undo",
            "/partners/mappings", "/partners/mappings/suggestions", "/partners/enrolments", "/partners/enrol",
            f"/partners/enrolments/{self.enrolment}", f"/partners/enrol?course={self.course}", "/partners/outbox",
            "/partners/credentials", f"/partners/credentials/{self.credential}", "/partners/webhooks",
            f"/partners/webhooks/{self.endpoint}",
        ]  # fmt: skip


@pytest.fixture
def wordy(site: RunningSite, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Wordy]:
    def make() -> Wordy:
        with scripted_kind(monkeypatch) as partner:
            return Wordy(site, partner)

    return make


async def test_no_word_is_wider_than_a_phone(browser: Browser, site: RunningSite, wordy: Callable[[], Wordy]) -> None:
    there = await asyncio.to_thread(wordy)
    found = {}
    async with administrator(browser, site) as page:
        for path in there.paths():
            answer = await page.goto(site.app + path)
            assert answer is not None and answer.status == 200, path
            for folded in await page.locator("main details").all():
                await folded.evaluate("element => { element.open = true }")
            width = await page.evaluate("document.documentElement.scrollWidth")
            if width > 390:
                found[path] = width
    assert found == {}


@pytest.mark.parametrize("width", [390, 1280])
async def test_where_one_is_among_the_tabs_can_be_seen(browser: Browser, site: RunningSite, width: int) -> None:
    async with administrator(browser, site, width) as page:
        for name, path in (
            ("Partners", ""), ("Enrolments", "/enrolments"), ("Sync log", "/log"), ("Webhooks", "/webhooks"),
        ):  # fmt: skip
            await page.goto(f"{site.app}/partners{path}")
            bar = page.get_by_role("navigation", name="Partners")
            here = bar.locator("[aria-current]")
            assert await here.inner_text() == name
            outer, inner = await bar.bounding_box(), await here.bounding_box()
            assert outer is not None and inner is not None
            assert outer["x"] <= inner["x"] and inner["x"] + inner["width"] <= outer["x"] + outer["width"], path
            fades = [await bar.get_attribute(f"data-{edge}") is not None for edge in ("before", "after")]
            assert fades == await bar.evaluate(
                "bar => [bar.scrollLeft > 1, bar.scrollLeft + bar.clientWidth < bar.scrollWidth - 1]"
            )
            narrow = width < 800
            assert any(fades) == narrow and (name != "Partners" or fades == [False, narrow]), path
            assert await page.evaluate("scrollY") == 0
            if narrow:
                await bar.evaluate("bar => { bar.scrollLeft = 0 }")
                await page.locator(".tabs[data-after]:not([data-before])").wait_for()


async def test_without_scripts_the_tabs_lead_everywhere(browser: Browser, site: RunningSite) -> None:
    async with administrator(browser, site, java_script_enabled=False) as page:
        await page.goto(f"{site.app}/partners")
        await page.get_by_role("link", name="Webhooks", exact=True).click()
        await page.wait_for_url("**/partners/webhooks")


async def test_times_stay_in_the_viewers_zone_when_a_part_is_fetched_anew(
    browser: Browser, site: RunningSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted_kind(monkeypatch):
        hub = site.services.hub
        draft = Draft("scripted", "Academy", {"base_url": "http://partner.test"}, Settings(schedule_minutes=None))
        provider = await asyncio.to_thread(site.run, hub.providers.save(draft))
        run = await asyncio.to_thread(site.run, hub.runs.start(provider))
        site.sql("update public.lms_sync_log set started_at = '2026-11-25 22:44Z'")
        async with administrator(browser, site, timezone_id="America/New_York") as page:
            for path, part in ((f"/partners/providers/{provider}", "#state"), (f"/partners/log/{run}", "#run")):
                await page.goto(site.app + path)
                times = page.locator(f"{part} time").filter(visible=True)
                before = await times.all_inner_texts()
                assert "Nov 25, 2026, 5:44 PM EST" in [text.replace("\u202f", " ") for text in before]
                await page.locator(part).evaluate("part => { part.dataset.old = '' }")
                await page.locator(f"{part}:not([data-old])").wait_for()
                assert await times.all_inner_texts() == before, path
