"""What happens by itself: whose turn it is, what keeps whom from it, and what counts as failing or stale."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fix_web import RunningSite
from partners.scripted import Scripted, course, credential, draft, enrolment, module, page, scripted_kind
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from courseyard.errors import PartnerUnreachableError, RunStandsError
from courseyard.partners import webhooks
from courseyard.partners.connector import Delivery, Received, Stream
from courseyard.partners.webhooks import EndpointDraft

NOW = datetime.now(UTC)


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Scripted]]:
    with scripted_kind(monkeypatch) as kind:
        kind.script = {Stream.CATALOGUE: [page(course(1))]}
        yield kind


@pytest.fixture
def provider(site: RunningSite, partner: type[Scripted]) -> str:
    """Fetched every five minutes, stale after ten."""
    made = draft(import_rule="all", schedule_minutes=5, stale_after_minutes=10)
    found: str = site.run(site.services.hub.providers.save(made))
    return found


def run(site: RunningSite, provider: str, *streams: Stream, **how: Any) -> str:
    hub = site.services.hub
    run_id: str = site.run(hub.runs.start(provider, streams, **how))
    site.run(hub.syncs.work(run_id))
    [(status,)] = site.sql("select status from public.lms_sync_log where id = %s", run_id)
    return str(status)


def deliver(site: RunningSite, provider: str, name: str, *records: Any) -> None:
    Scripted.received = Received(name, list(records))
    site.run(site.services.hub.inbox.receive(provider, Delivery({}, b"{}", NOW)))
    site.run(site.services.hub.schedule.work_inbox(provider))


def minute(site: RunningSite) -> list[tuple[Any, ...]]:
    site.run(site.services.hub.schedule.minute())
    return site.sql("select sync_type from public.lms_sync_log where status = 'running' order by started_at")


def told(site: RunningSite, event: str) -> int:
    [(n,)] = site.sql("select count(*) from courseyard.webhook_notices where type = %s", event)
    return int(n)


# Whose turn it is


def test_the_nightly_comparison_comes_after_the_sync_that_is_on(site: RunningSite, provider: str) -> None:
    site.sql("update courseyard.partner_settings set next_run_at = now(), next_drift_at = now() + interval '1 hour'")
    assert minute(site) == [("full",)]
    site.sql("update courseyard.partner_settings set next_drift_at = now()")
    assert minute(site) == [("full",)], "one at a time"
    site.work()
    # The worker does what the clock asks of it meanwhile.
    minute(site)
    assert site.sql("select count(*) from public.lms_sync_log where sync_type = 'drift'") == [(1,)], "it is still due"
    [(at,)] = site.sql("select next_drift_at from courseyard.partner_settings")
    assert timedelta(hours=1) < at - datetime.now(UTC) < timedelta(hours=30)


def test_where_both_are_due_the_comparison_does_for_both(site: RunningSite, provider: str) -> None:
    site.sql("update courseyard.partner_settings set next_run_at = now(), next_drift_at = now()")
    assert minute(site) == [("drift",)]
    site.work()
    assert minute(site) == []


@pytest.mark.parametrize("off", ["update public.partner_lms_providers set active = false",
                                 "update courseyard.partner_settings set paused = true"])  # fmt: skip
def test_a_provider_that_is_off_or_paused_is_left_alone(site: RunningSite, provider: str, off: str) -> None:
    site.sql("update courseyard.partner_settings set next_run_at = now(), next_drift_at = now(), created_at = 'epoch'")
    site.run(site.services.hub.webhooks.add(EndpointDraft("http://127.0.0.1:9/", ["*"])))
    site.sql(off)
    assert minute(site) == []
    assert told(site, "provider.stale") == 0


def test_who_asks_for_another_run_than_the_one_that_is_on_is_told_so(site: RunningSite, provider: str) -> None:
    runs = site.services.hub.runs
    on = site.run(runs.start(provider, [Stream.CATALOGUE, Stream.ENROLMENTS]))
    assert site.run(runs.start(provider, [Stream.CATALOGUE])) == on
    for other in ({"dry_run": True}, {"drift": True}, {"streams": [Stream.PROGRESS]}, {}):
        with pytest.raises(RunStandsError, match="A sync of Partner Academy is on") as caught:
            site.run(runs.start(provider, **other))
        assert caught.value.extra["run_id"] == on
    answer = site.client().post(f"/api/partner-providers/{provider}/sync", json={"dry_run": True})
    assert (answer.status_code, answer.json().get("code"), answer.json().get("run_id")) == (409, "run-stands", on), (
        answer.text
    )


# What keeps nobody from its turn


def test_partners_that_hang_keep_neither_the_clock_nor_pushes_from_their_turn(
    site: RunningSite, provider: str, partner: type[Scripted]
) -> None:
    async def until(sql: str) -> bool:
        for _ in range(100):
            if site.sql(sql) != []:
                return True
            await asyncio.sleep(0.1)
        return False

    hang = asyncio.run_coroutine_threadsafe(_event(), site.loop).result()
    hub = site.services.hub
    real = Scripted.fetch

    async def fetch(self: Scripted, *asked: Any) -> Any:
        await hang.wait()
        return await real(self, *asked)

    slow = [site.run(hub.providers.save(draft(schedule_minutes=None))) for _ in range(8)]
    pushing = site.run(hub.providers.save(draft(schedule_minutes=None, import_rule="all")))
    for one in slow:
        site.run(hub.runs.start(one, [Stream.CATALOGUE]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scripted, "fetch", fetch)
        working = asyncio.run_coroutine_threadsafe(site.jobs.run(), site.loop)
        try:
            assert asyncio.run(
                until("select 1 from jobs.procrastinate_jobs where status = 'doing' and queue_name = 'syncs'")
            )
            Scripted.received = Received("d1", [course(1)])
            site.run(hub.inbox.receive(pushing, Delivery({}, b"{}", NOW)))
            assert asyncio.run(until("select 1 from public.partner_courses")), "what is pushed is written meanwhile"
        finally:
            site.loop.call_soon_threadsafe(hang.set)
            working.cancel()


async def _event() -> asyncio.Event:
    return asyncio.Event()


def test_a_receiver_that_hangs_is_left_alone_and_others_are_not_kept_waiting(
    site: RunningSite, partner: type[Scripted], serve: Callable[[Any], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "WEBHOOK_TIMEOUT_SECONDS", 0.3)
    asked, got = [], []

    async def hang(request: Request) -> Response:
        asked.append(await request.body())
        await asyncio.sleep(1)
        return Response(status_code=204)

    async def take(request: Request) -> Response:
        got.append(await request.body())
        return Response(status_code=204)

    address = serve(Starlette(routes=[Route("/hang", hang, methods=["POST"]), Route("/take", take, methods=["POST"])]))
    hub = site.services.hub
    hanging, _ = site.run(hub.webhooks.add(EndpointDraft(f"{address}/hang", ["*"])))
    site.run(hub.webhooks.add(EndpointDraft(f"{address}/take", ["*"])))
    for n in range(30):
        site.run(hub.webhooks.emit("provider.stale", {"provider": f"P{n}"}))
    begun = datetime.now(UTC)
    site.work()
    assert datetime.now(UTC) - begun < timedelta(seconds=10)
    assert (len(asked), len(got)) == (1, 30)
    [(state, tries, n)] = site.sql(
        "select state, max(tries), count(*) from courseyard.webhook_notices where endpoint_id = %s group by 1", hanging
    )
    assert (state, tries, n) == ("waiting", 1, 30), "the others were not tried"
    # The clock does not deliver itself; after its rest the receiver is tried with one.
    site.run(hub.webhooks.minute())
    assert site.sql("select count(*) from jobs.procrastinate_jobs where task_name = 'deliver_webhooks'") == [(0,)]
    site.sql("update courseyard.webhook_endpoints set rest_until = now()")
    site.run(hub.webhooks.minute())
    assert len(asked) == 1
    site.work()
    assert len(asked) == 2


# What counts as failing or stale


def test_a_partner_that_pushes_and_does_not_answer_counts_as_failing(
    site: RunningSite, provider: str, partner: type[Scripted]
) -> None:
    partner.script = {Stream.CATALOGUE: [PartnerUnreachableError("It is down.")]}
    for n in range(3):
        assert run(site, provider, Stream.CATALOGUE) == "failed"
        deliver(site, provider, f"d{n}", course(1))
    assert site.sql("select failures_in_a_row from courseyard.partner_settings") == [(3,)]


def test_old_data_are_told_once_and_until_there_are_new_ones(
    site: RunningSite, provider: str, partner: type[Scripted]
) -> None:
    site.run(site.services.hub.webhooks.add(EndpointDraft("http://127.0.0.1:9/", ["*"])))
    old, new = NOW - timedelta(days=10), datetime.now(UTC) + timedelta(minutes=1)
    # The catalogue tells no time of its own: that it was looked at makes nothing new.
    partner.script = {Stream.CATALOGUE: [page(course(1))], Stream.PROGRESS: [page(data_at=old)]}
    for _ in range(3):
        assert run(site, provider, Stream.CATALOGUE, Stream.PROGRESS) == "succeeded"
        minute(site)
        site.work()
    assert told(site, "provider.stale") == 1
    [row] = site.run(site.services.hub.providers.all())
    assert abs(row["data_at"] - old) < timedelta(seconds=1)
    partner.script[Stream.PROGRESS] = [page(data_at=new)]
    assert run(site, provider, Stream.PROGRESS) == "succeeded"
    assert site.sql("select stale_since from courseyard.partner_settings") == [(None,)]


def test_without_times_of_their_own_data_are_as_old_as_the_last_look(
    site: RunningSite, provider: str, partner: type[Scripted]
) -> None:
    assert run(site, provider, Stream.CATALOGUE) == "succeeded"
    [row] = site.run(site.services.hub.providers.all())
    assert datetime.now(UTC) - row["data_at"] < timedelta(minutes=1)
    minute(site)
    assert site.sql("select stale_since from courseyard.partner_settings") == [(None,)]


# One record that cannot be kept


def test_identifiers_that_nobody_can_keep_stop_nothing_else(
    site: RunningSite, provider: str, partner: type[Scripted]
) -> None:
    site.person(email="lea@example.org"), site.person(email="leo@example.org")
    long = "x" * 8_000
    deliver(site, provider, "d1", course(1), enrolment(1))
    deliver(site, provider, "d2", enrolment(2, "leo"), module(1), enrolment(3, long), credential(long))  # type: ignore[arg-type]
    deliver(site, provider, "d3", module(2, status="completed"), module(long))  # type: ignore[arg-type]
    assert site.sql("select count(*) from courseyard.partner_inbox where done_at is null") == [(0,)]
    assert site.sql("select external_enrollment_id from public.partner_lms_enrollments order by 1") == [
        ("e1",),
        ("e2",),
    ]
    assert site.sql("select module_id from public.external_module_progress order by 1") == [("m1",), ("m2",)]
    assert site.sql("select distinct code, reason from courseyard.sync_failures") == [
        ("not-understood", "An identifier is longer than 1,000 bytes.")
    ]
    partner.script = {Stream.CATALOGUE: [page(course(2), course(long))]}  # type: ignore[arg-type]
    assert run(site, provider, Stream.CATALOGUE) == "partial"
    assert site.sql("select count(*) from public.partner_courses") == [(2,)]


def test_a_value_that_an_index_of_their_own_cannot_hold_is_one_record_that_waits(
    site: RunningSite, provider: str, partner: type[Scripted]
) -> None:
    site.sql("create index on public.partner_courses (description)")
    noise = "".join(chr(0x4E00 + (n * 7919) % 20_000) for n in range(9_000))
    partner.script = {Stream.CATALOGUE: [page(course(1), course(2, description=noise), course(3))]}
    assert run(site, provider, Stream.CATALOGUE) == "partial"
    assert site.sql("select external_course_id from public.partner_courses order by 1") == [("c1",), ("c3",)]
    assert site.sql("select code from courseyard.sync_failures") == [("refused",)]


def test_one_person_who_cannot_be_made_keeps_nobody_else_from_it(site: RunningSite, partner: type[Scripted]) -> None:
    made = draft(import_rule="all", schedule_minutes=None, unknown_people="make")
    provider = site.run(site.services.hub.providers.save(made))
    site.sql("alter table public.profiles add constraint no_ann check (email not like 'ann%%')")
    people = ["ann", "ben", "cem"]
    partner.script[Stream.ENROLMENTS] = [page(*(enrolment(n, who) for n, who in enumerate(people)))]
    assert run(site, provider) == "partial"
    assert site.sql("select email from public.profiles order by 1") == [("ben@example.org",), ("cem@example.org",)]
    assert site.sql("select external_id from courseyard.sync_failures") == [("e0",)]
