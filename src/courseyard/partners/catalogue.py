"""The partner's catalogue: what is new, changed and gone, and bringing chosen courses in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from courseyard.db import Database, Queries
from courseyard.limits import SYNC_BATCH_RECORDS
from courseyard.partners.batch import item_of
from courseyard.partners.connector import Stream
from courseyard.partners.records import Course
from courseyard.partners.runs import Runs

STATES = ("new", "changed", "imported", "gone")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which courses: by state, category, and a pattern for title, code or key. None: any."""

    state: str | None = None
    category: str | None = None
    pattern: str | None = None


class Catalogue:
    """The mirror of a partner's catalogue beside what was imported of it."""

    def __init__(self, db: Database, runs: Runs) -> None:
        """``runs``: what waited for a course is written when the course comes in."""
        self._db = db
        self._runs = runs

    async def courses(self, provider_id: str, chosen: Filter, limit: int, offset: int) -> list[dict[str, Any]]:
        """A page of courses with their ``state``; each row also carries the ``total``."""
        return await self._db.all(
            "partners.catalogue", provider_id=provider_id, state=chosen.state, category=chosen.category,
            search=chosen.pattern, limit=limit, offset=offset,
        )  # fmt: skip

    async def counts(self, provider_id: str) -> dict[str, int]:
        """How many courses there are of each state."""
        rows = await self._db.all("partners.catalogue_counts", provider_id=provider_id)
        return dict.fromkeys(STATES, 0) | {row["state"]: row["n"] for row in rows if row["state"] in STATES}

    async def categories(self, provider_id: str) -> list[str]:
        """All categories of the partner's courses."""
        rows = await self._db.all("partners.catalogue_categories", provider_id=provider_id)
        return [row["category"] for row in rows]

    async def bring_in(
        self, provider_id: str, keys: Sequence[str] | None, chosen: Filter, requested_by: str | None
    ) -> str:
        """Import courses: these, or with None all that match the filter; gone ones among them are marked. The run's id.

        What was left aside for these courses is fetched from the beginning by the next run.
        """
        async with self._db.transaction() as tx:
            items = await tx.all(
                "partners.catalogue_records", provider_id=provider_id, keys=None if keys is None else list(keys),
                category=chosen.category, search=chosen.pattern, state=chosen.state,
            )  # fmt: skip
            run_id = await _begun(tx, provider_id, requested_by)
            for i in range(0, len(items), SYNC_BATCH_RECORDS):
                some = items[i : i + SYNC_BATCH_RECORDS]
                await tx.one(
                    "sync.apply", run_id=run_id, token=run_id, batch={"course": some}, place=None, **{"import": True}
                )
            if chosen.state in (None, "gone"):
                gone = await tx.all(
                    "partners.gone_courses", provider_id=provider_id, keys=None if keys is None else list(keys),
                    category=chosen.category, search=chosen.pattern,
                )  # fmt: skip
                if gone:
                    batch = {"gone": {"course": [{"external_id": course["external_id"]} for course in gone]}}
                    await tx.one(
                        "sync.apply", run_id=run_id, token=run_id, batch=batch, place=None, **{"import": False}
                    )
            await tx.run(
                "partners.forget_watermarks", provider_id=provider_id,
                streams=[Stream.ENROLMENTS.value, Stream.PROGRESS.value, Stream.CREDENTIALS.value],
            )  # fmt: skip
            await tx.run("partners.no_longer_aside", provider_id=provider_id)
            await _ended(tx, run_id)
        if await self._db.one(
            "partners.replayable", provider_id=provider_id, kinds=["enrolment"], after=0, limit=1, all=False
        ):
            await self._runs.replay(provider_id, requested_by)
        return run_id

    async def enter(self, provider_id: str, course: Course, requested_by: str | None) -> str:
        """Enter a course by hand, or change one that was: its key decides. The run's id.

        Raises:
            ConflictError: a rule of the organisation's own refuses it.
        """
        async with self._db.transaction() as tx:
            run_id = await _begun(tx, provider_id, requested_by)
            batch = {"course": [item_of(course)]}
            await tx.one("sync.apply", run_id=run_id, token=run_id, batch=batch, place=None, **{"import": True})
            await _ended(tx, run_id)
        return run_id


async def _begun(tx: Queries, provider_id: str, requested_by: str | None) -> str:
    """An import is a run like others, in the log and to be undone, done by whoever asked for it."""
    row = await tx.one(
        "sync.start", provider_id=provider_id, sync_type="import", mode="sync", streams=[], dry_run=False,
        requested_by=requested_by, data={"requested_by": requested_by},
    )  # fmt: skip
    run_id = str(row["id"]) if row else ""
    await tx.one("sync.claim", run_id=run_id, token=run_id)
    return run_id


async def _ended(tx: Queries, run_id: str) -> None:
    run = await tx.one("sync.run", run_id=run_id)
    data = {"counts": run["counts"] if run else {}}
    await tx.one("sync.finish", run_id=run_id, token=run_id, status="succeeded", error=None, data=data)
