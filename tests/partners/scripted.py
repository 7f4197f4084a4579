"""A partner that says what a test tells it to: pages, faults, and what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from courseyard.partners import kinds as found_kinds
from courseyard.partners.connector import (
    Capabilities,
    Check,
    Connector,
    Cursor,
    Delivery,
    Option,
    Page,
    Person,
    Received,
    Scope,
    Stream,
)
from courseyard.partners.providers import Draft, Settings
from courseyard.partners.records import Course, Credential, Enrolment, ModuleProgress, Record, User

Answer = Page | Exception | Callable[[], Any]


class Scripted(Connector):
    """Answers ``fetch`` from ``script``: per stream a list of pages by number; the cursor is the next number."""

    kind = "scripted"
    title = "Scripted"
    summary = "A partner of the tests."
    options = (
        Option("base_url", "Address", "url", default="http://partner.test"),
        Option("token", "Token", "secret", required=False),
    )
    capabilities = Capabilities(
        streams={
            Stream.CATALOGUE: "full",
            Stream.ENROLMENTS: "incremental",
            Stream.PROGRESS: "incremental",
            Stream.CREDENTIALS: "full",
        },
        receives=True,
        enrol=True,
        withdraw=True,
        accounts=True,
        launch=True,
    )

    script: ClassVar[dict[Stream, list[Answer]]] = {}
    asked: ClassVar[list[tuple[Stream, Cursor | None, Scope]]] = []
    received: ClassVar[Received] = Received(None, [])
    # What stands at the partner: accounts, and who is in which course by the enrolment's key; faults to raise, in order.
    accounts: ClassVar[list[User]] = []
    standing: ClassVar[dict[str, Enrolment]] = {}
    faults: ClassVar[list[Exception | Callable[[], Any]]] = []
    calls: ClassVar[list[str]] = []

    async def check(self) -> list[Check]:
        return [Check("ok", "The token works.")]

    async def fetch(self, stream: Stream, cursor: Cursor | None, scope: Scope) -> Page:
        Scripted.asked.append((stream, cursor, scope))
        number = cursor["page"] if cursor else 0
        answers = Scripted.script.get(stream, [])
        if number >= len(answers):
            return Page([], complete=not answers and False)
        answer = answers[number]
        if callable(answer):
            answer = answer()
        if isinstance(answer, Exception):
            raise answer
        more = number + 1 < len(answers)
        return Page(
            answer.records,
            next={"page": number + 1} if more else None,
            watermark=None if more else answer.watermark or {"seen": number + 1},
            data_at=answer.data_at,
            total=answer.total,
            rejected=answer.rejected,
            complete=not more and self.capabilities.streams[stream] == "full",
        )

    def receive(self, delivery: Delivery) -> Received:
        return Scripted.received

    def _called(self, what: str) -> None:
        Scripted.calls.append(what)
        if Scripted.faults:
            fault = Scripted.faults.pop(0)
            if isinstance(fault, BaseException):
                raise fault
            fault()

    async def find_users(self, person: Person) -> list[User]:
        self._called("find")
        return [u for u in Scripted.accounts if u.email == person.email]

    async def make_user(self, person: Person) -> User:
        self._called("make")
        made = User(external_id=f"made-{person.email}", email=person.email, name=person.name)
        if made not in Scripted.accounts:
            Scripted.accounts.append(made)
        return made

    async def enrol(self, user: User, course: str) -> Enrolment:
        self._called("enrol")
        key = f"{course}/{user.external_id}"
        return Scripted.standing.setdefault(key, Enrolment(external_id=key, course=course, user=user))

    async def withdraw(self, enrolment: str, user: User, course: str) -> None:
        self._called("withdraw")
        Scripted.standing.pop(enrolment, None)

    async def launch_url(self, enrolment: str, user: User, course: str, return_url: str | None) -> str:
        self._called("launch")
        return f"https://partner.test/launch/{enrolment}?as={user.external_id}&back={return_url}"


@contextmanager
def scripted_kind(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Scripted]]:
    """Make the kind known, with an empty script."""
    Scripted.script, Scripted.asked, Scripted.received = {}, [], Received(None, [])
    Scripted.accounts, Scripted.standing, Scripted.faults, Scripted.calls = [], {}, [], []
    real = found_kinds.kinds()
    monkeypatch.setattr(found_kinds, "kinds", lambda: {**real, "scripted": Scripted})
    yield Scripted


def draft(**settings: Any) -> Draft:
    """A provider of this kind."""
    return Draft("scripted", "Partner Academy", {"base_url": "http://partner.test"}, Settings(**settings))


def course(number: int, **more: Any) -> Course:
    return Course(external_id=f"c{number}", title=f"Course {number}", **more)


def enrolment(number: int, who: str = "lea", course_number: int = 1, **more: Any) -> Enrolment:
    user = User(external_id=f"u-{who}", email=f"{who}@example.org", name=who.title())
    return Enrolment(external_id=f"e{number}", course=f"c{course_number}", user=user, **more)


def module(number: int, enrolment_number: int = 1, **more: Any) -> ModuleProgress:
    return ModuleProgress(
        enrolment=f"e{enrolment_number}", module_id=f"m{number}", module_name=f"Module {number}", **more
    )


def credential(nth: int, who: str = "lea", **more: Any) -> Credential:
    user = User(external_id=f"u-{who}", email=f"{who}@example.org")
    return Credential(external_id=f"k{nth}", user=user, name=f"Certificate {nth}", **more)


def page(*records: Record, **more: Any) -> Page:
    return Page(list(records), **more)
