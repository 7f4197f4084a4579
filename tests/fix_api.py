"""The API object in a real browser, driven in batches: what each call returned, its error, and what the page heard."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Route

from courseyard.datamodel import table_json

PLAYER = Path(__file__).resolve().parents[1] / "src" / "courseyard" / "web" / "player"

CONFORMANCE: dict[str, Any] = json.loads((Path(__file__).parent / "player" / "api_conformance.json").read_text("utf-8"))
NAMES = {
    "1.2": {"start": "LMSInitialize", "get": "LMSGetValue", "set": "LMSSetValue"},
    "2004": {"start": "Initialize", "get": "GetValue", "set": "SetValue"},
}

_ORIGIN = "http://player.test"
_PAGE = """<!doctype html><title>API</title><script type="module">
import { createApi } from "/cmi-api.js";
const filled = (value) => /^@[0-9]+$/.test(value) ? "x".repeat(Number(value.slice(1))) : value;
window.play = (tables, jobs) => jobs.map((job) => {
  const heard = [];
  const on = {};
  for (const name of ["change", "commit", "terminate", "finding"]) {
    on[name] = (...args) => {
      heard.push([name, ...args]);
      if (job.throws === name) throw new Error("disk full");
      if (job.refuses === name) return false;
    };
  }
  if (job.log) on.call = (...args) => heard.push(["call", ...args]);
  const api = createApi({ ...job.options, table: tables[job.options.standard], on, now: () => 42 });
  const started = performance.now();
  const last = api.GetLastError || api.LMSGetLastError;
  const answers = job.calls.map(([name, ...args]) => {
    const result = api[name](...args.map((a) => typeof a === "string" ? filled(a) : a));
    return [result, typeof result, job.log ? "" : last()];
  });
  return { answers, heard, took: performance.now() - started, version: api.version, functions: Object.keys(api) };
});
</script>"""


def filled(value: str) -> str:
    """The text that an argument stands for."""
    return "x" * int(value[1:]) if re.fullmatch(r"@[0-9]+", value) else value


def conformance_options(standard: str, **more: Any) -> dict[str, Any]:
    """createApi's options with the initial data of the conformance table."""
    return {
        "standard": standard,
        "data": CONFORMANCE[standard]["data"],
        "valid": CONFORMANCE[standard]["valid"],
        **more,
    }


@dataclass(frozen=True)
class Answers:
    """What came back from one API object."""

    calls: list[tuple[str, str]]  # value, error number
    heard: list[list[Any]]
    functions: list[str]
    took_ms: float


Play = Callable[[list[dict[str, Any]]], Awaitable[list[Answers]]]


@pytest.fixture
async def play(page: Page) -> Play:
    """Run jobs, one fresh API object each: {"options": createApi's, "calls": [[name, argument…]…]}.

    An argument "@1000" stands for a text of 1,000 characters. "throws" or "refuses" name a listener that does so.
    """

    async def serve(route: Route) -> None:
        path = route.request.url.removeprefix(_ORIGIN)
        if path == "/":
            await route.fulfill(content_type="text/html", body=_PAGE)
        else:
            await route.fulfill(content_type="text/javascript", body=(PLAYER / path[1:]).read_text("utf-8"))

    await page.route(f"{_ORIGIN}/**", serve)
    await page.goto(f"{_ORIGIN}/")
    await page.wait_for_function("() => typeof window.play === 'function'")
    tables = {standard: json.loads(table_json(standard)) for standard in ("1.2", "2004")}

    async def run(jobs: list[dict[str, Any]]) -> list[Answers]:
        played = await page.evaluate("([tables, jobs]) => window.play(tables, jobs)", [tables, jobs])
        for job in played:
            assert all(kind == "string" for _, kind, _ in job["answers"]), "the API answers texts only"
            assert job["version"] == "1.0"
        return [
            Answers([(value, error) for value, _, error in job["answers"]], job["heard"], job["functions"], job["took"])
            for job in played
        ]

    return run
