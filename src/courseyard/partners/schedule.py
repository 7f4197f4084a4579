"""What happens by itself, once a minute: runs that are due, deliveries that wait, and what was left lying."""

from __future__ import annotations

from courseyard.db import Database
from courseyard.errors import CourseyardError, RunStandsError
from courseyard.limits import INBOX_LIFETIME
from courseyard.partners.ports import Emit
from courseyard.partners.runs import WEBHOOK, Runs, defer_run
from courseyard.partners.sync import Syncs


class Schedule:
    """Called by the clock of the jobs; two at once do no harm."""

    def __init__(self, db: Database, runs: Runs, syncs: Syncs, emit: Emit) -> None:
        """Keep what is needed."""
        self._db = db
        self._runs = runs
        self._syncs = syncs
        self._emit = emit

    async def minute(self) -> None:
        """Start what is due, and say what has grown stale."""
        # The nightly comparison first: it brings what a sync would. Where a sync is on, its turn comes after that.
        for due in await self._db.all("sync.due_drift"):
            if await self._start(due["provider_id"], drift=True):
                await self._db.run("sync.drift_begun", provider_id=due["provider_id"])
        for due in await self._db.all("sync.due"):
            await self._start(due["provider_id"], drift=False)
        for orphan in await self._db.all("sync.orphaned_runs"):
            await defer_run(self._db, orphan["provider_id"], orphan["id"])
        for waiting in await self._db.all("sync.due_inboxes"):
            await self._db.run(
                "sync.defer", task="sync_inbox", args={"provider_id": waiting["provider_id"]},
                lock=f"inbox:{waiting['provider_id']}", queueing_lock=f"inbox:{waiting['provider_id']}", at=None,
            )  # fmt: skip
        for stale in await self._db.all("sync.newly_stale"):
            await self._emit("provider.stale", {"provider_id": stale["provider_id"], "provider": stale["name"]})

    async def day(self) -> None:
        """Forget what is kept for a while only."""
        await self._db.run("sync.prune_changes")
        await self._db.run("sync.prune_inbox", age=INBOX_LIFETIME)

    async def work_inbox(self, provider_id: str) -> None:
        """Write what a partner pushed, as one run; one that was broken off goes on. One at a time per provider.

        What comes while the provider is paused waits until somebody lets it go on.
        """
        standing = await self._db.one("sync.running", provider_id=provider_id, modes=[WEBHOOK])
        if standing is not None:
            await self._syncs.work(standing["id"])
        if await self._db.one("sync.inbox_waits", provider_id=provider_id) is None:
            return
        started = await self._db.one(
            "sync.start", provider_id=provider_id, sync_type=WEBHOOK, mode="webhook", streams=[], dry_run=False,
            requested_by=None, data={},
        )  # fmt: skip
        if started is not None:
            await self._syncs.work(started["id"])

    async def _start(self, provider_id: str, *, drift: bool) -> bool:
        """Whether a run is on its way, or there is nothing to be late with: push only, or of a kind that is gone."""
        try:
            await self._runs.start(provider_id, drift=drift)
        except RunStandsError:
            return False
        except CourseyardError:
            return True
        return True
