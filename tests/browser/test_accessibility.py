"""Every page against WCAG 2.2 AA by axe-core, in light and dark, on a phone and on a desk; none is wider than its window."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

import pytest
from fix_web import DEMO, RunningSite, upload
from partners.scripted import Scripted, course, draft, scripted_kind
from partners.scripted import page as partner_page
from playwright.async_api import Browser, Page

from courseyard.errors import PartnerRefusedError
from courseyard.partners.catalogue import Filter
from courseyard.partners.connector import Stream
from courseyard.partners.mappings import Link
from courseyard.partners.providers import Draft, Settings
from courseyard.partners.records import ModuleProgress, User
from courseyard.partners.sources import source_of

T = TypeVar("T")

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("journey")]

_FETCH = Path(__file__).parents[1] / "tools/fetch_npm.sh"
_RUN = """async () => {
  const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const { violations } = await axe.run({ exclude: ["iframe"] }, { runOnly: rules, iframes: false });
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target} ${node.failureSummary}`));
}"""
LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in (390, 1280)]


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core, fetched from npm."""
    found = subprocess.run([_FETCH, "axe-core", "4.11.1"], capture_output=True, text=True, check=True).stdout.strip()
    if not found:
        pytest.skip("axe-core could not be fetched from npm")
    return (Path(found) / "axe.min.js").read_text("utf-8")


class Site:
    """A server with a package that has findings, an enrolment that was worked in, and the people for it."""

    def __init__(self, site: RunningSite) -> None:
        self.site = site
        api = site.client()
        self.package = upload(api, DEMO["workshop.zip"]).json()["id"]
        site.sql(
            "update courseyard.package_versions set findings = %s::jsonb",
            json.dumps(
                [{"severity": "warning", "code": "x", "message": "Odd.", "file": "a.html", "line": 3, "hint": "Do."}]
            ),
        )
        learner = {"email": "lea@example.org", "name": "Lea"}
        made = api.post("/api/enrollments", json={"package_id": self.package, "learner": learner}).json()
        self.enrollment, self.learner = made["id"], made["learner"]["profile_id"]
        self.api = api

    def launch(self, **options: str) -> str:
        """The address of a launch."""
        return self.api.post(f"/api/enrollments/{self.enrollment}/launch", json=options).json()["url"]

    def preview(self) -> str:
        """The address of a preview for staff."""
        return str(self.site.run(self.site.services.courses.preview(self.package, self.site.person("admin"), None)))

    def link(self, profile_id: str) -> str:
        """A sign-in link."""
        return f"/sign-in/link/{self.site.run(self.site.services.accounts.make_link(profile_id))}"


async def complaints(page: Page, axe: str, name: str) -> list[str]:
    """What axe says of a page, and whether it is wider than its window."""
    await page.wait_for_load_state("load")
    await page.evaluate(axe)
    found = [f"{name}: {one}" for one in await page.evaluate(_RUN)]
    if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append(f"{name}: wider than the window")
    return found


async def visit(page: Page, axe: str, app: str, paths: list[str]) -> list[str]:
    found = []
    for path in paths:
        await page.goto(app + path)
        found += await complaints(page, axe, path)
    return found


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
async def test_pages_of_the_app(browser: Browser, site: RunningSite, axe: str, scheme: str, width: int) -> None:
    admin = site.person("admin", "admin@example.org")
    context = await browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = await context.new_page()
    app = site.app
    found = await visit(page, axe, app, ["/sign-in", "/sign-in/link/spent"])
    await page.goto(app + f"/sign-in/link/{site.run(site.services.accounts.make_link(admin))}")
    found += await visit(page, axe, app, ["/packages", "/enrollments", "/courses"])  # all of them empty

    there = await asyncio.to_thread(Site, site)
    await page.goto(there.launch())
    await page.wait_for_selector("body[data-state=running]")
    own = f"/enrollments/{there.enrollment}"
    found += await visit(
        page,
        axe,
        app,
        [
            "/packages",
            "/packages?q=nothing",
            f"/packages/{there.package}?done=uploaded",
            f"/packages/{there.package}/delete",
            "/enrollments",
            own,
            f"{own}/attempts/1",
            "/people",
            "/account",
            "/api/docs",
            "/no/such/page",
        ],
    )
    await page.goto(app + "/people")
    await page.get_by_role("button", name="Make a link").first.click()
    found += await complaints(page, axe, "sign-in link made")
    await page.get_by_role("button", name="Change").first.click()
    await page.get_by_role("dialog").wait_for()
    found += await complaints(page, axe, "question")
    await page.keyboard.press("Escape")

    await context.clear_cookies()
    await page.goto(app + there.link(there.learner))
    found += await visit(page, axe, app, ["/courses", own, f"{own}/attempts/1", "/packages"])
    await context.close()
    assert found == []


async def at_partners(site: RunningSite, partner: type[Scripted], there: Site) -> str:
    """A partner with a mapped course, people in it in several states; the enrolment of the learner there."""
    hub = site.services.hub
    provider = await _here(site, hub.providers.save(draft(import_rule="all", schedule_minutes=None)))
    partner.script = {Stream.CATALOGUE: [partner_page(course(1), course(2), course(3))]}
    await _here(site, hub.runs.start(provider))
    await asyncio.to_thread(site.work)
    first, second, third = (i for (i,) in site.sql("select id::text from public.partner_courses order by course_name"))
    site.sql("insert into public.courses (title) values ('Course 2'), ('The third course')")
    await _here(site, hub.mappings.add([Link(first, "package", there.package)], "equivalent", None))
    await _here(site, hub.mappings.add([Link(second, "package", there.package)], "prerequisite", None))
    await _here(site, hub.mappings.add([Link(third, "package", there.package)], "elective", None))
    people = [
        await asyncio.to_thread(site.person, email=f"{name}@example.org") for name in ("ana", "ben", "cem", "dora")
    ]
    partner.accounts = [User(external_id=f"u{n}", email="cem@example.org", name=f"Cem {n}") for n in (1, 2)]
    await _here(site, hub.enrolling.enrol(first, [there.learner, *people[:3]], None))
    await asyncio.to_thread(site.work)
    partner.faults = [PartnerRefusedError("The token of this provider may not enrol anybody in this course.")]
    await _here(site, hub.enrolling.enrol(second, [people[3]], None))
    await asyncio.to_thread(site.work)
    await _here(site, hub.enrolling.enrol(second, people[:2], None))
    key = "c1/made-lea@example.org"
    modules = [
        ModuleProgress(enrolment=key, module_id=f"m{n}", module_name=f"Module {n}", status="in_progress", progress=p)
        for n, p in ((1, 100.0), (2, 35.0))
    ]
    partner.script = {Stream.PROGRESS: [partner_page(*modules)]}
    await _here(site, hub.runs.start(provider))
    await asyncio.to_thread(site.work)
    found = site.sql("select id::text from public.partner_lms_enrollments where student_id = %s", there.learner)
    return str(found[0][0])


async def _here(site: RunningSite, work: Awaitable[T]) -> T:
    return await asyncio.to_thread(site.run, work)


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
async def test_pages_of_partners_courses(
    browser: Browser, site: RunningSite, axe: str, scheme: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = await asyncio.to_thread(Site, site)
    context = await browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = await context.new_page()
    admin = await asyncio.to_thread(site.person, "admin", "admin@example.org")
    with scripted_kind(monkeypatch) as partner:
        await page.goto(site.app + await asyncio.to_thread(there.link, admin))
        found = await visit(page, axe, site.app, ["/partners/mappings", "/partners/enrol", "/partners/outbox"])
        own = await at_partners(site, partner, there)
        lists = ["mappings", "mappings/suggestions", "enrolments", f"enrolments/{own}", "enrol", "outbox"]
        found += await visit(page, axe, site.app, [f"/partners/{path}" for path in lists])
        await page.goto(site.app + "/partners/enrol")
        await page.get_by_label("Partner's course").select_option(label="Course 1")
        await page.get_by_label("E-mails or identifiers").fill("dora@example.org\nlea@example.org\nwho@example.org")
        await page.get_by_label("Find people").fill("example")
        await page.get_by_role("button", name="Add to the list").click()
        await page.get_by_role("button", name="Enrol 2 people").wait_for()
        found += await complaints(page, axe, "what will happen")
        await page.goto(site.app + "/partners/mappings")
        await page.get_by_label("Lines", exact=True).fill("nobody, nothing")
        await page.get_by_role("button", name="Map these lines").click()
        found += await complaints(page, axe, "lines that are wrong")
        await context.clear_cookies()
        await page.goto(site.app + await asyncio.to_thread(there.link, there.learner))
        found += await visit(page, axe, site.app, ["/courses"])
        await page.get_by_text("Complete this first").wait_for()
        await page.get_by_text("Also offered").wait_for()
        found += await visit(page, axe, site.app, [f"/enrollments/{there.enrollment}"])
        # A link from before something came first: what comes first is said where the course would be.
        site.sql("update public.partner_course_mappings set is_active = (mapping_type <> 'prerequisite')")
        link = await asyncio.to_thread(there.launch)
        site.sql("update public.partner_course_mappings set is_active = true")
        [(second,)] = site.sql("select id::text from public.partner_courses where course_name = 'Course 2'")
        await _here(site, site.services.hub.enrolling.enrol(second, [there.learner], None))
        await page.goto(link)
        way = page.get_by_role("link", name="Go to “Course 2”")
        await way.wait_for()
        found += await complaints(page, axe, "held back in the player")
        await way.press("Enter")
        await page.wait_for_url("**/courses#course-*")
    await context.close()
    assert found == []


async def set_up(site: RunningSite, partner: type[Scripted]) -> tuple[str, str]:
    """A partner whose courses are new, changed, imported and gone, and which failed since; one that delivers files."""
    hub = site.services.hub
    provider = await _here(site, hub.providers.save(draft(schedule_minutes=None)))
    partner.script = {Stream.CATALOGUE: [partner_page(*[course(n, category="Safety") for n in range(1, 5)])]}
    await _here(site, hub.syncs.work(await _here(site, hub.runs.start(provider, dry_run=True))))
    await _here(site, hub.catalogue.bring_in(provider, ["c1", "c2", "c3"], Filter(), None))
    partner.script = {Stream.CATALOGUE: [partner_page(course(1, code="New"), course(2, category="Safety"), course(4))]}
    await _here(site, hub.syncs.work(await _here(site, hub.runs.start(provider, [Stream.CATALOGUE], dry_run=True))))
    await _here(site, hub.providers.check(provider))
    partner.script = {Stream.CATALOGUE: [PartnerRefusedError("The token was withdrawn.")]}
    for _ in range(3):
        await _here(site, hub.syncs.work(await _here(site, hub.runs.start(provider, [Stream.CATALOGUE]))))
    options = {"source": "upload", "content": "delta"}
    files = await _here(site, hub.providers.save(Draft("files", "Reports", options, Settings(schedule_minutes=None))))
    place = source_of(hub.providers.open(await _here(site, hub.providers.get(files))).config)
    table = b"Course ID;E-mail;State;Done on\n7;lea@example.org;Erledigt;24.11.2026\n8;leo@example.org;active;\n"
    await _here(site, place.write("enrolments.csv", table))
    site.sql("insert into public.partner_lms_providers (provider_name, provider_type) values ('By hand', 'other')")
    return provider, files


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
async def test_pages_of_providers(
    browser: Browser, site: RunningSite, axe: str, scheme: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = await browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = await context.new_page()
    admin = await asyncio.to_thread(site.person, "admin", "admin@example.org")
    with scripted_kind(monkeypatch) as partner:
        await page.goto(site.app + f"/sign-in/link/{await _here(site, site.services.accounts.make_link(admin))}")
        found = await visit(page, axe, site.app, ["/partners"])
        provider, files = await set_up(site, partner)
        kinds = [f"new?kind={kind}" for kind in ("moodle", "files", "webhook", "manual")]
        own = ["", "/settings", "/delete", *(f"/catalogue?state={s}" for s in ("new", "changed", "imported", "gone"))]
        paths = ["new", *kinds, *(provider + path for path in own)]
        paths += [files, f"{files}/files", f"{files}/columns?kind=enrolment", f"{files}/columns?kind=credential"]
        found += await visit(page, axe, site.app, ["/partners", *(f"/partners/providers/{path}" for path in paths)])
        await page.goto(f"{site.app}/partners/providers/{files}/columns?kind=enrolment")
        await page.get_by_label("“Erledigt” means").select_option("completed")
        await page.get_by_label("Course (its key): from").select_option("constant")
        await page.get_by_label("Course (its key): value").fill("7")
        await page.get_by_role("button", name="Preview").click()
        await page.get_by_role("cell", name="7:lea@example.org").wait_for()
        found += await complaints(page, axe, "preview")
        await page.get_by_role("button", name="Save", exact=True).click()
        await page.get_by_text("The columns are saved").wait_for()
        await page.goto(f"{site.app}/partners/providers/{files}/files")
        await page.get_by_label("choose it, or drop it here").set_input_files(
            {"name": "courses.csv", "mimeType": "text/csv", "buffer": b"id,title\n7,Safety\n"}
        )
        await page.get_by_role("button", name="Upload").click()
        await page.get_by_role("link", name="courses.csv", exact=True).wait_for()
        await page.get_by_role("link", name="Delete … courses.csv").press("Enter")
        await page.get_by_role("heading", name="Delete courses.csv?").wait_for()
        found += await complaints(page, axe, "before a file is deleted")
        await page.get_by_role("button", name="Delete it").press("Enter")
        await page.get_by_text("The file is deleted.").wait_for()
        assert await page.get_by_role("link", name="courses.csv", exact=True).count() == 0
        partner.script = {}
        await page.goto(f"{site.app}/partners/providers/{provider}")
        await page.get_by_role("button", name="Sync now").click()
        await page.get_by_role("heading", name="waiting for its turn").wait_for()
        found += await complaints(page, axe, "while a run is on")
        await asyncio.to_thread(site.work)
        await page.get_by_role("heading", name="waiting for its turn").wait_for(state="detached")
        assert await page.locator("#state[hx-trigger]").count() == 0
        await page.goto(f"{site.app}/partners/providers/{provider}/catalogue?state=new")
        await page.get_by_label("All on this page").check()
        assert await page.locator("[name=keys]:not(:checked)").count() == 0
    await context.close()
    assert found == []


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
async def test_pages_of_the_player(browser: Browser, site: RunningSite, axe: str, scheme: str, width: int) -> None:
    there = await asyncio.to_thread(Site, site)
    context = await browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = await context.new_page()
    await page.goto(await asyncio.to_thread(there.launch))
    await page.wait_for_selector("body[data-state=running]")
    found = await complaints(page, axe, "running")
    if width < 800:
        await page.click("#toc-toggle")
        found += await complaints(page, axe, "table of contents")
        await page.keyboard.press("Escape")
    other = await context.new_page()
    await other.goto(await asyncio.to_thread(there.launch, mode="review"))
    await other.wait_for_selector("body[data-state=running]")
    found += await complaints(other, axe, "review")
    await other.goto(await asyncio.to_thread(there.launch))
    await other.wait_for_selector("body[data-state=running]")
    await page.click("[data-nav=continue]")
    await page.wait_for_selector("body[data-state=error]")
    found += await complaints(page, axe, "overtaken")
    await other.click("[data-nav=exitAll]")
    await other.wait_for_selector("body[data-state=ended]")
    found += await complaints(other, axe, "ended")
    await page.goto(await asyncio.to_thread(there.preview))
    await page.wait_for_selector("body[data-state=running]")
    await page.click("#why-toggle")
    await page.get_by_role("heading", name="What the last requests did").wait_for()
    found += await complaints(page, axe, "why")
    await page.goto(f"{site.content}/play/expired")
    await page.wait_for_selector("body[data-state=error]")
    found += await complaints(page, axe, "a link that is too old")
    await context.close()
    assert found == []
