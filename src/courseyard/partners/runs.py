"""Runs of the sync as people see them: started, listed, cancelled, undone. The work itself is in ``sync.py``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from courseyard.db import Database, Queries
from courseyard.errors import ConflictError, NotFoundError, PartnerCannotError, PartnerError, RunStandsError
from courseyard.partners.connector import Stream
from courseyard.partners.providers import Provider, Providers
from courseyard.partners.sources import open_source

# The words of lms_sync_log.sync_type beside the names of single streams.
FULL, DRIFT, WEBHOOK, REPLAY, UNDO = "full", "drift", "webhook", "replay", "undo"


class Runs:
    """Puts runs into the queue and answers what became of them."""

    def __init__(self, db: Database, providers: Providers) -> None:
        """Keep what is needed."""
        self._db = db
        self._providers = providers

    async def start(
        self,
        provider_id: str,
        streams: Sequence[Stream] = (),
        *,
        drift: bool = False,
        dry_run: bool = False,
        requested_by: str | None = None,
    ) -> str:
        """Put a run into the queue: of these streams, or of all that the partner has; its id.

        A run of the same provider that waits or works already is returned instead, if it does all that is asked for.

        Raises:
            NotFoundError: no such provider.
            PartnerCannotError: this kind of partner has nothing to fetch.
            ConflictError: its files are uploaded here, and there is none.
            RunStandsError: another run is on, which is not what is asked for; ``extra["run_id"]`` is it.
        """
        provider = await self._providers.get(provider_id)
        able = provider.connector.capabilities.streams
        chosen = [stream for stream in Stream if stream in able and (not streams or stream in streams)]
        if not chosen:
            raise PartnerCannotError(f"There is nothing to fetch from '{provider.name}': {provider.connector.title}.")
        if await self._has_no_upload(provider):
            raise ConflictError(
                f"No file is uploaded for '{provider.name}', so there is nothing to read.",
                hint="Upload one on its page Files. What was imported stays as it is.",
            )
        sync_type = DRIFT if drift else chosen[0].value if len(chosen) == 1 else FULL
        async with self._db.transaction() as tx:
            on = await tx.one("sync.running", provider_id=provider_id, modes=["sync", "drift"])
            if on is not None:
                same = (on["mode"] == "drift", on["dry_run"]) == (drift, dry_run)
                if same and {stream.value for stream in chosen} <= set(on["streams"]):
                    return str(on["id"])
                what = "A dry run" if on["dry_run"] else "A check for drift" if on["mode"] == "drift" else "A sync"
                raise RunStandsError(f"{what} of {provider.name} is on, so this one was not begun.", run_id=on["id"])
            return await _start(
                tx,
                provider_id,
                sync_type,
                "drift" if drift else "sync",
                [s.value for s in chosen],
                dry_run,
                requested_by,
            )

    async def _has_no_upload(self, provider: Provider) -> bool:
        """Whether a provider reads what is uploaded here, and nothing is. A place that cannot be read is the run's."""
        source = next((option for option in provider.connector.options if option.name == "source"), None)
        if source is None or provider.options.get("source", source.default) != "upload":
            return False
        try:
            return not await open_source(self._providers.upload_location(provider.id)).list()
        except PartnerError:
            return False

    async def replay(self, provider_id: str, requested_by: str | None) -> str:
        """Put a run into the queue that tries everything again that could not be written."""
        async with self._db.transaction() as tx:
            return await self.replay_within(tx, provider_id, requested_by)

    async def replay_within(self, tx: Queries, provider_id: str, requested_by: str | None) -> str:
        """The same as part of a transaction: the run begins when that is done."""
        standing = await tx.one("sync.running", provider_id=provider_id, modes=["replay"])
        if standing is not None:
            return str(standing["id"])
        return await _start(tx, provider_id, REPLAY, "replay", [], False, requested_by)

    async def run(self, run_id: str) -> dict[str, Any]:
        """One run with its counts, problems and progress.

        Raises:
            NotFoundError: there is none.
        """
        row = await self._db.one("sync.run", run_id=run_id)
        if row is None:
            raise NotFoundError("There is no such run.")
        return row

    async def working(self, provider_id: str) -> dict[str, Any] | None:
        """The run of a provider that waits or works, the oldest if there are several; None where all is quiet."""
        row = await self._db.one("sync.running", provider_id=provider_id, modes=["sync", "drift", "replay", "webhook"])
        return await self.run(row["id"]) if row else None

    async def queue(self, run_id: str) -> dict[str, Any]:
        """What a run that has not ended waits for: how many are ``ahead`` of it, and its ``next_try_at``."""
        return await self._db.one("sync.queue", run_id=run_id) or {"ahead": 0, "next_try_at": None}

    async def cancel(self, run_id: str) -> None:
        """Ask a run to stop at its next page; one that has not begun is over at once. What it wrote stays."""
        row = await self._db.one("sync.ask_to_cancel", run_id=run_id)
        if row is None:
            raise ConflictError("This run is over.", hint="Look at its outcome.")
        if row["not_begun"]:
            await self._db.run("sync.cancel_not_begun", run_id=run_id)

    async def would_undo(self, run_id: str) -> dict[str, Any]:
        """What ``undo`` would do now, in the same numbers; nothing is changed.

        Raises:
            ConflictError: the run still works, or was undone before.
        """
        return await self._db.one("sync.undo", run_id=run_id, dry=True) or {}

    async def undo(self, run_id: str, requested_by: str | None) -> dict[str, Any]:
        """Take back what a run wrote, as far as that takes nothing from anybody.

        Rows that somebody has changed since are kept, and those that the run made and to which others' rows refer. How
        many rows were ``restored`` and ``kept``, of which ``tables``, kept for what ``reasons``, and the undo's own
        ``run_id`` in the log.

        The provider is paused, because its next run would write the same again.

        Raises:
            ConflictError: the run still works, or was undone before.
        """
        found = await self.run(run_id)
        async with self._db.transaction() as tx:
            outcome = await tx.one("sync.undo", run_id=run_id, dry=False)
            if outcome is None:
                raise ConflictError("This run cannot be undone.")
            await tx.run("partners.set_paused", provider_id=found["provider_id"], paused=True)
            logged = await tx.one(
                "sync.log_undo",
                provider_id=found["provider_id"],
                restored=outcome["restored"],
                data={"undone_run": run_id, "requested_by": requested_by, **outcome},
            )
        return outcome | {"run_id": logged["id"] if logged else run_id}


async def _start(
    tx: Queries,
    provider_id: str,
    sync_type: str,
    mode: str,
    streams: list[str],
    dry_run: bool,
    requested_by: str | None,
) -> str:
    row = await tx.one(
        "sync.start",
        provider_id=provider_id,
        sync_type=sync_type,
        mode=mode,
        streams=streams,
        dry_run=dry_run,
        requested_by=requested_by,
        data={"requested_by": requested_by, "dry_run": dry_run},
    )
    run_id = str(row["id"]) if row else ""
    await defer_run(tx, provider_id, run_id)
    return run_id


async def defer_run(db: Queries | Database, provider_id: str, run_id: str) -> None:
    """Put a run into the queue; runs of one provider work one after another."""
    await db.run(
        "sync.defer",
        task="sync_run",
        args={"run_id": run_id},
        lock=f"partner:{provider_id}",
        queueing_lock=f"run:{run_id}",
        at=None,
    )
