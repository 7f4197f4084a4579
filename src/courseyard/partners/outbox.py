"""What is to be done at partners: enrolments and withdrawals that wait, are worked on, fail and are tried again.

An entry is written in the transaction of the enrolment that it is for. A worker claims it, asks the partner, and writes
the answer and the entry's end together. It may die anywhere in between: whoever goes on asks the partner again, and a
connector's ``enrol`` gives what stands there. It must not know what a page shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import structlog

from courseyard.db import Database, Queries
from courseyard.errors import (
    ConflictError,
    CourseyardError,
    DatabaseBusyError,
    DatabaseUnreachableError,
    PartnerCannotError,
    PartnerError,
    RunTakenOverError,
)
from courseyard.limits import (
    OUTBOX_BEAT_SECONDS,
    OUTBOX_DEAD_AFTER,
    OUTBOX_FIRST_WAIT,
    OUTBOX_LONGEST_WAIT,
    OUTBOX_TRIES,
)
from courseyard.partners.batch import item_of
from courseyard.partners.connector import Connector, Person
from courseyard.partners.providers import Provider, Providers
from courseyard.partners.records import User

log = structlog.get_logger()

STATES: dict[str, str] = {
    "waiting": "Waits for its turn",
    "working": "At work",
    "person": "Waits for somebody to choose the account",
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
}


class _PersonMustChooseError(Exception):
    """Several accounts at the partner may be this person's."""

    def __init__(self, accounts: list[User], taken: int, provider: str) -> None:
        more = f"; {taken} more that would fit are somebody else's" if taken else ""
        super().__init__(f"{len(accounts)} accounts at {provider} may be this person's{more}. Choose the right one.")
        self.accounts = accounts


class Outbox:
    """Works on what is to be done, and shows it. One at a time per provider is the queue's business."""

    def __init__(self, db: Database, providers: Providers) -> None:
        """Keep what is needed."""
        self._db = db
        self._providers = providers

    async def work(self, provider_id: str) -> None:
        """Do everything of a provider whose time has come."""
        provider = await self._providers.get(provider_id)
        while True:
            token = str(uuid4())
            item = await self._db.one(
                "partner_flow.claim", provider_id=provider_id, token=token, dead_after=OUTBOX_DEAD_AFTER
            )
            if item is None:
                return
            async with self._beating(item["id"], token):
                await self._settle(provider, item, token)

    async def minute(self) -> None:
        """Put into the queue what is due; two at once do no harm."""
        for due in await self._db.all("partner_flow.due_outboxes", dead_after=OUTBOX_DEAD_AFTER):
            await defer_outbox(self._db, due["provider_id"])

    async def entries(
        self,
        *,
        provider_id: str | None = None,
        state: str | None = None,
        enrolment_id: str | None = None,
        limit: int,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """A page of entries, those that need somebody first; each row also carries the ``total``."""
        return await self._db.all(
            "partner_flow.outbox", id=None, provider_id=provider_id, state=state, enrolment_id=enrolment_id,
            limit=limit, offset=offset,
        )  # fmt: skip

    async def counts(self) -> dict[str, int]:
        """How many entries there are of each state."""
        rows = await self._db.all("partner_flow.outbox_counts")
        return dict.fromkeys(STATES, 0) | {row["state"]: row["n"] for row in rows}

    async def choose(self, entry_id: str, account: str) -> None:
        """Say which account at the partner is the person's, by the partner's id of it; the entry goes on.

        Raises:
            ConflictError: the entry waits for no choice, or that account was not among those to choose from.
        """
        async with self._db.transaction() as tx:
            row = await tx.one("partner_flow.choose", id=entry_id, account=account)
            if row is None:
                raise ConflictError("This account cannot be chosen here any more.")
            await defer_outbox(tx, row["provider_id"])

    async def retry(self, entry_id: str) -> None:
        """Try again now.

        Raises:
            ConflictError: it is at work or done, or something newer was asked for this enrolment.
        """
        async with self._db.transaction() as tx:
            row = await tx.one("partner_flow.retry", id=entry_id)
            if row is None:
                raise ConflictError(
                    "This cannot be tried again: it is at work, done, or something newer was asked for."
                )
            if row["action"] == "enrol":
                await tx.one("partner_flow.restore", enrolment_id=row["enrolment_id"])
            await defer_outbox(tx, row["provider_id"])

    async def cancel(self, entry_id: str) -> None:
        """Let it go: an enrolment that was not made is withdrawn here, a withdrawal is forgotten.

        What reached the partner in an earlier try stands there, and the next sync tells of it.

        Raises:
            ConflictError: it is at work, or over.
        """
        async with self._db.transaction() as tx:
            row = await tx.one("partner_flow.cancel", id=entry_id)
            if row is None:
                raise ConflictError("This cannot be cancelled: it is at work, or over.", hint="Look again in a moment.")
            if row["action"] == "enrol":
                await tx.one("partner_flow.end", enrolment_id=row["enrolment_id"])

    async def _settle(self, provider: Provider, item: Mapping[str, Any], token: str) -> None:
        """Do one thing, and write what came of it."""
        entry = item["id"]
        try:
            await self._do(provider, item, token)
        except RunTakenOverError:
            log.info("partners: another worker goes on with an entry of the outbox, or it is over", entry=entry)
        except _PersonMustChooseError as question:
            candidates = [msgspec.to_builtins(account) for account in question.accounts]
            await self._db.run(
                "partner_flow.ask_person", id=entry, token=token, candidates=candidates, error=str(question)
            )
        except (DatabaseBusyError, DatabaseUnreachableError):
            # Nothing can be written now: the entry stays claimed until it counts as left by a dead worker.
            raise
        except PartnerError as error:
            if error.retryable and item["attempts"] < OUTBOX_TRIES:
                wait = min(OUTBOX_FIRST_WAIT * 4 ** (item["attempts"] - 1), OUTBOX_LONGEST_WAIT)
                wait = max(wait, timedelta(seconds=error.extra.get("retry_after", 0)))
                await self._db.run(
                    "partner_flow.put_off", id=entry, token=token, wait=wait, error=error.detail, advice=error.advice
                )
            else:
                await self._give_up(entry, token, error)
        except CourseyardError as error:
            await self._give_up(entry, token, error)
        except Exception:
            await self._give_up(entry, token, CourseyardError("Courseyard itself made a mistake here."))
            log.exception("partners: an entry of the outbox failed", entry=entry)

    async def _give_up(self, entry: str, token: str, error: CourseyardError) -> None:
        """Write that it failed for good; the row tells the webhooks."""
        if await self._db.run("partner_flow.give_up", id=entry, token=token, error=error.detail, advice=error.advice):
            log.warning("partners: an entry of the outbox failed for good", entry=entry, reason=error.detail)

    async def _do(self, provider: Provider, item: Mapping[str, Any], token: str) -> None:
        way = await self._db.one("partner_flow.ways_in", ids=[item["enrolment_id"]])
        if way is None or way["profile_id"] is None:
            raise RunTakenOverError
        if not way["course"]:
            raise PartnerCannotError(
                f"The partner's key of '{way['title']}' is not known.", hint="Import the course from the catalogue."
            )
        connector = self._providers.open(provider)
        if item["action"] == "withdraw":
            known = await self._db.one("partners.account_of", provider_id=provider.id, profile_id=way["profile_id"])
            user = User(**known) if known else User(external_id=way["account"] or "", email=way["email"])
            await connector.withdraw(way["external_id"] or "", user, way["course"])
            await self._db.run("partner_flow.withdrawn", id=item["id"], token=token)
            return
        user = await self._account(provider, connector, item, way, token)
        answer = await connector.enrol(user, way["course"])
        # The partner's own words for the two things that we named to it do not matter: they are these two.
        answer = msgspec.structs.replace(answer, course=way["course"], user=user)
        await self._db.one("partner_flow.enrolled", id=item["id"], token=token, answer=item_of(answer))

    async def _account(
        self, provider: Provider, connector: Connector, item: Mapping[str, Any], way: Mapping[str, Any], token: str
    ) -> User:
        """The person's account at the partner: known, chosen, found by the partner's rules, or made there.

        Raises:
            PartnerCannotError: there is none, and none can be made from here.
        """
        profile_id = way["profile_id"]
        known = await self._db.one("partners.account_of", provider_id=provider.id, profile_id=profile_id)
        if known is not None:
            return User(**known)
        if item["account"]:
            user, rule = msgspec.convert(item["account"], User), "by hand"
        else:
            user, rule = await self._found_or_made(provider, connector, way)
        async with self._db.transaction() as tx:
            account = msgspec.to_builtins(user)
            if await tx.run("partner_flow.keep_account", id=item["id"], token=token, account=account) == 0:
                raise RunTakenOverError
            await tx.run(
                "partners.link_person", provider_id=provider.id, external_id=user.external_id, profile_id=profile_id,
                email=user.email, full_name=user.name, rule=rule,
            )  # fmt: skip
        return user

    async def _found_or_made(
        self, provider: Provider, connector: Connector, way: Mapping[str, Any]
    ) -> tuple[User, str]:
        person = Person(way["profile_id"], way["email"], way["name"], way["account"], way["own_id"])
        try:
            accounts = fitting(await connector.find_users(person), person, provider.settings.identity_rules)
        except PartnerCannotError:
            accounts = []
        ids = [user.external_id for user in accounts]
        rows = await self._db.all(
            "partner_flow.taken_accounts", provider_id=provider.id, profile_id=way["profile_id"], accounts=ids
        )
        taken = {row["external_id"] for row in rows}
        free = [user for user in accounts if user.external_id not in taken]
        if len(accounts) == len(free) == 1:
            return free[0], "found at the partner"
        if free:
            raise _PersonMustChooseError(free, len(taken), provider.name)
        if taken:
            raise PartnerCannotError(
                f"The account at {provider.name} that fits is known as somebody else's.",
                hint="Correct it among the people of the provider, and try again.",
            )
        if connector.capabilities.accounts:
            return await connector.make_user(person), "made at the partner"
        raise PartnerCannotError(
            f"{way['name'] or way['email'] or 'This person'} has no account at {provider.name}, and accounts cannot be "
            "made there from here.",
            hint=f"Have one made at {provider.name}, with the same e-mail address, and try again.",
        )

    @asynccontextmanager
    async def _beating(self, entry: str, token: str) -> AsyncIterator[None]:
        """Say again and again that somebody is at work, as long as the block lasts."""

        async def beat() -> None:
            while True:
                await asyncio.sleep(OUTBOX_BEAT_SECONDS)
                try:
                    await self._db.run("partner_flow.beat", id=entry, token=token)
                except CourseyardError as error:
                    log.warning("partners: the outbox could not say that it is at work", reason=error.detail)

        beating = asyncio.create_task(beat())
        try:
            yield
        finally:
            beating.cancel()


def fitting(accounts: Sequence[User], person: Person, rules: Sequence[str]) -> list[User]:
    """Those of a partner's accounts that are this person's by the provider's rules: the first rule that any fits."""
    different = list({user.external_id: user for user in accounts}.values())
    ours = {person.profile_id, person.own_id} - {None}
    fits: dict[str, Callable[[User], bool]] = {
        "external_id": lambda user: user.external_id in ours,
        "sis_id": lambda user: user.sis_id in ours,
        "email": lambda user: bool(user.email and person.email and user.email.lower() == person.email.lower()),
    }
    known = [user for user in different if user.external_id == person.external_id]
    found = ([user for user in different if fits[rule](user)] for rule in rules)
    return known or next(filter(None, found), [])


async def defer_outbox(db: Queries | Database, provider_id: str) -> None:
    """Let a worker look at what is to be done at a provider; at one provider one thing happens after another."""
    await db.run(
        "sync.defer", task="partner_outbox", args={"provider_id": provider_id}, lock=f"outbox:{provider_id}",
        queueing_lock=f"outbox:{provider_id}", at=None,
    )  # fmt: skip
