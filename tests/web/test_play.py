"""The content origin over HTTP: page, interface, files, and what must not be reachable."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import httpx
import pytest
from making import make_zip, manifest12

from courseyard.content.importer import import_package
from courseyard.content.store import open_store
from courseyard.db import Database
from courseyard.errors import NotFoundError
from courseyard.runtime import ContentPrefixes, Enrolments, Player, PlayTokens
from courseyard.web.content_files import ContentFiles, asked_span, clean_path
from courseyard.web.origins import Origins
from courseyard.web.play import create_play_app

pytestmark = pytest.mark.anyio
SECRET = "a secret of more than thirty-two characters"


def now():
    return datetime.now(UTC)


@pytest.fixture
async def site(db_url, tmp_path):
    """A client of the content origin, and the launch path of a learner."""
    db = Database(db_url)
    await db.open()
    store = open_store(None, tmp_path)
    tokens, prefixes = PlayTokens(SECRET), ContentPrefixes(SECRET)
    files = {"imsmanifest.xml": manifest12(), "index.html": "<p>Hello</p>", "media/Clip.mp4": bytes(range(256)) * 40}
    zip_file = make_zip(tmp_path / "course.zip", files)
    package = await import_package(db, store, zip_file, file_name="course.zip")
    other = await import_package(
        db, store, make_zip(tmp_path / "other.zip", files | {"secret.txt": "secret"}), file_name="other.zip"
    )
    learner = await db.one(
        "people.learner", external_id="7", email="a@example.org", full_name="Ada", make=True, profile_id=None
    )
    enrolments = Enrolments(db, tokens, "http://127.0.0.1", now)
    enrolment, _ = await enrolments.enroll(package.id, learner["profile_id"])
    app = create_play_app(
        Player(db, tokens, prefixes), ContentFiles(db, store, prefixes, now), Origins.of(None, None, 8000), now
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
        client.launch = (await enrolments.launch(enrolment)).removeprefix("http://127.0.0.1")
        client.prefix = prefixes.sign(package.version_id, now())
        client.other = other.version_id
        yield client
    await db.close()


async def opened(site):
    answer = await site.post("/play/api/open", json={"launch": site.launch.rsplit("/", 1)[1]})
    assert answer.status_code == 200, answer.text
    return answer.json(), {"Authorization": f"Bearer {answer.json()['token']}"}


def commit(session, seq=1, **changes):
    place = session["view"]["delivery"]
    return {
        "attempt": session["attempt"],
        "epoch": session["epoch"],
        "seq": seq,
        "item": place["item"],
        "activity_attempt": place["activity_attempt"],
        "elements": [["cmi.core.lesson_location", "3"]],
    } | changes


async def test_the_page_is_guarded_and_sets_no_cookie(site):
    page = await site.get(site.launch)
    assert page.status_code == 200 and "/play/assets/" in page.text
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "frame-ancestors 'self' http://localhost:8000" in policy
    assert page.headers["permissions-policy"] == "unload=(self)"
    assert "set-cookie" not in page.headers and page.headers["cache-control"] == "no-store"


async def test_the_page_finds_its_files(site):
    page = (await site.get(site.launch)).text
    folder = page[page.index("/play/assets/") :].split("/")[3]
    for name, kind in (
        ("main.js", "text/javascript"),
        ("player.css", "text/css"),
        ("design.css", "text/css"),
        ("tables/scorm12.json", "application/json"),
        ("icon.svg", "image/svg+xml"),
    ):
        answer = await site.get(f"/play/assets/{folder}/{name}")
        assert answer.status_code == 200 and answer.headers["content-type"].startswith(kind)
        assert "immutable" in answer.headers["cache-control"]
    assert (await site.get(f"/play/assets/{folder}/page.html")).status_code == 404
    assert (await site.get(f"/play/assets/{folder}/..%2f..%2fplay.py")).status_code == 404


async def test_a_learner_works_over_http(site):
    session, bearer = await opened(site)
    assert session["view"]["state"] == "running"
    content = await site.get(session["view"]["delivery"]["url"])
    assert content.text == "<p>Hello</p>"
    assert (await site.post("/play/api/commit", json=commit(session), headers=bearer)).json()["ack"] == 1
    window = {"attempt": session["attempt"], "epoch": session["epoch"]}
    assert (await site.post("/play/api/heartbeat", json=window, headers=bearer)).json() == {}
    view = (await site.post("/play/api/navigate", json=window | {"request": "exitAll"}, headers=bearer)).json()
    assert view["state"] == "ended" and view["result"]["completion"] == "unknown"


async def test_a_relaunch_link_opens_the_same_attempt(site):
    session, _ = await opened(site)
    again = (await site.post("/play/api/open", json={"launch": session["relaunch"]})).json()
    assert (again["attempt"], again["epoch"]) == (session["attempt"], session["epoch"] + 1)


async def test_an_overtaken_window_is_told_as_a_problem(site):
    session, bearer = await opened(site)
    await opened(site)
    answer = await site.post("/play/api/commit", json=commit(session), headers=bearer)
    assert (answer.status_code, answer.json()["code"]) == (409, "stale-epoch")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_nobody_gets_in_without_the_right_token(site):
    session, bearer = await opened(site)
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer {session['relaunch']}"}):
        answer = await site.post("/play/api/commit", json=commit(session), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "player-token")
    foreign = commit(session, attempt="7a0e7c36-5a92-4f29-8d0d-0f4e4b5b0c11")
    assert (await site.post("/play/api/commit", json=foreign, headers=bearer)).status_code == 401
    assert (await site.post("/play/api/open", json={"launch": session["token"]})).json()["code"] == "launch-link"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"attempt": 1}', b"\xff\xfe"])
async def test_a_body_that_is_none_is_refused(site, body):
    _, bearer = await opened(site)
    answer = await site.post("/play/api/commit", content=body, headers=bearer)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-body")


async def test_an_oversized_body_is_refused(site):
    session, bearer = await opened(site)
    body = commit(session, elements=[["cmi.suspend_data", "x" * (1024 * 1024)]] * 5)
    assert (await site.post("/play/api/commit", json=body, headers=bearer)).status_code == 413


async def test_half_characters_do_not_block_the_journal(site):
    session, bearer = await opened(site)
    body = json.dumps(commit(session, elements=[["cmi.suspend_data", "cut \ud83d"]]))
    assert (await site.post("/play/api/commit", content=body, headers=bearer)).json()["ack"] == 1
    again, _ = await opened(site)
    assert again["view"]["delivery"]["data"]["cmi.suspend_data"] == "cut �"


async def test_files_come_whole_in_parts_and_from_caches(site):
    url = f"/content/{site.prefix}/media/Clip.mp4"
    whole = await site.get(url)
    assert (whole.status_code, len(whole.content), whole.headers["content-type"]) == (200, 10_240, "video/mp4")
    assert whole.headers["accept-ranges"] == "bytes" and "immutable" in whole.headers["cache-control"]
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["content-security-policy"] == "frame-ancestors 'self' http://localhost:8000"
    for asked, answered, content in (
        ("bytes=0-3", "bytes 0-3/10240", whole.content[:4]),
        ("bytes=10000-", "bytes 10000-10239/10240", whole.content[10_000:]),
        ("bytes=-5", "bytes 10235-10239/10240", whole.content[-5:]),
        ("bytes=10230-99999", "bytes 10230-10239/10240", whole.content[10_230:]),
    ):
        part = await site.get(url, headers={"Range": asked})
        assert (part.status_code, part.headers["content-range"], part.content) == (206, answered, content)
    beyond = await site.get(url, headers={"Range": "bytes=10240-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */10240")
    cached = await site.get(url, headers={"If-None-Match": whole.headers["etag"]})
    assert (cached.status_code, cached.content) == (304, b"")
    head = await site.head(url)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "10240", b"")
    changed = await site.get(url, headers={"Range": "bytes=0-3", "If-Range": '"other"'})
    assert changed.status_code == 200


async def test_a_name_in_other_letters_is_found(site):
    assert (await site.get(f"/content/{site.prefix}/MEDIA/clip.mp4")).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "missing.html", "", "..%2f..%2fsecret.key", "%2e%2e/%2e%2e/secret.key", "media/..%2f..%2f{other}/secret.txt",
        "..%5c..%5csecret.key", "media/%00", "%2fetc%2fpasswd",
    ],
)  # fmt: skip
async def test_a_prefix_opens_its_own_package_only(site, path):
    answer = await site.get(f"/content/{site.prefix}/{path.format(other=site.other)}")
    assert answer.status_code == 404


async def test_a_forged_prefix_opens_nothing(site):
    forged = ContentPrefixes("another secret of more than thirty-two characters").sign(site.other, now())
    assert (await site.get(f"/content/{forged}/secret.txt")).status_code == 404
    assert (await site.get(f"/content/{site.prefix[:-2]}AA/index.html")).status_code == 404


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", (0, 1)), ("bytes=5-", (5, None)), ("bytes=-9", (-9, None)), ("", None), ("bytes=-", None),
        ("bytes=-0", None), ("bytes=9-5", None), ("bytes=0-1,3-4", None), ("items=0-1", None),
    ],
)  # fmt: skip
def test_what_a_range_header_asks_for(header, span):
    assert asked_span(header) == span


@pytest.mark.parametrize("path", ["a/../b", "..", "a\\b", "a\0b", "", "/", "./."])
def test_a_path_that_is_none(path):
    with pytest.raises(NotFoundError):
        clean_path(path)
