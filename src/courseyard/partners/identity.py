"""Who an account at a partner is here: found by rules, made where the settings say so, or decided by a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from courseyard.db import Database
from courseyard.errors import NotFoundError, RequestError, SetupError
from courseyard.partners.ports import MakePerson
from courseyard.partners.runs import Runs

log = structlog.get_logger()


async def make_unknown(
    db: Database, provider_id: str, users: Sequence[dict[str, Any]], make_person: MakePerson
) -> None:
    """Make those of these accounts known whom no rule finds. One who cannot be made waits for a person."""
    for unknown in await db.all("partners.people", provider_id=provider_id, users=list(users)):
        if not unknown["email"]:
            continue
        try:
            profile_id = await make_person(unknown["email"], unknown["name"], unknown["sis_id"])
        except (RequestError, SetupError) as error:
            log.warning("partners: a person cannot be made", provider_id=provider_id, reason=error.detail)
            if isinstance(error, SetupError):
                return
            continue
        await db.run(
            "partners.link_person", provider_id=provider_id, external_id=unknown["external_id"],
            profile_id=profile_id, email=unknown["email"], full_name=unknown["name"], rule="made",
        )  # fmt: skip


class Identities:
    """The page of accounts that wait for somebody to say who they are."""

    def __init__(self, db: Database, runs: Runs) -> None:
        """``runs``: a decision replays the records that waited for it."""
        self._db = db
        self._runs = runs

    async def decide(self, provider_id: str, external_id: str, profile_id: str | None, decided_by: str | None) -> str:
        """Say who an account is, or with None that its records are to be left aside; the id of the replaying run.

        What was written already becomes the new person's within that run; of an account that is left aside, it stays.

        Raises:
            NotFoundError: there is no such account, or no such person.
            ConflictError: the organisation's tables do not let that person have what was written for this account.
        """
        async with self._db.transaction() as tx:
            row = await tx.one(
                "partners.decide_person", provider_id=provider_id, external_id=external_id, profile_id=profile_id,
                decided_by=decided_by, rule="by hand",
            )  # fmt: skip
            if row is None:
                raise NotFoundError("There is no such account.")
            run_id = await self._runs.replay_within(tx, provider_id, decided_by)
            if profile_id is not None:
                await tx.one(
                    "partners.move_account", provider_id=provider_id, run_id=run_id, external_id=external_id,
                    former=row["former"], profile_id=profile_id,
                )  # fmt: skip
        return run_id

    async def account(self, provider_id: str, external_id: str) -> dict[str, Any]:
        """One account: who it is or may be, with its counts as ``waiting`` has them.

        Raises:
            NotFoundError: there is no such account.
        """
        row = await self._db.one("partners.account", provider_id=provider_id, external_id=external_id)
        if row is None:
            raise NotFoundError("There is no such account.")
        [found] = await self._counted(provider_id, [row])
        return found

    async def waiting(
        self, provider_id: str, state: str, search: str | None, limit: int, offset: int
    ) -> list[dict[str, Any]]:
        """Accounts that wait, or that are left aside (state ``ignored``); each row also carries the ``total``.

        ``records``: what a decision lets follow, modules of its enrolments included; ``others``: what of it waits for
        something else.
        """
        rows = await self._db.all(
            "partners.waiting_people", provider_id=provider_id, state=state, search=search, limit=limit, offset=offset
        )
        return await self._counted(provider_id, rows)

    async def _counted(self, provider_id: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        accounts = [row["external_id"] for row in rows]
        counted = await self._db.all("waiting.of_accounts", provider_id=provider_id, accounts=accounts)
        waiting = {row["account"]: {"records": row["records"], "others": row["others"]} for row in counted}
        return [row | waiting.get(row["external_id"], {"records": 0, "others": 0}) for row in rows]

    async def matched(self, provider_id: str, search: str | None, limit: int, offset: int) -> list[dict[str, Any]]:
        """Accounts whose person is known, and by which rule."""
        return await self._db.all(
            "partners.matched_people", provider_id=provider_id, search=search, limit=limit, offset=offset
        )
