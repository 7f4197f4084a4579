"""A real Chromium: one browser for the session, a page of its own for each test.

The asynchronous interface of Playwright is used on purpose: the synchronous one keeps an event loop running in
the main thread, where no asynchronous test could start its own.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, async_playwright

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_INSTALLED = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    """Chromium of the system where it has one, else the one that Playwright installed."""
    path = next((found for name in _INSTALLED if (found := shutil.which(name))), None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, headless=True, args=_FLAGS)
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
