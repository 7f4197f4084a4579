"""Two Courseyards as each other's partner: what a learner reaches in the one stands in the other's own tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fix_db import TEMPLATE, Clusters
from fix_web import LIFTING, PRIVACY, SERVICE_KEY, RunningSite, running_site, upload

from courseyard.partners.providers import Draft, Settings
from courseyard.partners.webhooks import EndpointDraft
from courseyard.settings import Settings as ServerSettings


@pytest.fixture
def sites(clusters: Clusters, tmp_path: Path) -> Iterator[tuple[RunningSite, RunningSite]]:
    """Two servers, each with a database and a folder of its own."""
    cluster = clusters.get("embedded")
    with ExitStack() as stack:
        found = []
        for name in ("north", "south"):
            url = cluster.create(TEMPLATE)
            stack.callback(cluster.drop, url)
            found.append(
                stack.enter_context(running_site(ServerSettings(data=tmp_path / name, service_key=SERVICE_KEY), url))
            )
        yield found[0], found[1]


def tell(teller: RunningSite, listener: RunningSite) -> str:
    """Let one tell the other; the provider that the listener knows it as."""
    hub = listener.services.hub
    settings = Settings(import_rule="all", unknown_people="make", schedule_minutes=None)
    name = f"Courseyard at {teller.app}"
    provider = listener.run(hub.providers.save(Draft("webhook", name, {"secret": "whsec_" + "A" * 44}, settings)))
    address = hub.providers.inbound_url(provider)
    _, secret = teller.run(
        teller.services.hub.webhooks.add(EndpointDraft(address, ["enrollment", "course", "credential"]))
    )
    listener.run(hub.providers.save(Draft("webhook", name, {"secret": secret}, settings), provider))
    return provider


def learn(site: RunningSite, package: bytes, name: str, email: str) -> str:
    """A learner passes a course: the enrolment's id."""
    package_id = upload(site.client(), package, name).json()["id"]
    body = {"package_id": package_id, "learner": {"id": f"id-{email}", "name": "Ada Lovelace", "email": email}}
    return str(site.client().post("/api/enrollments", json=body).json()["id"])


def report(site: RunningSite, enrolment: str, *values: tuple[str, str]) -> None:
    """What the course reports."""
    for element, value in values:
        site.sql(
            "insert into public.scorm_tracking (scorm_enrollment_id, element, value) values (%s, %s, %s)",
            enrolment, element, value,
        )  # fmt: skip


PARTNER_ENROLMENTS = (
    "select p.email, c.course_name, e.status, e.progress_percentage, e.completed_at is not null "
    "from public.partner_lms_enrollments e join public.profiles p on p.id = e.student_id "
    "join public.partner_courses c on c.id = e.course_id"
)


def test_each_tells_the_other_what_its_learners_reach(sites: tuple[RunningSite, RunningSite]) -> None:
    north, south = sites
    tell(north, south)
    tell(south, north)
    ada = learn(north, LIFTING, "lifting.zip", "ada@example.org")
    bob = learn(south, PRIVACY, "privacy.zip", "bob@example.org")
    report(north, ada, ("cmi.core.lesson_status", "incomplete"))
    for site in (north, south, north, south):
        site.work()
    assert south.sql(PARTNER_ENROLMENTS) == [("ada@example.org", "Lifting without getting hurt", "active", 0, False)]
    assert north.sql(PARTNER_ENROLMENTS) == [("bob@example.org", "Other people's data", "active", 0, False)]

    report(north, ada, ("cmi.core.score.raw", "90"), ("cmi.core.lesson_status", "passed"))
    report(south, bob, ("cmi.completion_status", "completed"), ("cmi.success_status", "passed"))
    for site in (north, south, north, south):
        site.work()
    assert south.sql(PARTNER_ENROLMENTS) == [
        ("ada@example.org", "Lifting without getting hurt", "completed", 100, True)
    ]
    assert north.sql(PARTNER_ENROLMENTS) == [("bob@example.org", "Other people's data", "completed", 100, True)]
    for site in sites:
        assert site.sql("select distinct status from public.lms_sync_log") == [("succeeded",)]
        assert site.sql("select count(*) from courseyard.sync_failures") == [(0,)]


def test_an_echo_dies_out(sites: tuple[RunningSite, RunningSite]) -> None:
    """What a partner told is not told back as news of one's own: partner enrolments are not SCORM enrolments."""
    north, south = sites
    tell(north, south)
    tell(south, north)
    learn(north, LIFTING, "lifting.zip", "ada@example.org")
    for _ in range(3):
        north.work()
        south.work()
    assert north.sql("select count(*) from courseyard.partner_inbox") == [(0,)]
