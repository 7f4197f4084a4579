"""From a file, a delivery and a learning record store into the organisation's tables, through the running product."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from fix_web import RunningSite
from partners.standins.lrs import Lrs
from partners.test_statements import COURSE
from partners.test_webhook import NEW, documented, event, signed
from partners.test_xapi import told

from courseyard.errors import BadDeliveryError
from courseyard.partners.providers import Draft, Settings
from courseyard.partners.sources import open_source

ENROLMENTS = "select p.email, c.course_name, e.status, e.progress_percentage from public.partner_lms_enrollments e join public.profiles p on p.id = e.student_id join public.partner_courses c on c.id = e.course_id order by 1"
MODULES = "select module_id, status, score, time_spent_seconds from public.external_module_progress order by 1"
CREDENTIALS = "select credential_name, credential_number, external_credential_id from public.partner_credentials"


class Partner:
    """A provider on a running site."""

    def __init__(self, site: RunningSite, kind: str, **options: Any) -> None:
        self.site, self.hub = site, site.services.hub
        settings = Settings(import_rule="all", schedule_minutes=None)
        self.id = site.run(self.hub.providers.save(Draft(kind, f"The {kind}", options, settings)))

    def sync(self) -> dict[str, Any]:
        run_id = self.site.run(self.hub.runs.start(self.id, ()))
        self.site.run(self.hub.syncs.work(run_id))
        return self.site.run(self.hub.runs.run(run_id))


def test_uploaded_files(site: RunningSite) -> None:
    site.person(email="ada@example.org")
    columns = {
        "course": {"fields": {"external_id": {"column": "id"}, "title": {"column": "title"}}},
        "enrolment": {"fields": {"course": {"column": "course"}, "user_email": {"column": "mail"}}},
        "module": {
            "fields": {
                "course": {"column": "course"},
                "user_email": {"column": "mail"},
                "module_id": {"column": "lesson"},
                "status": {"column": "state"},
                "score": {"column": "points", "scale": "points", "highest": 20},
            }
        },
        "credential": {
            "fields": {"external_id": {"column": "no"}, "user_email": {"column": "mail"}, "name": {"column": "name"}}
        },
    }
    partner = Partner(site, "files", source="upload", columns=json.dumps(columns))
    place = open_source(partner.hub.providers.upload_location(partner.id))
    for name, content in {
        "courses.json": '[{"id": 7, "title": "Diving"}]',
        "enrolments.csv": "course;mail\n7;ada@example.org\n;nobody@example.org\n",
        "progress.csv": "course,mail,lesson,state,points\n7,ada@example.org,l1,Passed,17\n7,ada@example.org,l2,huh,1\n",
        "certificates.csv": "no\tmail\tname\nN-1\tada@example.org\tDiver\n",
    }.items():
        site.run(place.write(name, content.encode()))
    run = partner.sync()
    assert (run["status"], run["records_processed"], run["records_failed"]) == ("partial", 6, 2), run
    assert site.sql(ENROLMENTS) == [("ada@example.org", "Diving", "completed", 100)]
    assert site.sql(MODULES) == [("l1", "passed", 85, 0)]
    assert site.sql(CREDENTIALS) == [("Diver", None, "N-1")]
    again = partner.sync()
    assert (again["status"], again["changes"]) == ("succeeded", 0), "nothing is new, so nothing is read"


def test_events_of_another_courseyard(site: RunningSite) -> None:
    site.person(email="ada@example.org")
    partner = Partner(site, "webhook", scheme="standard", secret=NEW, content="events")
    enrolled, issued = documented("enrollment.updated"), documented("credential.issued")
    now = datetime.now(UTC)
    for number, body in enumerate([event("credential.issued", **issued), event(**enrolled), event(**enrolled)]):
        site.run(partner.hub.inbox.receive(partner.id, signed(body, at=now, identifier=f"msg_{min(number, 1)}")))
    with pytest.raises(BadDeliveryError):
        site.run(partner.hub.inbox.receive(partner.id, signed(event(**enrolled), "whsec_" + "A" * 32)))
    assert site.sql("select count(*) from courseyard.partner_inbox") == [(2,)]
    site.work()
    assert site.sql(ENROLMENTS) == [("ada@example.org", "Forklift safety", "completed", 100)]
    assert site.sql(MODULES) == [("lesson-1", "passed", 85, 640)]
    assert site.sql(CREDENTIALS) == [("Forklift driver", "2026-000077", "c-77")]


def test_statements_of_a_store(site: RunningSite, serve: Callable[[Any], str]) -> None:
    site.person(email="ada@x.org")
    lrs = Lrs()
    partner = Partner(site, "xapi", base_url=serve(lrs.app) + "/lrs/xapi", username="key", password="secret")
    _, passed = lrs.store(told("initialized"), told("passed", score={"scaled": 0.85}, duration="PT9M"))
    assert partner.sync()["status"] == "succeeded"
    lrs.store(told("initialized"), told("terminated"), seconds=600)
    assert partner.sync()["status"] == "succeeded"
    assert site.sql(MODULES) == [("https://x.org/unit-1", "passed", 85, 540)]
    assert site.sql(ENROLMENTS)[0][:2] == ("ada@x.org", "Course")
    lrs.store(told("completed", COURSE))
    lrs.void(passed)
    assert partner.sync()["status"] == "succeeded"
    assert site.sql(MODULES)[0][1] == "in_progress"
