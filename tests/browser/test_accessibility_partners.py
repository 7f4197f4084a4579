"""The pages for looking after partners against WCAG 2.2 AA by axe-core, in light and dark, on a phone and on a desk."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from browser.test_accessibility import LOOKS, axe, complaints, visit  # noqa: F401  # axe is a fixture
from fix_web import RunningSite
from partners.scripted import course, draft, enrolment, module, scripted_kind
from partners.scripted import page as partner_page
from playwright.async_api import Browser

from courseyard.errors import PartnerRefusedError
from courseyard.partners.connector import Stream
from courseyard.partners.credentials import Entry
from courseyard.partners.webhooks import EndpointDraft

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("journey")]


def seed(site: RunningSite, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A partner with runs in several states, accounts and records that wait, credentials, a receiver; the pages."""
    hub = site.services.hub
    with scripted_kind(monkeypatch) as partner:
        provider = site.run(hub.providers.save(draft(import_rule="all", schedule_minutes=None)))
        lea = site.person(email="lea@example.org")
        site.sql(
            "insert into public.profiles (email, full_name) values ('leo@example.org', 'A'), ('LEO@example.org', 'B')"
        )
        partner.script = {
            Stream.CATALOGUE: [partner_page(course(1), course(2), rejected=[({"odd": 1}, "it has no identifier")])],
            Stream.ENROLMENTS: [partner_page(enrolment(1), enrolment(2, "leo"), enrolment(3, "kim"))],
            Stream.PROGRESS: [partner_page(module(1, status="completed", score=80.0))],
            Stream.CREDENTIALS: [PartnerRefusedError("The token may not read certificates.")],
        }
        run = site.run(hub.runs.start(provider))
        site.work()
        partner.script = {Stream.CATALOGUE: [partner_page(course(1, code="NEW"), course(2))]}
        dry = site.run(hub.runs.start(provider, [Stream.CATALOGUE], dry_run=True))
        site.work()
        queued = site.run(hub.runs.start(provider))
    today = datetime.now(UTC).date()
    entry = Entry(lea, provider, "Forklift driver", issued_date=today, expiration_date=today + timedelta(days=9))
    credential = site.run(hub.credentials.enter(entry, None))
    endpoint, _ = site.run(hub.webhooks.add(EndpointDraft("http://127.0.0.1:9/", ["*"], "HR")))
    site.run(hub.webhooks.test(endpoint))
    own = f"/partners/providers/{provider}"
    return [
        "/partners/log", "/partners/log?status=cancelled", *(f"/partners/log/{found}" for found in (run, dry, queued)),
        f"/partners/log/{run}/undo", f"{own}/people", f"{own}/people?state=matched", f"{own}/people?state=ignored",
        f"{own}/people/account?account=u-leo", f"{own}/people/account?account=u-kim&q=A",
        f"{own}/waiting", f"{own}/waiting?code=not-understood", "/partners/credentials", f"/partners/credentials/{credential}",
        "/partners/webhooks", f"/partners/webhooks/{endpoint}",
    ]  # fmt: skip


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
async def test_pages_of_partners(
    browser: Browser,
    site: RunningSite,
    axe: str,  # noqa: F811  # the fixture
    scheme: str,
    width: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context = await browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
    page = await context.new_page()
    admin = await asyncio.to_thread(site.person, "admin", "admin@example.org")
    link = await asyncio.to_thread(site.run, site.services.accounts.make_link(admin))
    await page.goto(f"{site.app}/sign-in/link/{link}")
    found = await visit(
        page, axe, site.app, ["/partners/log", "/partners/credentials", "/partners/webhooks", "/earned"]
    )
    paths = await asyncio.to_thread(seed, site, monkeypatch)
    found += await visit(page, axe, site.app, paths)
    for path in paths:
        await page.goto(site.app + path)
        for folded in await page.locator("main details").all():
            await folded.evaluate("element => { element.open = true }")
        found += await complaints(page, axe, f"{path}, all unfolded")
    await page.goto(f"{site.app}{next(path for path in paths if path.endswith('/waiting'))}")
    await page.get_by_role("button", name="Drop all").first.click()
    await page.get_by_role("heading", name="Drop these records?").wait_for()
    found += await complaints(page, axe, "before records are dropped")
    await context.close()
    assert found == []
