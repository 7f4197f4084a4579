"""Enrolling people in partners' courses, ending it, and opening the course: what pages and the REST interface share."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from courseyard.db import Database
from courseyard.errors import (
    ConflictError,
    CourseyardError,
    InvalidInputError,
    NotFoundError,
    PartnerAnswerError,
    PartnerCannotError,
)
from courseyard.limits import MAX_GROUP
from courseyard.partners import reading
from courseyard.partners.connector import Capabilities
from courseyard.partners.outbox import defer_outbox
from courseyard.partners.providers import Provider, Providers
from courseyard.partners.records import User


@dataclass(frozen=True, slots=True)
class Course:
    """A partner's course to enrol in. ``sends``: whether the partner is told; if not, it is kept here only."""

    id: str
    title: str
    provider_id: str
    provider: str
    sends: bool
    by_hand: bool
    targets: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Enrolled:
    """One person's outcome: ``enrolled``, ``again`` (an ended one begins anew), ``sent`` (told the partner again) or
    ``stands`` (nothing changed).
    """

    profile_id: str
    id: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Named:
    """People that pasted names mean, and the names that mean nobody, or several."""

    people: Sequence[str]
    unknown: Sequence[str]


class Enrolling:
    """The way into partners' courses and out of them."""

    def __init__(self, db: Database, providers: Providers) -> None:
        """Keep what is needed."""
        self._db = db
        self._providers = providers

    async def course(self, course_id: str) -> Course:
        """A course and what enrolling in it means.

        Raises:
            NotFoundError: there is no such course of a partner.
        """
        row = await self._db.one("partner_flow.course", course_id=course_id)
        if row is None:
            raise NotFoundError("There is no such course of a partner.")
        provider = await self._providers.get(row["provider_id"])
        able = _capabilities(provider)
        return Course(
            row["id"], row["title"], provider.id, provider.name, able.enrol, not able.streams and not able.enrol,
            await self._db.all("partner_flow.targets", course_id=course_id),
        )  # fmt: skip

    async def preview(self, course_id: str, people: Sequence[str]) -> list[dict[str, Any]]:
        """The people with how each stands in the course."""
        return await self._db.all("partner_flow.people", course_id=course_id, people=_checked(people))

    async def enrol(self, course_id: str, people: Sequence[str], requested_by: str | None) -> list[Enrolled]:
        """Enrol people; who is enrolled stays so. The outbox tells the partner; mapped enrolments are made at once.

        Raises:
            NotFoundError: there is no such course of a partner.
            InvalidInputError: too many people at once.
        """
        course = await self.course(course_id)
        async with self._db.transaction() as tx:
            rows = await tx.all(
                "partner_flow.enrol", course_id=course_id, people=_checked(people), send=course.sends,
                status="active" if course.by_hand else "pending", requested_by=requested_by,
            )  # fmt: skip
            if course.sends:
                await defer_outbox(tx, course.provider_id)
        return [Enrolled(row["profile_id"], row["id"], row["outcome"]) for row in rows]

    async def withdraw(self, enrolment_id: str, requested_by: str | None) -> None:
        """End an enrolment, at the partner too where it can be; what is mapped to it here stays.

        Raises:
            NotFoundError: there is no such enrolment.
            ConflictError: it is over, or something is being done for it at the partner just now.
            PartnerCannotError: the partner knows the enrolment and cannot be told.
        """
        way = await self._way(enrolment_id)
        provider = await self._providers.get(way["provider_id"])
        if (way["status"] or "").lower() in _ENDED | {"completed"}:
            raise ConflictError(
                "This enrolment is over: it was completed, or has ended.", hint="There is nothing to do."
            )
        async with self._db.transaction() as tx:
            if await tx.one("partner_flow.cancel_open", enrolment_id=enrolment_id):
                raise _busy()
            if not way["external_id"]:
                await tx.one("partner_flow.end", enrolment_id=enrolment_id)
                return
            able = _capabilities(provider)
            if not able.withdraw:
                if able.streams or able.enrol:
                    raise PartnerCannotError(
                        f"{provider.name} cannot be told to end an enrolment.",
                        hint=f"End it at {provider.name}; the next sync brings it here.",
                    )
                await tx.one("partner_flow.end", enrolment_id=enrolment_id)
                return
            row = await tx.one(
                "partner_flow.enqueue", provider_id=provider.id, enrolment_id=enrolment_id, action="withdraw",
                requested_by=requested_by,
            )  # fmt: skip
            if row is None:
                raise ConflictError(
                    "The partner is being told of this enrolment just now.", hint="Try again in a moment."
                )
            await defer_outbox(tx, provider.id)

    async def launch(self, enrolment_id: str, return_url: str | None) -> str:
        """The address that opens the course at the partner, signed in where the partner has single sign-on.

        Who may open it is decided by the caller.

        Raises:
            NotFoundError: there is no such enrolment.
            ConflictError: the partner does not know the enrolment yet, or it has ended.
            PartnerError: the partner does not answer, or has no way in.
        """
        way = await self._way(enrolment_id)
        provider = await self._providers.get(way["provider_id"])
        if (closed := _closed(way, provider)) is not None:
            raise closed
        if not _capabilities(provider).launch:
            return reading.url(way["link"]) or ""
        user = _user(way)
        url = await self._providers.open(provider).launch_url(way["external_id"], user, way["course"], return_url)
        if reading.url(url) is None:
            raise PartnerAnswerError(f"{provider.name} answered with a link that is no web address.")
        return url

    async def closed(self, enrolment_ids: Sequence[str]) -> dict[str, CourseyardError]:
        """Those of these enrolments that ``launch`` would refuse to open, each with what it would say."""
        found: dict[str, CourseyardError] = {}
        known: dict[str, Provider] = {}
        for way in await self._db.all("partner_flow.ways_in", ids=list(enrolment_ids)):
            try:
                provider = known.get(way["provider_id"]) or await self._providers.get(way["provider_id"])
                known[provider.id] = provider
                refusal: CourseyardError | None = _closed(way, provider)
            except NotFoundError:
                # Of no partner, or of one whose kind this release does not know.
                refusal = PartnerCannotError("This course cannot be opened from here.", hint="Ask who enrolled you.")
            if refusal is not None:
                found[way["id"]] = refusal
        return found

    async def named(self, text: str) -> Named:
        """People by e-mail, the organisation's own identifier or our id, one per line or separated by commas."""
        names = list(dict.fromkeys(filter(None, (n.strip().strip("<>") for n in re.split(r"[\n\r,;\t]+", text)))))
        if len(names) > MAX_GROUP:
            raise _too_many()
        found: dict[str, set[str]] = defaultdict(set)
        for row in await self._db.all("partner_flow.people_named", names=[n.replace("\0", "") for n in names]):
            found[row["name"]].add(row["id"])
        people = [next(iter(found[name])) for name in names if len(found[name]) == 1]
        return Named(list(dict.fromkeys(people)), [name for name in names if len(found[name]) != 1])

    async def enrolled_here(self, kind: str, target_id: str) -> list[str]:
        """Everybody who is enrolled in a program or course of ours (``kind`` is ``program`` or ``course``)."""
        rows = await self._db.all("partner_flow.people_enrolled", kind=kind, target_id=target_id, limit=MAX_GROUP + 1)
        return _checked([row["id"] for row in rows])

    async def settle(self) -> None:
        """Make the mapped enrolments that are missing, and let completions count as the mappings say."""
        while (row := await self._db.one("partner_flow.make_mapped")) and row["made"]:
            pass
        await self._db.one("partner_flow.credit")

    async def _way(self, enrolment_id: str) -> dict[str, Any]:
        way = await self._db.one("partner_flow.ways_in", ids=[enrolment_id])
        if way is None:
            raise NotFoundError("There is no such enrolment.")
        return way


_ENDED = frozenset({"withdrawn", "cancelled", "canceled", "dropped", "expired", "rejected"})


def _closed(way: Mapping[str, Any], provider: Provider) -> ConflictError | PartnerCannotError | None:
    """Why a course cannot be opened at the partner, as far as that is known without asking the partner."""
    if (way["status"] or "").lower() in _ENDED:
        return ConflictError(f"Your enrolment in '{way['title']}' has ended.", hint="Ask who enrolled you.")
    if not _capabilities(provider).launch:
        if reading.url(way["link"]) is None:
            return PartnerCannotError(
                f"{provider.name} has no link that opens the course from here.",
                hint=f"Sign in at {provider.name} and open '{way['title']}' there.",
            )
    elif not (way["external_id"] and way["course"] and _user(way).external_id):
        return ConflictError(
            f"{provider.name} does not know of this enrolment yet.", hint="Try again in a few minutes."
        )
    return None


def _user(way: Mapping[str, Any]) -> User:
    return User(**way["known"]) if way["known"] else User(external_id=way["account"] or "", email=way["email"])


def _capabilities(provider: Provider) -> Capabilities:
    """What the partner can do; nothing where it was never set up here."""
    return provider.connector.capabilities if provider.kind is not None else Capabilities()


def _checked(people: Sequence[str]) -> list[str]:
    if len(people) > MAX_GROUP:
        raise _too_many()
    return list(people)


def _busy() -> ConflictError:
    return ConflictError("The partner is being told of this enrolment just now.", hint="Try again in a moment.")


def _too_many() -> InvalidInputError:
    return InvalidInputError(f"These are more than {MAX_GROUP:,} people.", hint="Enrol them in parts.")
