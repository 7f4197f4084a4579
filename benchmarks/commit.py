"""What a commit costs: the whole way through the run-time, beside plain inserts of the same elements.

Usage: python benchmarks/commit.py [--learners 16] [--commits 100]
Starts an embedded server in a temporary folder. Prints commits per second and the time of one.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server import migrated_server

from courseyard.content.importer import import_package
from courseyard.content.store import open_store
from courseyard.db import Database
from courseyard.runtime import Commit, ContentPrefixes, Enrolments, Player, PlayerSession, PlayTokens

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from making import small_package  # the tests' packages

SECRET = "x" * 40


def _now() -> datetime:
    return datetime.now(UTC)


async def _open(
    db: Database, player: Player, enrolments: Enrolments, package: str, n: int
) -> tuple[Any, PlayerSession]:
    email = f"learner{n}@example.org"
    learner = await db.one("people.learner", external_id=email, email=email, full_name="L", make=True, profile_id=None)
    assert learner is not None
    enrolment, _ = await enrolments.enroll(package, str(learner["profile_id"]))
    url = await enrolments.launch(enrolment)
    opened = await player.open(url.rsplit("/", 1)[1], "benchmark", _now())
    return opened, player.tokens.read_session(opened["token"], _now())[0]


def _elements(number: int, status: bool) -> list[tuple[str, str]]:
    data = [("cmi.core.lesson_location", str(number)), ("cmi.suspend_data", f"{number};" + "x" * 1_000)]
    return [*data, ("cmi.core.score.raw", str(number % 100))] if status else data


async def _measure(name: str, learners: int, commits: int, one: Callable[[int, int], Awaitable[Any]]) -> None:
    times: list[float] = []

    async def learner(n: int) -> None:
        for number in range(1, commits + 1):
            started = time.perf_counter()
            await one(n, number)
            times.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(learner(n) for n in range(learners)))
    took = time.perf_counter() - started
    times.sort()
    print(
        f"{name:<44} {len(times) / took:8,.0f}/s   median {1000 * statistics.median(times):6.2f} ms"
        f"   p95 {1000 * times[int(len(times) * 0.95)]:6.2f} ms"
    )


async def _run(url: str, folder: Path, learners: int, commits: int) -> None:
    db = Database(url)
    await db.open()
    tokens = PlayTokens(SECRET)
    player = Player(db, tokens, ContentPrefixes(SECRET))
    enrolments = Enrolments(db, tokens, "http://content", _now)
    package = await import_package(db, open_store(None, folder), small_package(folder / "p.zip"), file_name="p.zip")
    windows = [await _open(db, player, enrolments, package.id, n) for n in range(learners)]
    rows = await db.all("web.list_enrollments", **_FILTER, limit=learners, offset=0)

    def body(n: int, seq: int, status: bool) -> Commit:
        opened = windows[n][0]
        return Commit(opened["attempt"], opened["epoch"], seq, "i", 1, _elements(seq, status))

    async def floor(n: int, number: int) -> None:
        async with db._connection() as connection:
            await connection.execute(
                b"insert into public.scorm_tracking_floor (scorm_enrollment_id, element, value)"
                b" select %s, e, v from unnest(%s::text[], %s::text[]) as t (e, v)",
                [rows[n]["id"], *map(list, zip(*_elements(number, False), strict=True))],
            )

    async with db._connection() as connection:
        await connection.execute(b"create table public.scorm_tracking_floor (like public.scorm_tracking including all)")
    await _measure("plain insert of the tracking rows", learners, commits, floor)
    await _measure(
        "commit: place and 1 kB of suspend data", learners, commits,
        lambda n, number: player.commit(windows[n][1], body(n, number, False)),
    )  # fmt: skip
    await _measure(
        "commit: the same with a score (rolls up)", learners, commits,
        lambda n, number: player.commit(windows[n][1], body(n, commits + number, True)),
    )  # fmt: skip
    await _measure("heartbeat", learners, commits, lambda n, _: player.heartbeat(windows[n][1]))
    await db.close()


_FILTER = {"search": None, "learners": [], "status": None, "package_id": None, "profile_id": None}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, default=16)
    parser.add_argument("--commits", type=int, default=100)
    asked = parser.parse_args()
    with migrated_server() as (url, folder):
        asyncio.run(_run(url, folder, asked.learners, asked.commits))


if __name__ == "__main__":
    main()
