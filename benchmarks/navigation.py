"""What a navigation request costs in the server, split into load, sequence, look-ahead and store.

Usage: python benchmarks/navigation.py [--activities 200] [--requests 300]
Starts an embedded server in a temporary folder. One learner goes through a course of modules, lesson after lesson.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server import migrated_server

from courseyard.content.importer import import_package
from courseyard.content.store import open_store
from courseyard.db import Database, Queries
from courseyard.runtime import ContentPrefixes, Enrolments, Navigation, Player, PlayTokens, navigation, player

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from making import make_zip, manifest2004  # the tests' packages

SECRET = "x" * 40
FLOW = '<imsss:sequencing><imsss:controlMode choice="true" flow="true"/></imsss:sequencing>'
spent: Counter[str] = Counter()


def _now() -> datetime:
    return datetime.now(UTC)


def _timed(phase: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """The same function; the time it takes is added to a phase."""

    async def waits(*given: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return await work(*given, **named)
        finally:
            spent[phase] += time.perf_counter() - started

    def computes(*given: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return work(*given, **named)
        finally:
            spent[phase] += time.perf_counter() - started

    return waits if asyncio.iscoroutinefunction(work) else computes


def _watch() -> None:
    for module in (player, navigation):
        module.load_attempt = _timed("load", module.load_attempt)  # type: ignore[attr-defined]
    for name in ("navigate", "activity_status"):
        setattr(navigation, name, _timed("sequence", getattr(navigation, name)))
    player.view_of = _timed("look ahead", player.view_of)  # type: ignore[attr-defined]
    one = Queries.one
    store = _timed("store", one)

    async def told_apart(self: Queries, name: str, **values: Any) -> Any:
        return await (store if name == "runtime.navigated" else one)(self, name, **values)

    Queries.one = told_apart  # type: ignore[method-assign]


def _course(activities: int) -> str:
    modules = []
    for n in range(max(1, activities // 10)):
        lessons = "".join(
            f'<item identifier="m{n}l{k}" identifierref="r"><title>Lesson {k}</title></item>' for k in range(9)
        )
        modules.append(f'<item identifier="m{n}"><title>Module {n}</title>{lessons}{FLOW}</item>')
    return manifest2004("".join(modules) + FLOW)


async def _run(url: str, folder: Path, activities: int, requests: int) -> None:
    db = Database(url)
    await db.open()
    tokens = PlayTokens(SECRET)
    window = Player(db, tokens, ContentPrefixes(SECRET))
    file = make_zip(folder / "p.zip", {"imsmanifest.xml": _course(activities), "index.html": "<p>a</p>"})
    package = await import_package(db, open_store(None, folder), file, file_name="p.zip")
    learner = await db.one(
        "people.learner", external_id="l", email="l@example.org", full_name="L", make=True, profile_id=None
    )
    assert learner is not None
    enrolments = Enrolments(db, tokens, "http://content", _now)
    enrolment, _ = await enrolments.enroll(package.id, str(learner["profile_id"]))
    launch = (await enrolments.launch(enrolment)).rsplit("/", 1)[1]
    opened = await window.open(launch, "benchmark", _now())
    session = window.tokens.read_session(opened["token"], _now())[0]
    spent.clear()
    started = time.perf_counter()
    for number in range(requests):
        back = number % (activities // 10 * 9) == activities // 10 * 9 - 1
        asked = Navigation(
            opened["attempt"], opened["epoch"], "choice" if back else "continue", "m0l0" if back else None
        )
        view = await window.navigate(session, asked, _now())
        assert view["delivery"], view["message"]
    total = time.perf_counter() - started
    spent["the rest (transaction, data model, rights)"] = total - sum(spent.values())
    print(f"{activities} activities: {requests / total:,.0f} requests/s, {1000 * total / requests:.2f} ms each")
    for phase, seconds in spent.items():
        print(f"  {phase:<44} {1000 * seconds / requests:6.2f} ms")
    await db.close()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--activities", type=int, default=200)
    parser.add_argument("--requests", type=int, default=300)
    asked = parser.parse_args()
    _watch()
    with migrated_server() as (url, folder):
        asyncio.run(_run(url, folder, asked.activities, asked.requests))


if __name__ == "__main__":
    main()
