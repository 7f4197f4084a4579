"""Enrolling at a partner: the outbox through faults and crashes, accounts, mapped enrolments, credits, the way in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from fix_web import RunningSite, upload
from partners.scripted import Scripted, course, draft, module, page, scripted_kind

from courseyard.errors import (
    ConflictError,
    NotFoundError,
    PartnerCannotError,
    PartnerRefusedError,
    PartnerUnreachableError,
)
from courseyard.partners.connector import Capabilities, Person, Stream
from courseyard.partners.mappings import Link
from courseyard.partners.outbox import Outbox, fitting
from courseyard.partners.providers import Draft
from courseyard.partners.records import Enrolment, User


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Scripted]]:
    with scripted_kind(monkeypatch) as kind:
        yield kind


class Academy:
    """A partner with one imported course, and what tests do there."""

    def __init__(self, site: RunningSite, partner: type[Scripted]) -> None:
        self.site, self.partner, self.hub = site, partner, site.services.hub
        self.id = site.run(self.hub.providers.save(draft(import_rule="all", schedule_minutes=None)))
        partner.script = {Stream.CATALOGUE: [page(course(1))]}
        self.sync()
        [(self.course,)] = site.sql("select id::text from public.partner_courses")

    def sync(self) -> dict[str, Any]:
        run_id = self.site.run(self.hub.runs.start(self.id))
        self.site.work()
        return self.site.run(self.hub.runs.run(run_id))

    def enrol(self, *people: str) -> list[tuple[str, str]]:
        found = self.site.run(self.hub.enrolling.enrol(self.course, people, None))
        return [(e.id, e.outcome) for e in found]

    def work(self) -> None:
        self.site.run(self.hub.outbox.work(self.id))

    def entry(self) -> dict[str, Any]:
        return self.site.run(self.hub.outbox.entries(limit=10))[0]

    def status(self) -> list[tuple[str, str | None]]:
        return self.site.sql(
            "select status, external_enrollment_id from public.partner_lms_enrollments order by enrolled_at"
        )

    def due(self) -> None:
        self.site.sql("update courseyard.partner_outbox set next_try_at = now() where state = 'waiting'")


@pytest.fixture
def academy(site: RunningSite, partner: type[Scripted]) -> Academy:
    return Academy(site, partner)


def test_an_enrolment_reaches_the_partner_and_the_next_sync_finds_it(site: RunningSite, academy: Academy) -> None:
    lea = site.person(email="lea@example.org")
    [(first, outcome)] = academy.enrol(lea)
    assert (outcome, academy.status(), academy.partner.calls) == ("enrolled", [("pending", None)], [])
    site.work()
    assert academy.partner.calls == ["find", "make", "enrol"]
    assert academy.status() == [("active", "c1/made-lea@example.org")]
    assert site.sql("select profile_id::text, rule from courseyard.partner_people") == [(lea, "made at the partner")]
    assert academy.entry()["state"] == "done"
    user = User(external_id="made-lea@example.org", email="lea@example.org")
    academy.partner.script = {
        Stream.ENROLMENTS: [page(Enrolment(external_id="c1/made-lea@example.org", course="c1", user=user, progress=40.0))],
    }  # fmt: skip
    assert academy.sync()["records_failed"] == 0
    assert site.sql("select id::text, progress_percentage from public.partner_lms_enrollments") == [(first, 40)]
    assert academy.enrol(lea) == [(first, "stands")]


def test_a_known_account_is_taken(site: RunningSite, academy: Academy) -> None:
    lea = site.person(email="lea@example.org")
    academy.partner.accounts = [User(external_id="u7", email="lea@example.org")]
    academy.enrol(lea)
    academy.work()
    assert academy.partner.calls == ["find", "enrol"]
    assert academy.status() == [("active", "c1/u7")]


def test_several_accounts_wait_for_somebody_to_choose(site: RunningSite, academy: Academy) -> None:
    lea = site.person(email="lea@example.org")
    academy.partner.accounts = [User(external_id=f"u{n}", email="lea@example.org", name=f"Lea {n}") for n in (1, 2)]
    academy.enrol(lea)
    academy.work()
    entry = academy.entry()
    assert entry["state"] == "person" and "2 accounts" in entry["error"]
    assert [c["external_id"] for c in entry["candidates"]] == ["u1", "u2"]
    with pytest.raises(ConflictError):
        site.run(academy.hub.outbox.choose(entry["id"], "u3"))
    site.run(academy.hub.outbox.choose(entry["id"], "u2"))
    site.work()
    assert academy.status() == [("active", "c1/u2")]


def test_an_account_of_somebody_else_is_never_taken(site: RunningSite, academy: Academy) -> None:
    leo, lea = site.person(email="leo@example.org"), site.person(email="lea@example.org")
    site.sql(
        "insert into courseyard.partner_people (provider_id, external_id, profile_id, state) values (%s, 'u1', %s, 'matched')",
        academy.id, leo,
    )  # fmt: skip
    academy.partner.accounts = [User(external_id="u1", email="lea@example.org")]
    academy.enrol(lea)
    academy.work()
    assert academy.entry()["state"] == "failed" and "somebody else" in academy.entry()["error"]
    assert academy.partner.standing == {}


def test_a_partner_that_is_down_is_tried_again_later(site: RunningSite, academy: Academy) -> None:
    academy.enrol(site.person(email="lea@example.org"))
    academy.partner.faults = [PartnerUnreachableError("partner.test did not answer."), lambda: None]
    academy.work()
    entry = academy.entry()
    assert (entry["state"], entry["attempts"], entry["error"]) == ("waiting", 1, "partner.test did not answer.")
    assert 50 < (entry["next_try_at"] - entry["updated_at"]).total_seconds() < 70
    academy.work()
    assert academy.entry()["attempts"] == 1, "not before its time"
    academy.due()
    site.run(academy.hub.outbox.minute())
    site.work()
    assert academy.status()[0][0] == "active" and academy.entry()["state"] == "done"


def test_what_the_partner_refuses_fails_at_once_and_can_be_tried_again(site: RunningSite, academy: Academy) -> None:
    academy.enrol(site.person(email="lea@example.org"))
    academy.partner.faults = [PartnerRefusedError("The token may not do this.")]
    academy.work()
    assert (academy.entry()["state"], academy.entry()["error"]) == ("failed", "The token may not do this.")
    site.run(academy.hub.outbox.retry(academy.entry()["id"]))
    site.work()
    assert academy.status()[0][0] == "active"
    with pytest.raises(ConflictError):
        site.run(academy.hub.outbox.retry(academy.entry()["id"]))


def test_what_failed_is_in_the_hands_of_what_is_asked_for_next(site: RunningSite, academy: Academy) -> None:
    lea = site.person(email="lea@example.org")
    academy.partner.faults = [PartnerRefusedError("The token may not do this.")]
    [(enrolment, _)] = academy.enrol(lea)
    academy.work()
    assert site.run(academy.hub.outbox.counts())["failed"] == 1
    assert academy.enrol(lea) == [(enrolment, "sent")]
    counts = site.run(academy.hub.outbox.counts())
    assert (counts["failed"], counts["cancelled"], counts["waiting"]) == (0, 1, 1), "asked for anew, it is not failed"
    academy.partner.faults = [PartnerRefusedError("The token may not do this.")]
    academy.work()
    site.run(academy.hub.enrolling.withdraw(enrolment, None))
    assert site.run(academy.hub.outbox.counts())["failed"] == 0, "nobody wants it any more"


def test_a_worker_killed_between_the_partners_answer_and_our_writing_enrols_once(
    site: RunningSite, academy: Academy, monkeypatch: pytest.MonkeyPatch
) -> None:
    academy.enrol(site.person(email="lea@example.org"))

    enrol = Scripted.enrol

    async def enrol_and_die(self: Scripted, user: User, wanted: str) -> Enrolment:
        await enrol(self, user, wanted)
        raise Killed

    monkeypatch.setattr(Scripted, "enrol", enrol_and_die)
    with pytest.raises(Killed):
        academy.work()
    monkeypatch.setattr(Scripted, "enrol", enrol)
    assert (academy.entry()["state"], academy.status()) == ("working", [("pending", None)])
    academy.work()
    assert academy.entry()["state"] == "working", "its worker may still be alive"
    site.sql("update courseyard.partner_outbox set heartbeat_at = now() - interval '2 minutes'")
    site.run(academy.hub.outbox.minute())
    site.work()
    assert academy.entry()["state"] == "done"
    assert len(academy.partner.standing) == 1
    assert academy.status() == [("active", "c1/made-lea@example.org")]


def test_a_worker_that_was_thought_dead_writes_no_more(site: RunningSite, academy: Academy) -> None:
    academy.enrol(site.person(email="lea@example.org"))

    def overtaken() -> None:
        site.sql("update courseyard.partner_outbox set token = gen_random_uuid()")

    academy.partner.faults = [lambda: None, lambda: None, overtaken]
    academy.work()
    assert (academy.entry()["state"], academy.status()) == ("working", [("pending", None)])


def test_two_workers_at_once_do_each_thing_once(site: RunningSite, academy: Academy) -> None:
    academy.enrol(*(site.person(email=f"p{n}@example.org") for n in range(8)))

    async def both() -> None:
        await asyncio.gather(*(academy.hub.outbox.work(academy.id) for _ in range(2)))

    site.run(both())
    assert academy.partner.calls.count("enrol") == 8
    assert {status for status, _ in academy.status()} == {"active"}


def test_two_requests_at_once_enrol_once(site: RunningSite, academy: Academy) -> None:
    lea = site.person(email="lea@example.org")

    async def both() -> list[Any]:
        return await asyncio.gather(*(academy.hub.enrolling.enrol(academy.course, [lea], None) for _ in range(4)))

    assert sorted(e.outcome for found in site.run(both()) for e in found) == ["enrolled", "stands", "stands", "stands"]
    assert site.sql("select count(*) from courseyard.partner_outbox") == [(1,)]


def test_cancelling_before_it_was_sent(site: RunningSite, academy: Academy) -> None:
    lea = site.person(email="lea@example.org")
    [(first, _)] = academy.enrol(lea)
    site.run(academy.hub.outbox.cancel(academy.entry()["id"]))
    academy.work()
    assert (academy.partner.calls, academy.status()) == ([], [("withdrawn", None)])
    assert academy.enrol(lea) == [(first, "again")]
    academy.work()
    assert academy.status()[0][0] == "active"


def test_withdrawing_and_enrolling_again(site: RunningSite, academy: Academy) -> None:
    lea = site.person(email="lea@example.org")
    [(first, _)] = academy.enrol(lea)
    academy.work()
    site.run(academy.hub.enrolling.withdraw(first, None))
    assert academy.status()[0][0] == "active", "until the partner has done it"
    site.work()
    assert (academy.status()[0][0], academy.partner.standing) == ("withdrawn", {})
    with pytest.raises(ConflictError):
        site.run(academy.hub.enrolling.withdraw(first, None))
    academy.enrol(lea)
    site.work()
    assert academy.status() == [("active", "c1/made-lea@example.org")]


def test_a_row_that_was_made_by_hand_is_sent_when_it_is_asked_for(site: RunningSite, academy: Academy) -> None:
    lea = site.person(email="lea@example.org")
    site.sql(
        "insert into public.partner_lms_enrollments (provider_id, student_id, course_id) values (%s, %s, %s)",
        academy.id, lea, academy.course,
    )  # fmt: skip
    assert [outcome for _, outcome in academy.enrol(lea)] == ["sent"]
    academy.work()
    assert academy.status()[0][0] == "active"


def test_mapped_enrolments_are_made_with_it_and_with_what_a_sync_brings(site: RunningSite, academy: Academy) -> None:
    package = upload(site.client()).json()["id"]
    [(own,)] = site.sql("insert into public.courses (title) values ('Own') returning id::text")
    mappings = academy.hub.mappings
    site.run(
        mappings.add(
            [Link(academy.course, "package", package), Link(academy.course, "course", own)], "equivalent", None
        )
    )
    lea, leo = site.person(email="lea@example.org"), site.person(email="leo@example.org")
    academy.enrol(lea)
    assert site.sql("select user_id::text, status from public.scorm_enrollments") == [(lea, "not_attempted")]
    assert site.sql("select user_id::text, course_id::text from public.enrollments") == [(lea, own)]
    user = User(external_id="u-leo", email="leo@example.org")
    academy.partner.script = {Stream.ENROLMENTS: [page(Enrolment(external_id="e9", course="c1", user=user))]}
    academy.sync()
    assert site.sql("select count(*) from public.scorm_enrollments where user_id = %s", leo) == [(1,)]
    academy.partner.script = {
        Stream.ENROLMENTS: [page(Enrolment(external_id="e9", course="c1", user=user, status="completed"))]
    }
    academy.sync()
    assert site.sql("select status from public.scorm_enrollments where user_id = %s", leo) == [("completed",)]
    assert site.sql("select status from public.enrollments where user_id = %s", leo) == [("completed",)]


def test_what_counts_for_the_partner_here_survives_the_next_sync(site: RunningSite, academy: Academy) -> None:
    package = upload(site.client()).json()["id"]
    site.run(academy.hub.mappings.add([Link(academy.course, "package", package)], "equivalent", None))
    lea = site.person(email="lea@example.org")
    academy.enrol(lea)
    academy.work()
    site.sql("update public.scorm_enrollments set status = 'passed', completed_at = now()")
    site.run(academy.hub.enrolling.settle())
    assert academy.status()[0][0] == "completed"
    user = User(external_id="made-lea@example.org")
    academy.partner.script = {
        Stream.ENROLMENTS: [
            page(Enrolment(external_id="c1/made-lea@example.org", course="c1", user=user, progress=70.0))
        ]
    }
    academy.sync()
    assert site.sql(
        "select status, progress_percentage, completed_at is not null from public.partner_lms_enrollments"
    ) == [("completed", 70, True)]


def test_people_by_what_was_pasted_and_by_what_they_take_here(site: RunningSite, academy: Academy) -> None:
    lea = site.person(email="lea@example.org")
    site.sql("insert into public.profiles (email) values ('twin@example.org'), ('Twin@example.org')")
    site.sql(
        "insert into courseyard.learners (profile_id, external_id) values (%s, 'A-17') "
        "on conflict (profile_id) do update set external_id = 'A-17'", lea,
    )  # fmt: skip
    named = site.run(academy.hub.enrolling.named(f"LEA@example.org, A-17\n{lea};nobody@example.org\ntwin@example.org"))
    assert (named.people, named.unknown) == ([lea], ["nobody@example.org", "twin@example.org"])
    [(program,)] = site.sql("insert into public.programs (title) values ('P') returning id::text")
    [(own,)] = site.sql("insert into public.courses (title, program_id) values ('C', %s) returning id::text", program)
    site.sql("insert into public.enrollments (user_id, course_id) values (%s, %s)", lea, own)
    for kind, target in (("program", program), ("course", own)):
        assert site.run(academy.hub.enrolling.enrolled_here(kind, target)) == [lea]


def test_the_way_in(site: RunningSite, academy: Academy, monkeypatch: pytest.MonkeyPatch) -> None:
    [(first, _)] = academy.enrol(site.person(email="lea@example.org"))
    launch = academy.hub.enrolling.launch
    with pytest.raises(ConflictError, match="does not know"):
        site.run(launch(first, None))
    academy.work()
    assert site.run(launch(first, "http://x/")) == (
        "https://partner.test/launch/c1/made-lea@example.org?as=made-lea@example.org&back=http://x/"
    )
    monkeypatch.setattr(Scripted, "capabilities", Capabilities())
    with pytest.raises(PartnerCannotError, match="no link"):
        site.run(launch(first, None))
    site.sql("update public.partner_courses set enrollment_link = 'javascript:alert(1)'")
    with pytest.raises(PartnerCannotError):
        site.run(launch(first, None))
    site.sql("update public.partner_courses set enrollment_link = 'https://partner.test/c1'")
    assert site.run(launch(first, None)) == "https://partner.test/c1"
    site.sql("update public.partner_lms_enrollments set status = 'withdrawn'")
    with pytest.raises(ConflictError, match="ended"):
        site.run(launch(first, None))
    with pytest.raises(NotFoundError):
        site.run(launch(academy.course, None))


def test_at_a_partner_that_is_kept_by_hand_nothing_is_sent(site: RunningSite, partner: type[Scripted]) -> None:
    hub = site.services.hub
    provider = site.run(hub.providers.save(Draft("manual", "By hand")))
    [(by_hand,)] = site.sql(
        "insert into public.partner_courses (provider_id, course_name) values (%s, 'X') returning id::text", provider
    )
    lea = site.person(email="lea@example.org")
    [made] = site.run(hub.enrolling.enrol(by_hand, [lea], None))
    assert site.sql("select status from public.partner_lms_enrollments") == [("active",)]
    assert site.sql("select count(*) from courseyard.partner_outbox") == [(0,)]
    site.run(hub.enrolling.withdraw(made.id, None))
    assert site.sql("select status from public.partner_lms_enrollments") == [("withdrawn",)]


def test_module_progress_reaches_the_enrolment_that_was_made_here(site: RunningSite, academy: Academy) -> None:
    academy.enrol(site.person(email="lea@example.org"))
    academy.work()
    key = "c1/made-lea@example.org"
    progress = module(1, status="completed")
    academy.partner.script = {
        Stream.PROGRESS: [page(type(progress)(enrolment=key, module_id="m1", status="completed"))]
    }
    academy.sync()
    assert academy.status() == [("completed", key)]


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        (("external_id", "sis_id", "email"), ["A-17"]),
        (("sis_id", "email"), ["u2"]),
        (("email",), ["u3", "u4"]),
        ((), []),
    ],
)
def test_the_providers_rules_say_which_account_fits(rules: tuple[str, ...], found: list[str]) -> None:
    accounts = [
        User(external_id="u3", email="LEA@example.org"), User(external_id="A-17"), User(external_id="u2", sis_id="A-17"),
        User(external_id="u4", email="lea@example.org"), User(external_id="u5", email="leo@example.org"),
    ]  # fmt: skip
    lea = Person("p1", "lea@example.org", "Lea", own_id="A-17")
    assert [user.external_id for user in fitting([*accounts, *accounts], lea, rules)] == found
    before = Person("p1", "lea@example.org", "Lea", "u5", own_id="A-17")
    assert [user.external_id for user in fitting(accounts, before, rules)] == ["u5"]


class Killed(BaseException):
    """What kill -9 is to the code: nothing after it runs."""


class Mortal:
    """Passes calls on to a database or connector, and dies before or after one of them."""

    def __init__(self, inner: Any, life: list[int]) -> None:
        self._inner, self._life = inner, life

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name == "transaction":
            return lambda: _mortal_transaction(self._inner, self._life)
        if name == "open":
            return lambda provider: Mortal(found(provider), self._life)
        if name not in {"one", "all", "run", "find_users", "make_user", "enrol"}:
            return found

        async def call(*args: Any, **more: Any) -> Any:
            _age(self._life)
            answer = await found(*args, **more)
            _age(self._life)
            return answer

        return call


@asynccontextmanager
async def _mortal_transaction(db: Any, life: list[int]) -> AsyncIterator[Any]:
    async with db.transaction() as tx:
        yield Mortal(tx, life)
    _age(life)


def _age(life: list[int]) -> None:
    life[0] -= 1
    if life[0] == 0:
        raise Killed


def test_a_worker_may_die_at_any_moment(site: RunningSite, academy: Academy) -> None:
    lea = site.person(email="lea@example.org")
    for moment in range(1, 100):
        site.sql("delete from public.partner_lms_enrollments")
        site.sql("delete from courseyard.partner_people")
        site.sql("delete from courseyard.partner_keys where kind = 'enrolment'")
        academy.partner.accounts, academy.partner.standing = [], {}
        academy.enrol(lea)
        life = [moment]
        db, providers = Mortal(site.services.db, life), Mortal(academy.hub.providers, life)
        with suppress(Killed):
            site.run(Outbox(db, providers).work(academy.id))
        site.sql(
            "update courseyard.partner_outbox set heartbeat_at = now() - interval '2 minutes' where state = 'working'"
        )
        academy.work()
        assert academy.entry()["state"] == "done", moment
        assert academy.status() == [("active", "c1/made-lea@example.org")], moment
        assert (len(academy.partner.accounts), len(academy.partner.standing)) == (1, 1), moment
        if life[0] > 0:
            break
    assert 15 < moment < 99
