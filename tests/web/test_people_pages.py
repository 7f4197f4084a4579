"""Setting right who an account at a partner is: what was written for the wrong person goes to the right one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from fix_web import RunningSite, upload
from partners.scripted import Scripted, course, credential, draft, enrolment, module, page, scripted_kind

from courseyard.partners.connector import Stream
from courseyard.partners.mappings import Link

OWNERS = {
    "enrolments": "select student_id::text from public.partner_lms_enrollments order by external_enrollment_id",
    "modules": "select user_id::text from public.external_module_progress order by module_id",
    "credentials": "select user_id::text from public.partner_credentials order by external_credential_id",
}


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Scripted]]:
    with scripted_kind(monkeypatch) as kind:
        kind.script = {
            Stream.CATALOGUE: [page(course(1))],
            Stream.ENROLMENTS: [page(enrolment(1), enrolment(2, "leo"))],
            Stream.PROGRESS: [page(module(1, status="completed"), module(2, 2, status="completed"))],
            Stream.CREDENTIALS: [page(credential(1, enrolment="e1"), credential(2, "leo"), credential(3))],
        }
        yield kind


@pytest.fixture
def provider(site: RunningSite, partner: type[Scripted]) -> str:
    return site.run(site.services.hub.providers.save(draft(import_rule="all", schedule_minutes=None)))


@pytest.fixture
def admin(site: RunningSite) -> httpx.Client:
    return site.browser(site.person("admin"))


def sync(site: RunningSite, provider: str) -> None:
    site.run(site.services.hub.runs.start(provider))
    site.work()


def owners(site: RunningSite) -> dict[str, list[str]]:
    return {name: [who for (who,) in site.sql(query)] for name, query in OWNERS.items()}


def apply_mappings(site: RunningSite) -> None:
    site.run(site.services.hub.enrolling.settle())


def decide(admin: httpx.Client, provider: str, account: str, person: str) -> str:
    """Choose a person; the address of the run that follows."""
    answer = admin.post(
        f"/partners/providers/{provider}/people", data={"account": account, "how": "person", "profile": person}
    )
    assert answer.status_code == 303, answer.text
    return f"/partners/log/{answer.headers['location'].rpartition('run=')[2]}"


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_a_wrong_match_is_set_right_with_all_that_was_written(
    site: RunningSite, admin: httpx.Client, provider: str
) -> None:
    wrong, leo = site.person(email="lea@example.org"), site.person(email="leo@example.org")
    right = site.person(email="lea.other@example.org")
    sync(site, provider)
    assert owners(site) == {"enrolments": [wrong, leo], "modules": [wrong, leo], "credentials": [wrong, leo, wrong]}
    shown = admin.get(f"/partners/providers/{provider}/people/account?account=u-lea").text
    assert "that came from this account become theirs" in text_of(shown)
    run = decide(admin, provider, "u-lea", right)
    site.work()
    assert owners(site) == {"enrolments": [right, leo], "modules": [right, leo], "credentials": [right, leo, right]}
    sync(site, provider)
    assert owners(site)["enrolments"] == [right, leo], "the next sync agrees"
    assert site.sql("select progress_percentage from public.partner_lms_enrollments") == [(100,), (100,)]
    assert site.run(site.services.hub.runs.run(run.rpartition("/")[2]))["changes"] == 4
    assert admin.post(f"{run}/undo").status_code == 303
    assert owners(site)["modules"] == [wrong, leo]


def test_mappings_follow_the_right_person_and_the_wrong_ones_completion_does_not(
    site: RunningSite, admin: httpx.Client, partner: type[Scripted], provider: str
) -> None:
    wrong, right = site.person(email="lea@example.org"), site.person(email="lea.other@example.org")
    partner.script[Stream.PROGRESS] = []
    sync(site, provider)
    package = upload(site.client()).json()["id"]
    [(theirs,)] = site.sql("select id::text from public.partner_courses")
    site.run(site.services.hub.mappings.add([Link(theirs, "package", package)], "equivalent", None))
    apply_mappings(site)
    site.sql("update public.scorm_enrollments set status = 'completed', completed_at = now()")
    apply_mappings(site)
    completed = "select lower(status::text) = 'completed', completed_at is not null from public.partner_lms_enrollments"
    assert site.sql(completed) == [(True, True)], "credited by what the wrong person completed here"
    decide(admin, provider, "u-lea", right)
    site.work()
    apply_mappings(site)
    assert site.sql(completed) == [(False, False)]
    assert sorted(site.sql("select user_id::text from public.scorm_enrollments")) == sorted([(wrong,), (right,)])


def test_two_accounts_of_one_person_are_told_apart(site: RunningSite, admin: httpx.Client, provider: str) -> None:
    both, right = site.person(email="lea@example.org"), site.person(email="leo@example.org")
    site.sql("update public.profiles set email = 'nobody@example.org' where id = %s", right)
    sync(site, provider)
    decide(admin, provider, "u-leo", both)
    site.work()
    assert owners(site) == {"enrolments": [both] * 2, "modules": [both] * 2, "credentials": [both] * 3}
    decide(admin, provider, "u-leo", right)
    site.work()
    assert owners(site)["enrolments"] == [both, right]
    assert owners(site)["modules"] == [both, right]


def test_who_was_left_aside_in_between_is_set_right_too(site: RunningSite, admin: httpx.Client, provider: str) -> None:
    wrong, right = site.person(email="lea@example.org"), site.person(email="lea.other@example.org")
    sync(site, provider)
    people = f"/partners/providers/{provider}/people"
    assert admin.post(people, data={"account": "u-lea", "how": "ignore"}).status_code == 303
    site.work()
    assert owners(site)["enrolments"] == [wrong], "what was written stays"
    decide(admin, provider, "u-lea", right)
    site.work()
    assert owners(site)["enrolments"] == [right]
    assert owners(site)["modules"] == [right]


def test_a_decision_that_the_tables_refuse_changes_nothing(
    site: RunningSite, admin: httpx.Client, provider: str
) -> None:
    wrong, leo = site.person(email="lea@example.org"), site.person(email="leo@example.org")
    sync(site, provider)
    before = owners(site)
    site.sql("create unique index once on public.partner_lms_enrollments (student_id, course_id)")
    answer = admin.post(
        f"/partners/providers/{provider}/people", data={"account": "u-lea", "how": "person", "profile": leo}
    )
    assert answer.status_code == 409
    assert "Who is Lea?" in text_of(answer.text)
    assert owners(site) == before
    assert site.sql("select profile_id::text from courseyard.partner_people where external_id = 'u-lea'") == [(wrong,)]
