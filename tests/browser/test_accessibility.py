"""Every page against WCAG 2.2 AA by axe-core, in light and dark, on a phone and on a desk; none is wider than its window."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import pytest
from fix_web import DEMO, RunningSite, upload
from playwright.async_api import Browser, Page

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
