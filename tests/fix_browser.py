"""A real Chromium: one browser for the session, a page of its own for each test.

The asynchronous interface of Playwright is used on purpose: the synchronous one keeps an event loop running in
the main thread, where no asynchronous test could start its own.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, async_playwright
from playwright.sync_api import sync_playwright

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_INSTALLED = ("chromium", "chromium-browser", "google-chrome")


def _of_the_system() -> str | None:
    return next((found for name in _INSTALLED if (found := shutil.which(name))), None)


def installed_browser() -> str:
    """Where Chromium is: the system's, else the one that Playwright installed."""
    if found := _of_the_system():
        return found
    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


@pytest.fixture(scope="session")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    """Chromium of the system where it has one, else the one that Playwright installed."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=_of_the_system(), headless=True, args=_FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page in a browser context without history; a script error on it fails the test."""
    context = await browser.new_context()
    page = await context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    yield page
    await context.close()
    assert not failures, failures
