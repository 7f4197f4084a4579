"""What partners gave us to get in is never told again: not on a page, not by the interface, not in a table, not in an error."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fix_web import RunningSite
from starlette.requests import Request
from starlette.responses import JSONResponse

from courseyard.partners.kinds import kinds

MARK = "never-to-be-seen"


async def parrot(scope: Any, receive: Any, send: Any) -> None:
    """A partner that refuses whatever it is asked, and says back in its error all that it was sent."""
    request = Request(scope, receive)
    body = (await request.body()).decode("latin-1")
    said = f"{request.url} {dict(request.headers)} {body}"
    error = {
        "message": said,
        "error": said,
        "errorcode": "invalidtoken",
        "exception": "moodle_exception",
        "errors": [said],
    }
    await JSONResponse(error, 401)(scope, receive, send)


def drafts(address: str) -> list[dict[str, Any]]:
    """One partner of each kind that has secrets, each secret recognisable."""
    found: list[dict[str, Any]] = []
    for kind in kinds().values():
        options = {}
        for option in kind.options:
            if option.kind == "secret":
                options[option.name] = f"{MARK}-{kind.kind}-{option.name}"
            elif option.required:
                options[option.name] = (
                    address if option.kind == "url" else option.default or next(iter(option.choices), "x")
                )
        found.append({"kind": kind.kind, "name": kind.title, "options": options})
    return [draft for draft in found if MARK in str(draft)]


def crawl(browser: httpx.Client, start: str) -> dict[str, str]:
    """Every page of partners that can be reached by links."""
    seen: dict[str, str] = {}
    todo = [start]
    while todo:
        path = todo.pop().split("#")[0].replace("&amp;", "&")
        if path in seen:
            continue
        answer = browser.get(path)
        assert answer.status_code < 500, path
        seen[path] = answer.text
        todo += [found for found in re.findall(r'href="(/partners[^"]*)"', answer.text) if "/log?" not in found]
    return seen


def test_no_answer_holds_a_secret(
    site: RunningSite, serve: Callable[[Any], str], caplog: pytest.LogCaptureFixture
) -> None:
    api, told = site.client(), []
    found = drafts(serve(parrot))
    for draft in found:
        made = api.post("/api/partner-providers", json=draft)
        assert made.status_code == 201, made.text
        assert made.json()["secrets"], "which are set is told"
        path = f"/api/partner-providers/{made.json()['id']}"
        told += [made, api.get(path), api.post(f"{path}/check"), api.post(f"{path}/sync", json={})]
        told.append(api.patch(path, json={"options": {**draft["options"], "base_url": "javascript:x"}}))
        told.append(
            api.patch(path, json={"options": {f"{MARK}-option": f"{MARK}-value"}, "settings": {"paused": MARK}})
        )
        told.append(api.post("/api/partner-providers", json={**draft, "name": ""}))
    site.work()
    told += [api.get(f"/api/{name}") for name in ("partner-providers", "partner-kinds", "sync-runs", "webhooks")]
    told += [api.get(f"/api/sync-runs/{run['id']}") for run in api.get("/api/sync-runs").json()]
    for answer in told:
        assert answer.status_code < 500 and MARK not in answer.text, (answer.request.url, answer.text[:500])

    pages = crawl(site.browser(site.person("admin")), "/partners")
    assert len(pages) > 5 * len(found)
    sealed = [row[0] for row in site.sql("select secrets from courseyard.partner_settings")]
    for path, text in pages.items():
        assert MARK not in text, path
        assert not any(secret in text for secret in sealed), path
    for (table,) in site.sql(
        "select quote_ident(schemaname) || '.' || quote_ident(tablename) from pg_tables where schemaname in ('public', 'courseyard', 'jobs')"
    ):
        assert site.sql(f"select 1 from {table} as t where strpos(t::text, %s) > 0", MARK) == [], table
    assert MARK not in caplog.text
