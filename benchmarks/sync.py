"""What a sync costs: progress records through a whole run, beside a plain COPY and upsert of the same rows.

Usage: python benchmarks/sync.py [--records 100000] [--modules 10]
Starts an embedded server in a temporary folder. Prints records per second for the first run (all new), a second one
(nothing new) and a third one (all changed), the floor of each, the memory of the process, and what the triggers of one
statement of 10,000 rows take.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
from server import migrated_server

from courseyard.db import Database
from courseyard.partners import kinds
from courseyard.partners.connector import Capabilities, Check, Connector, Cursor, Page, Scope, Stream
from courseyard.partners.providers import Draft, Providers, Settings
from courseyard.partners.records import Course, Enrolment, ModuleProgress, Record, User
from courseyard.partners.runs import Runs
from courseyard.partners.sealing import Sealing
from courseyard.partners.sync import Syncs

_PAGE = 1_000


class Generated(Connector):
    """A partner that makes its records up: ``round`` changes every one of them."""

    kind = "generated"
    title = "Generated"
    summary = "For the benchmark."
    options = ()
    capabilities = Capabilities(
        streams={Stream.CATALOGUE: "full", Stream.ENROLMENTS: "incremental", Stream.PROGRESS: "incremental"}
    )
    learners = 0
    modules = 0
    round = 0

    async def check(self) -> list[Check]:
        return []

    async def fetch(self, stream: Stream, cursor: Cursor | None, _scope: Scope) -> Page:
        start = cursor["at"] if cursor else 0
        records: list[Record]
        if stream is Stream.CATALOGUE:
            return Page([Course(external_id="c", title="Course")])
        if stream is Stream.ENROLMENTS:
            total = self.learners
            records = [enrolment(n) for n in range(start, min(start + _PAGE, total))]
        else:
            total = self.learners * self.modules
            records = [module(n, self.modules, self.round) for n in range(start, min(start + _PAGE, total))]
        after = start + len(records)
        return Page(records, next={"at": after} if after < total else None, total=total)


def enrolment(number: int) -> Enrolment:
    user = User(external_id=f"u{number}", email=f"u{number}@example.org")
    return Enrolment(external_id=f"e{number}", course="c", user=user)


def module(number: int, modules: int, turn: int) -> ModuleProgress:
    return ModuleProgress(
        enrolment=f"e{number // modules}",
        module_id=f"m{number % modules}",
        module_name=f"Module {number % modules}",
        status="in_progress",
        progress=float((number + turn) % 100),
        score=float((number * 7 + turn) % 101),
        last_accessed_at=datetime(2026, 11, 1, tzinfo=UTC),
    )


async def measure(url: str, learners: int, modules: int) -> None:
    kinds.kinds.cache_clear()
    kinds.kinds = lambda: {"generated": Generated}  # type: ignore[assignment]
    Generated.learners, Generated.modules = learners, modules
    records = learners * modules
    db = Database(url)
    await db.open()
    async with httpx.AsyncClient() as http:
        providers = Providers(db, http, Sealing([b"x" * 32]), inbound_url="", upload_area="/nonexistent")
        runs = Runs(db, providers)
        syncs = Syncs(db, providers, no_person, nothing, lambda: datetime.now(UTC))
        provider = await providers.save(
            Draft("generated", "Generated", settings=Settings(schedule_minutes=None, import_rule="all"))
        )
        await syncs.work(await runs.start(provider, [Stream.CATALOGUE, Stream.ENROLMENTS]))
        for name, turn in (("all new", 0), ("nothing new", 0), ("all changed", 1)):
            Generated.round = turn
            before = resource.getrusage(resource.RUSAGE_SELF)
            started = time.perf_counter()
            run_id = await runs.start(provider, [Stream.PROGRESS])
            await syncs.work(run_id)
            took = time.perf_counter() - started
            after = resource.getrusage(resource.RUSAGE_SELF)
            outcome = await runs.run(run_id)
            assert outcome["status"] == "succeeded" and outcome["records_processed"] == records, outcome
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(
                f"sync, {name:<12} {took:6.1f} s  {records / took:8.0f} records/s  {cpu:5.1f} s of Python,"
                f" {after.ru_maxrss / 1024:.0f} MiB at most"
            )
    await db.close()


async def no_person(email: str, name: str | None, external_id: str | None) -> str:
    raise AssertionError(f"everybody is known, not {email} {name} {external_id}")


async def nothing(event: str, data: dict[str, Any]) -> None:
    """Nobody listens."""


def rows(count: int, modules: int, turn: int) -> Iterator[tuple[Any, ...]]:
    for number in range(count):
        record = module(number, modules, turn)
        yield (record.enrolment, record.module_id, record.module_name, record.status, record.progress, record.score)


def floor(url: str, records: int, modules: int) -> None:
    """The same rows by COPY and one upsert, into the same table with its triggers, by its own key and nothing else."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("delete from public.external_module_progress")
        connection.execute(
            "create unique index floor_key on public.external_module_progress (partner_enrollment_id, module_id)"
        )
        for name, turn in (("all new", 0), ("nothing new", 0), ("all changed", 1)):
            started = time.perf_counter()
            with connection.transaction():
                connection.execute(
                    "create temp table told (enrolment text, module_id text, module_name text, status text, "
                    "progress numeric, score numeric) on commit drop"
                )
                with connection.cursor().copy("copy told from stdin") as copy:
                    for row in rows(records, modules, turn):
                        copy.write_row(row)
                connection.execute(
                    "insert into public.external_module_progress as p (user_id, partner_enrollment_id, module_id, "
                    "module_name, status, progress_percentage, score) "
                    "select e.student_id, e.id, t.module_id, t.module_name, t.status, t.progress, t.score from told t "
                    "join courseyard.partner_keys k on k.kind = 'enrolment' and k.external_id = t.enrolment "
                    "join public.partner_lms_enrollments e on e.id = k.row_id "
                    "on conflict (partner_enrollment_id, module_id) do update set status = excluded.status, "
                    "progress_percentage = excluded.progress_percentage, score = excluded.score "
                    "where (p.status, p.progress_percentage, p.score) is distinct from "
                    "(excluded.status, excluded.progress_percentage, excluded.score)"
                )
            took = time.perf_counter() - started
            print(f"floor, {name:<11} {took:6.1f} s  {records / took:8.0f} records/s")


def trigger(url: str, count: int = 10_000) -> None:
    """What one statement of many rows takes with the triggers of the table, and without."""
    statement = "update public.external_module_progress set score = coalesce(score, 0) + 1 where id = any(%s)"
    with psycopg.connect(url, autocommit=True) as connection:
        ids = [r[0] for r in connection.execute("select id from public.external_module_progress limit %s", [count])]
        took = {}
        for name in ("with", "without"):
            connection.execute(
                f"alter table public.external_module_progress {'enable' if name == 'with' else 'disable'} trigger user"
            )
            started = time.perf_counter()
            connection.execute(statement, [ids])
            took[name] = time.perf_counter() - started
        print(
            f"one statement of {len(ids)} rows: {took['with']:.2f} s, of which triggers"
            f" {took['with'] - took['without']:.2f} s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--modules", type=int, default=10)
    chosen = parser.parse_args()
    learners = chosen.records // chosen.modules
    with migrated_server() as (url, _):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "insert into public.profiles (email, full_name) select 'u' || n || '@example.org', 'U' || n "
                "from generate_series(0, %s) n",
                [learners],
            )
            connection.execute("analyze")
        asyncio.run(measure(url, learners, chosen.modules))
        trigger(url)
        floor(url, chosen.records, chosen.modules)


if __name__ == "__main__":
    main()
