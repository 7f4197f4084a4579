"""Background work: a few lines per task, each of which calls into the folder that knows how.

The queue is procrastinate's, in schema ``jobs`` of the same database: a job is there exactly if the change that caused
it is. Jobs of one lock run one after another; a job whose worker died is taken up again by another worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from math import ceil
from typing import Any

import procrastinate
import structlog
from procrastinate import BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Job, Status

from courseyard.errors import DatabaseBusyError, DatabaseUnreachableError, PartnerError
from courseyard.limits import SYNC_TRIES
from courseyard.partners.hub import Hub

log = structlog.get_logger()

QUEUE, SYNCS, OUTBOXES = "courseyard", "syncs", "outboxes"

# Jobs at work at once. What waits for partners has queues of its own: some that hang must not keep the clock and the
# deliveries from their turn, nor others from theirs. The database pool of the web is not theirs.
_CONCURRENCY = {QUEUE: 4, SYNCS: 6, OUTBOXES: 4}
# The queue's own connections: one that listens for each queue; jobs need one only to be taken and ended.
_POOL_SIZE = 8
_POLL_SECONDS = 2.0

# A worker that has not been heard of for this long is dead, and its jobs go to another one.
_STALLED_SECONDS = 30.0


class _Again(BaseRetryStrategy):
    """Whether a job has another try: at once where its worker was stopped, later where waiting may help."""

    def __init__(self, *passing: type[Exception]) -> None:
        self._passing = passing

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, asyncio.CancelledError):
            return RetryDecision(retry_in={"seconds": 0})
        if not isinstance(exception, self._passing) or job.attempts >= SYNC_TRIES - 1:
            return None
        # 4, 16, 64, 256, 1,024 seconds; later where the partner says when.
        asked = exception.extra.get("retry_after", 0) if isinstance(exception, PartnerError) else 0
        return RetryDecision(retry_in={"seconds": max(4 ** (job.attempts + 1), ceil(asked))})


_IF_STOPPED = _Again()
_IF_PASSING = _Again(PartnerError, DatabaseBusyError, DatabaseUnreachableError)


class Jobs:
    """The queue's working side in one process."""

    def __init__(self, database_url: str, hub: Hub) -> None:
        """Nothing is opened yet."""
        self._url = database_url
        self._hub = hub

    async def run(self) -> None:
        """Work until cancelled; what is at work then is finished first, if it takes no longer than some seconds."""
        async with AsyncExitStack() as stack:
            app = await stack.enter_async_context(self._app().open_async())
            await _rescue(app)
            await _each(self._seal_anew)
            await stack.enter_async_context(_rescuing(app))
            async with asyncio.TaskGroup() as workers:
                for queue, concurrency in _CONCURRENCY.items():
                    workers.create_task(
                        app.run_worker_async(
                            queues=[queue],
                            name=queue,
                            concurrency=concurrency,
                            install_signal_handlers=False,
                            fetch_job_polling_interval=_POLL_SECONDS,
                            shutdown_graceful_timeout=10,
                            stalled_worker_timeout=_STALLED_SECONDS,
                            delete_jobs="successful",
                        )
                    )

    async def drain(self) -> None:
        """Work until nothing is left that could be done now."""
        async with self._app().open_async() as app:
            await _rescue(app)
            await app.run_worker_async(
                queues=list(_CONCURRENCY),
                wait=False,
                install_signal_handlers=False,
                listen_notify=False,
                delete_jobs="successful",
            )

    async def _seal_anew(self) -> None:
        if sealed := await self._hub.providers.seal_anew():
            log.info("partners: credentials are sealed with the new key", providers=sealed)
        await self._hub.webhooks.seal_anew()

    def _app(self) -> procrastinate.App:
        async def find_tables(connection: Any) -> None:
            await connection.execute("set search_path = jobs")
            await connection.commit()

        connector = procrastinate.PsycopgConnector(
            conninfo=self._url, min_size=1, max_size=_POOL_SIZE, configure=find_tables
        )
        app = procrastinate.App(connector=connector)
        _register(app, self._hub)
        return app


def _register(app: procrastinate.App, hub: Hub) -> None:
    @app.task(name="sync_run", queue=SYNCS, retry=_IF_PASSING, pass_context=True)
    async def sync_run(context: JobContext, run_id: str) -> None:
        attempts = context.job.attempts if context.job else 0
        await hub.syncs.work(run_id, last_try=attempts >= SYNC_TRIES - 1)
        await hub.enrolling.settle()

    @app.task(name="sync_inbox", queue=QUEUE, retry=_IF_STOPPED)
    async def sync_inbox(provider_id: str) -> None:
        await hub.schedule.work_inbox(provider_id)
        await hub.enrolling.settle()

    @app.task(name="partner_outbox", queue=OUTBOXES, retry=_IF_STOPPED)
    async def partner_outbox(provider_id: str) -> None:
        await hub.outbox.work(provider_id)

    @app.task(name="deliver_webhooks", queue=QUEUE, retry=_IF_STOPPED)
    async def deliver_webhooks() -> None:
        await hub.webhooks.deliver()

    @app.periodic(cron="* * * * *")
    @app.task(name="minute", queue=QUEUE, lock="minute", queueing_lock="minute")
    async def minute(timestamp: int) -> None:  # noqa: ARG001  # given by the periodic
        await _each(
            hub.schedule.minute, hub.webhooks.minute, hub.credentials.minute, hub.outbox.minute, hub.enrolling.settle
        )

    @app.periodic(cron="17 3 * * *")
    @app.task(name="day", queue=QUEUE, lock="day", queueing_lock="day")
    async def day(timestamp: int) -> None:  # noqa: ARG001  # given by the periodic
        await _each(hub.schedule.day, hub.webhooks.day)


async def _each(*tasks: Callable[[], Awaitable[None]]) -> None:
    """Do all of them, whatever becomes of one."""
    failures = [found for found in await asyncio.gather(*(t() for t in tasks), return_exceptions=True) if found]
    for failure in failures:
        if isinstance(failure, Exception):
            log.error("jobs: a regular task failed", error=repr(failure))


@asynccontextmanager
async def _rescuing(app: procrastinate.App) -> AsyncIterator[None]:
    """Rescue again and again, apart from the queue: a job of it may wait for the very lock that a dead worker holds."""

    async def keep() -> None:
        while True:
            await asyncio.sleep(_STALLED_SECONDS)
            await _each(lambda: _rescue(app))

    task = asyncio.create_task(keep())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _rescue(app: procrastinate.App) -> None:
    """Give jobs whose worker died back to the queue."""
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=_STALLED_SECONDS):
        log.warning("jobs: taking up a job whose worker is gone", task=job.task_name)
        try:
            await app.job_manager.retry_job(job)
        except UniqueViolation:
            # The same job was asked for again meanwhile: that one waits for this one's lock.
            await app.job_manager.finish_job(job, Status.ABORTED, delete_job=True)
