"""The server is killed while a learner works: what the course was told is saved is there afterwards, once."""

from __future__ import annotations

import asyncio
import io
import socket
import zipfile

import httpx
import pytest
from fix_web import SERVICE_KEY, upload
from making import manifest12
from playwright.async_api import Browser

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("journey")]

LESSON = """<!doctype html><html lang="en"><title>Lesson</title><h1>Lesson</h1><script>
const api = parent.API;
api.LMSInitialize("");
addEventListener("unload", () => api.LMSFinish(""));
window.answer = (n) =>
  [api.LMSSetValue(`cmi.interactions.${n}.id`, `q${n}`), api.LMSSetValue("cmi.core.lesson_location", String(n)),
   api.LMSCommit("")].join();
</script></html>"""


def lesson() -> bytes:
    """A course that answers one question at a time."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("imsmanifest.xml", manifest12())
        archive.writestr("index.html", LESSON)
    return packed.getvalue()


def free_port() -> int:
    """A port that nobody has now: the server must come back on the same one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Api:
    """What a program asks of the server."""

    def __init__(self, app: str) -> None:
        self.client = httpx.Client(base_url=app, headers={"Authorization": f"Bearer {SERVICE_KEY}"}, timeout=30)

    def launch(self) -> str:
        """A learner's way into a new course."""
        package = upload(self.client, lesson(), "lesson.zip").json()["id"]
        learner = {"email": "ada@example.org", "name": "Ada"}
        made = self.client.post("/api/enrollments", json={"package_id": package, "learner": learner})
        self.enrollment = f"/api/enrollments/{made.json()['id']}"
        return self.client.post(f"{self.enrollment}/launch", json={}).json()["url"]

    def recorded(self) -> dict:
        """What the server has of the first attempt's activity."""
        [activity] = self.client.get(f"{self.enrollment}/attempts/1").json()["activities"]
        return activity


async def test_killed_between_two_commits_and_started_again(browser: Browser, started, open_folder) -> None:
    port, data = str(free_port()), open_folder / "killed"

    async def serve():
        command = started("serve", "--port", port, data=data, COURSEYARD_SERVICE_KEY=SERVICE_KEY)
        return command, await asyncio.to_thread(command.wait_ready)

    server, app = await serve()
    api = Api(app)
    url = await asyncio.to_thread(api.launch)
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(url)
    await page.wait_for_selector("body[data-state=running]")
    frame = await (await page.wait_for_selector("iframe#sco")).content_frame()
    await frame.wait_for_function("window.answer")

    for n in range(8):
        assert await frame.evaluate("n => answer(n)", n) == "true,true,true"
        if n == 3:
            # Number 3 may be on its way or written and not acknowledged: both must come out right.
            await asyncio.to_thread(server.kill)
    assert int(await page.get_attribute("body", "data-unsaved") or 0) > 0

    server, app = await serve()
    await page.wait_for_selector('body[data-unsaved="0"]', timeout=60_000)
    recorded = await asyncio.to_thread(api.recorded)
    assert [answer["id"] for answer in recorded["interactions"]] == [f"q{n}" for n in range(8)]
    assert recorded["data"]["cmi.core.lesson_location"] == "7"

    # The learner goes on as if nothing had been.
    assert await frame.evaluate("n => answer(n)", 8) == "true,true,true"
    await page.click("[data-nav=exitAll]")
    await page.wait_for_selector("body[data-state=ended]")
    recorded = await asyncio.to_thread(api.recorded)
    assert len(recorded["interactions"]) == 9
    assert recorded["data"]["cmi.core.lesson_location"] == "8"
    await context.close()
    api.client.close()
    assert await asyncio.to_thread(server.stop) == 0
