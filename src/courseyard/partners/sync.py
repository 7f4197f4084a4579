"""The work of a run: pages from the connector, batches into the database, and the place to go on from after a crash.

Every batch is one call that writes rows, counts and the place together, so that a worker may die at any moment: the
next one goes on behind the last batch, and what comes twice changes nothing. A record that cannot be written is kept
with its reason and never stops a run. It must not know where records come from, nor what a page shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec
import structlog

from courseyard.db import Database
from courseyard.errors import (
    ConflictError,
    CourseyardError,
    DatabaseBusyError,
    DatabaseUnreachableError,
    ForbiddenError,
    InvalidInputError,
    PartnerAnswerError,
    PartnerError,
    RunTakenOverError,
    SetupError,
)
from courseyard.limits import (
    DRY_RUN_CHANGES_SHOWN,
    FAILING_AFTER_RUNS,
    MAX_REFUSED_IN_A_ROW,
    MAX_SYNC_PAGES,
    MIN_LISTED_SHARE,
    SYNC_BATCH_RECORDS,
)
from courseyard.partners.batch import LISTED, batch_of, batches, digest_of, item_of, key_of, keyless
from courseyard.partners.connector import Connector, Cursor, Page, Scope, Stream
from courseyard.partners.fields import mapped
from courseyard.partners.identity import make_unknown
from courseyard.partners.ports import Emit, MakePerson
from courseyard.partners.providers import Provider, Providers
from courseyard.partners.reading import storable
from courseyard.partners.records import Course, Enrolment, Gone, Record, from_json, to_json
from courseyard.partners.runs import REPLAY, WEBHOOK

log = structlog.get_logger()

# What the database says to a record that is at fault itself: the rest of its batch is written without it.
_AT_FAULT = (ConflictError, ForbiddenError, InvalidInputError)

# What passes by itself, and is nobody's fault.
_PASSING = (DatabaseBusyError, DatabaseUnreachableError)

_BUSY_TRIES = 5

# A first run fills tables that the planner takes for empty; it is told after so many records, and tenfold each time.
_ANALYSE_AFTER_RECORDS = 2_000


@dataclass(slots=True)
class _Run:
    """A run in the hands of this worker."""

    id: str
    token: str
    provider: Provider
    mode: str
    dry: bool
    streams: list[str]
    since: Mapping[str, Any]
    started_at: datetime
    problems: list[dict[str, Any]] = field(default_factory=list)
    cancelled: bool = False
    stream: str | None = None
    # Whether the stream tells everything, so that what it does not tell is gone.
    listing: bool = False
    # Records after which the planner is told how large the tables have become.
    analyse_at: int = _ANALYSE_AFTER_RECORDS
    written: int = 0
    # Why the last records were refused, and how many of them in a row.
    refusal: tuple[str, int] = ("", 0)
    # Enrolments that a dry run would have made, so that their modules are not counted as lost.
    imagined: set[str] = field(default_factory=set)


class Syncs:
    """Works on runs. One at a time per provider is the queue's business; a second worker is refused by its token."""

    def __init__(
        self, db: Database, providers: Providers, make_person: MakePerson, emit: Emit, clock: Callable[[], datetime]
    ) -> None:
        """``make_person`` is asked where a provider's settings say that unknown people are to be made."""
        self._db = db
        self._providers = providers
        self._make_person = make_person
        self._emit = emit
        self._clock = clock

    async def work(self, run_id: str, *, last_try: bool = True) -> None:
        """Do what a run is for, from where it stands to its end.

        ``last_try``: whether nobody will come back to it, so that a partner that is down ends it.

        Raises:
            PartnerError, DatabaseBusyError, DatabaseUnreachableError: the partner or the database is down or busy and
                this is not the last try; the run stays as it is.
        """
        token = str(uuid4())
        row = await self._db.one("sync.claim", run_id=run_id, token=token)
        if row is None:
            return
        provider = await self._providers.get(row["provider_id"])
        run = _Run(
            run_id, token, provider, row["mode"], row["dry_run"], list(row["streams"]),
            row["watermarks_before"], row["started_at"], list(row["problems"]), row["cancel_requested"],
        )  # fmt: skip
        try:
            await self._work(run, row)
        except RunTakenOverError:
            log.info("sync: another worker goes on with the run, or it is over", run_id=run_id)
        except PartnerError as error:
            if error.retryable and not last_try:
                await self._db.run("sync.note", run_id=run_id, data={"waiting_because": error.detail})
                raise
            await self._add_problem(run, run.stream, error)
            await self._finish(run)
        except CourseyardError as error:
            if isinstance(error, _PASSING) and not last_try:
                log.warning("sync: the database was not there for a moment; the run goes on later", run_id=run_id)
                raise
            await self._add_problem(run, run.stream, error)
            await self._finish(run)
        except Exception as error:
            await self._add_problem(
                run, row["stream"], CourseyardError("Courseyard itself made a mistake in this run.")
            )
            await self._finish(run)
            raise error

    async def _work(self, run: _Run, row: Mapping[str, Any]) -> None:
        if run.mode == "webhook":
            await self._inbox(run)
        elif run.mode == "replay":
            await self._replay(run, everything=True)
        else:
            connector = self._providers.open(run.provider)
            steps = [*run.streams, REPLAY]
            at = steps.index(row["stream"]) if row["stream"] in steps else 0
            for place, stream in enumerate(run.streams[at:]):
                if run.cancelled:
                    break
                await self._stream(run, connector, Stream(stream), row["cursor"] if place == 0 else None)
        if not run.cancelled and not run.dry and run.mode != "replay":
            await self._replay(run, everything=False)
        await self._finish(run)

    async def _stream(self, run: _Run, connector: Connector, stream: Stream, cursor: Cursor | None) -> None:
        """One stream to its end. After a fault that asking again would not mend, the next stream has its turn."""
        run.stream = stream
        courses = [r["external_id"] for r in await self._db.all("partners.known_courses", provider_id=run.provider.id)]
        scope = Scope(courses, None if run.mode == "drift" else run.since.get(stream), self._clock())
        # Asked for everything, a stream of changes may tell everything too.
        run.listing = connector.capabilities.streams.get(stream) == "full" or scope.since is None
        try:
            for _ in range(MAX_SYNC_PAGES):
                page = await connector.fetch(stream, cursor, scope)
                if page.next is not None and page.next == cursor:
                    raise PartnerAnswerError("The partner's pages go in a circle.")
                await self._write_page(run, stream, cursor, page)
                if page.next is None:
                    await self._end_stream(run, stream, page)
                    return
                cursor = page.next
                beat = await self._db.one("sync.beat", run_id=run.id, token=run.token)
                if beat is None:
                    raise RunTakenOverError
                if beat["cancel_requested"]:
                    run.cancelled = True
                    return
            raise PartnerAnswerError("The partner's pages do not end.")
        except PartnerError as error:
            if error.retryable:
                raise
            await self._add_problem(run, stream, error)
            await self._next_stream(run, stream)

    async def _next_stream(self, run: _Run, stream: Stream) -> None:
        following = [*run.streams, REPLAY][run.streams.index(stream) + 1]
        await self._db.run("sync.next_stream", run_id=run.id, token=run.token, stream=following)

    async def _write_page(self, run: _Run, stream: Stream, cursor: Cursor | None, page: Page) -> None:
        place = {
            "stream": stream,
            # The last page is asked for again if the worker dies before the stream is closed: none would mean all.
            "cursor": page.next or cursor,
            "total": page.total,
        }
        await self._reject(run, stream, page.rejected)
        calls = batches(await self._kept(run, stream, page.records), self._clock()) or [[]]
        for number, records in enumerate(calls, 1):
            await self._apply(run, records, place if number == len(calls) else None)

    async def _end_stream(self, run: _Run, stream: Stream, page: Page) -> None:
        if page.complete and run.listing:
            await self._mark_gone(run, stream)
        if not run.dry:
            await self._db.run(
                "sync.stream_done",
                provider_id=run.provider.id,
                stream=stream,
                watermark=page.watermark,
                # As with each record: nothing is of a time to come.
                data_at=page.data_at and min(page.data_at, self._clock()),
            )
        await self._next_stream(run, stream)

    async def _mark_gone(self, run: _Run, stream: Stream) -> None:
        """What a full listing did not hold is gone at the partner, unless the listing looks broken."""
        provider_id, kind = run.provider.id, LISTED[stream]
        if stream is Stream.CATALOGUE:
            missing = await self._db.all("partners.mirror_not_seen", provider_id=provider_id, since=run.started_at)
            known = await self._db.one("partners.mirror_size", provider_id=provider_id)
        else:
            missing = await self._db.all("partners.not_seen", provider_id=provider_id, kind=kind, run_id=run.id)
            known = await self._db.one("partners.known_size", provider_id=provider_id, kind=kind)
        total = known["n"] if known else 0
        unread = await self._db.all("sync.unread", run_id=run.id, kind=kind)
        refused = {row["external_id"] for row in unread if row["code"] == "refused"}
        missing = [row for row in missing if row["external_id"] not in refused]
        if not missing:
            return
        if nameless := sum(row["code"] == "not-understood" for row in unread):
            error = PartnerAnswerError(
                f"{nameless:,} of the records that the partner listed could not be understood. They may be among the "
                f"{len(missing):,} that are missing, so nothing was marked as gone.",
                hint="Look at the records that wait, on the page of the run.",
            )
            await self._add_problem(run, stream, error, written=True)
            return
        if len(missing) > total * (1 - MIN_LISTED_SHARE) and len(missing) > 5:
            error = PartnerAnswerError(
                f"The partner listed only {total - len(missing)} of {total} known records; nothing was marked as gone.",
                hint="Look at what the token may see; if they really are gone, mark them on the provider's pages.",
            )
            await self._add_problem(run, stream, error, written=True)
            return
        keys = [row["external_id"] for row in missing]
        if run.dry:
            if stream is Stream.CATALOGUE:
                await self._db.run("partners.mirror_gone", provider_id=provider_id, keys=keys)
            return
        for i in range(0, len(keys), SYNC_BATCH_RECORDS):
            some = keys[i : i + SYNC_BATCH_RECORDS]
            await self._apply(run, [Gone(kind=kind, external_id=key) for key in some], None)  # type: ignore[arg-type]  # of LISTED

    async def _apply(self, run: _Run, records: Sequence[Record], place: Mapping[str, Any] | None) -> None:
        """Write a batch. Where the database refuses it, its halves, down to the record that is at fault."""
        if not records and place is None:
            return
        batch = batch_of(records) | ({"listing": True} if run.listing else {})
        if run.provider.settings.unknown_people == "make" and "people" in batch and not run.dry:
            await make_unknown(self._db, run.provider.id, batch["people"], self._make_person)
        try:
            if run.dry:
                await self._imagine(run, records, batch, place)
            else:
                await self._write(run, batch, place)
                await self._keep_plans_right(run, len(records))
            if records:
                run.refusal = ("", 0)
        except _AT_FAULT as error:
            if len(records) < 2:
                await self._refused(run, records, error)
                await self._apply(run, [], place)
                self._give_up_where_all_is_refused(run, error)
                return
            half = len(records) // 2
            await self._apply(run, records[:half], None)
            await self._apply(run, records[half:], place)

    def _give_up_where_all_is_refused(self, run: _Run, error: CourseyardError) -> None:
        reason, in_a_row = run.refusal
        run.refusal = (error.detail, in_a_row + 1 if reason == error.detail else 1)
        # What was pushed or waits does not come again: of that every record has its turn.
        if run.refusal[1] >= MAX_REFUSED_IN_A_ROW and not run.written and run.mode in ("sync", "drift"):
            raise SetupError(
                f"The database took none of the first {run.refusal[1]:,} records. {error.detail}",
                hint="Mend what the sentence names (a column, trigger, policy or right of the table), then sync again.",
            )

    async def _write(self, run: _Run, batch: Mapping[str, Any], place: Mapping[str, Any] | None) -> None:
        """One call; again where another writer of the same rows was in the way, as deliveries and runs may be."""
        for tries in range(_BUSY_TRIES):
            try:
                await self._db.one(
                    "sync.apply",
                    run_id=run.id,
                    token=run.token,
                    batch=dict(batch),
                    place=place,
                    **{"import": run.provider.settings.import_rule == "all"},
                )
                return
            except DatabaseBusyError:
                if tries == _BUSY_TRIES - 1:
                    raise
                await asyncio.sleep(0.2 * 2**tries)

    async def _keep_plans_right(self, run: _Run, records: int) -> None:
        run.written += records
        if run.written >= run.analyse_at:
            run.analyse_at *= 10
            await self._db.run("sync.analyse")

    async def _imagine(
        self, run: _Run, records: Sequence[Record], batch: Mapping[str, Any], place: Mapping[str, Any] | None
    ) -> None:
        """What a batch would do: done in a transaction that is taken back. The catalogue's mirror stays, to look at."""
        courses = [record for record in records if isinstance(record, Course)]
        counts: dict[str, Any] = {}
        changes: list[dict[str, Any]] = []
        lost = 0
        async with self._db.rehearsal() as tx:
            row = await tx.one(
                "sync.apply", run_id=run.id, token=run.token, batch=dict(batch), place=None,
                **{"import": run.provider.settings.import_rule == "all"},
            )  # fmt: skip
            counts = row["counts"] if row else {}
            changes = await tx.all("sync.preview", run_id=run.id, limit=DRY_RUN_CHANGES_SHOWN)
            waiting = await tx.one("sync.imagined", run_id=run.id, enrolments=list(run.imagined))
            lost = waiting["n"] if waiting else 0
        run.imagined |= {record.external_id for record in records if isinstance(record, Enrolment)}
        if courses:
            await self._db.run(
                "partners.mirror", provider_id=run.provider.id, items=[item_of(record) for record in courses]
            )
        if lost and "module" in counts:
            counts["module"]["failed"] -= lost
            counts["module"]["created"] = counts["module"].get("created", 0) + lost
        outcomes = [
            (name, n) for kind in counts.values() for name, n in kind.items() if name not in ("created", "updated")
        ]
        shown = await self._db.one("sync.run", run_id=run.id)
        room = DRY_RUN_CHANGES_SHOWN - len((shown or {}).get("sync_data", {}).get("preview", []))
        shown_changes = msgspec.to_builtins(changes[:room])
        await self._db.run(
            "sync.dry_place", run_id=run.id, token=run.token, counts=counts,
            stream=place["stream"] if place else None, cursor=place["cursor"] if place else None,
            total=place["total"] if place else None,
        )  # fmt: skip
        await self._db.run(
            "sync.dry_log", run_id=run.id, seen=sum(n for _, n in outcomes),
            failed=sum(n for name, n in outcomes if name == "failed"), changes=shown_changes or None,
        )  # fmt: skip

    async def _refused(self, run: _Run, records: Sequence[Record], error: CourseyardError) -> None:
        for record in records:
            kind, key = key_of(record)
            await self._fail(run, kind, key, to_json(record), "refused", error.detail)
        await self._db.run("sync.count_rejected", run_id=run.id, n=len(records))

    async def _reject(self, run: _Run, stream: Stream | None, rejected: Sequence[tuple[Any, str]]) -> None:
        """Records that the connector could not make sense of, kept as the partner sent them."""
        for raw, reason in rejected:
            plain = storable(raw if isinstance(raw, dict) else {"value": raw})
            kind = LISTED[stream] if stream else "record"
            await self._fail(run, kind, digest_of(plain), plain, "not-understood", reason)
        if rejected:
            await self._db.run("sync.count_rejected", run_id=run.id, n=len(rejected))

    async def _kept(self, run: _Run, stream: Stream | None, records: Sequence[Record]) -> list[Record]:
        """The records as the field mapping makes them, without those that no key of ours can hold."""
        found = [mapped(record, run.provider.settings.field_mapping) for record in records]
        reasons = [keyless(record) for record in found]
        await self._reject(
            run, stream, [(to_json(r), reason) for r, reason in zip(found, reasons, strict=True) if reason]
        )
        return [record for record, reason in zip(found, reasons, strict=True) if not reason]

    async def _fail(self, run: _Run, kind: str, key: str, record: Any, code: str, reason: str) -> None:
        if run.dry:
            return
        user = record.get("user") if isinstance(record, dict) else None
        person = user.get("external_id") if isinstance(user, dict) else None
        await self._db.run(
            "partners.fail", provider_id=run.provider.id, run_id=run.id, kind=kind, external_id=key,
            person=person, record=record, code=code, reason=reason,
        )  # fmt: skip

    async def _inbox(self, run: _Run) -> None:
        """What the partner pushed, in the order in which it came."""
        while True:
            waiting = await self._db.all("sync.inbox", provider_id=run.provider.id, limit=50)
            if not waiting:
                return
            records: list[Record] = []
            for delivery in waiting:
                await self._reject(run, None, [(raw, reason) for raw, reason in delivery["rejected"]])
                records += [from_json(document) for document in delivery["records"]]
            for some in batches(await self._kept(run, None, records), self._clock()):
                await self._apply(run, some, None)
            await self._db.run("sync.inbox_done", run_id=run.id, ids=[delivery["id"] for delivery in waiting])
            if len(waiting) < 50:
                return

    async def _replay(self, run: _Run, *, everything: bool) -> None:
        """Records that waited, tried again: all, or those whose reason is gone. What others wait for comes first."""
        # Who was unknown when the partner told of them may have come since.
        await self._db.all("partners.people", provider_id=run.provider.id, users=None)
        for kinds in (["course", "enrolment"], ["module", "credential"]):
            after = 0
            while rows := await self._db.all(
                "partners.replayable", provider_id=run.provider.id, kinds=kinds, after=after, limit=SYNC_BATCH_RECORDS,
                all=everything,
            ):  # fmt: skip
                for some in batches((from_json(row["record"]) for row in rows), self._clock()):
                    await self._apply(run, some, None)
                after = rows[-1]["id"]

    async def _add_problem(
        self, run: _Run, stream: str | None, error: CourseyardError, *, written: bool = False
    ) -> None:
        """``written``: all that the stream told was written; only what is gone could not be said."""
        problem = {
            "stream": stream, "code": error.code, "detail": error.detail, "advice": error.advice, "written": written,
        }  # fmt: skip
        run.problems.append(problem)
        await self._db.run("sync.add_problem", run_id=run.id, token=run.token, problems=[problem])

    async def _finish(self, run: _Run) -> None:
        """Close the run: its status, one sentence, the counts; then whether the provider counts as failing."""
        standing = await self._db.one("sync.run", run_id=run.id)
        if standing is None:
            return
        status = _status(run, standing)
        error = "; ".join(dict.fromkeys(p["detail"] for p in run.problems)) or None
        data = {"counts": standing["counts"], "problems": run.problems, "waiting_because": None}
        done = await self._db.one("sync.finish", run_id=run.id, token=run.token, status=status, error=error, data=data)
        if done is None or run.dry or status == "cancelled" or run.mode == REPLAY:
            return
        # A partner that is asked may fail to answer, whatever it pushes.
        if run.mode == WEBHOOK and run.provider.connector.capabilities.streams:
            return
        settled = await self._db.one("sync.settle_provider", provider_id=run.provider.id, failed=status == "failed")
        in_a_row = settled["failures_in_a_row"] if settled else 0
        if in_a_row == FAILING_AFTER_RUNS:
            await self._emit(
                "provider.failing",
                {"provider_id": run.provider.id, "provider": run.provider.name, "runs": in_a_row, "error": error},
            )


def _status(run: _Run, standing: Mapping[str, Any]) -> str:
    """``failed`` only when nothing came of it: a run that brought something and missed something is ``partial``."""
    if run.cancelled:
        return "cancelled"
    broken = {problem["stream"] for problem in run.problems if not problem.get("written")}
    if run.problems and (len(broken & set(run.streams)) >= len(run.streams) or not standing["records_processed"]):
        return "failed"
    return "partial" if run.problems or standing["records_failed"] else "succeeded"
