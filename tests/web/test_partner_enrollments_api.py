"""REST of mappings and of enrolments at partners, and who may do what."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fix_web import RunningSite, upload
from partners.scripted import Scripted, course, draft, page, scripted_kind

from courseyard.errors import PartnerUnreachableError
from courseyard.partners.connector import Stream

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Scripted]]:
    with scripted_kind(monkeypatch) as kind:
        yield kind


@pytest.fixture
def course_id(site: RunningSite, partner: type[Scripted]) -> str:
    hub = site.services.hub
    provider = site.run(hub.providers.save(draft(import_rule="all", schedule_minutes=None)))
    partner.script = {Stream.CATALOGUE: [page(course(1))]}
    site.run(hub.runs.start(provider))
    site.work()
    [(found,)] = site.sql("select id::text from public.partner_courses")
    return found


def enrol(site: RunningSite, course_id: str, email: str = "lea@example.org") -> dict:
    body = {"partner_course_id": course_id, "learner": {"id": "A-17", "name": "Lea", "email": email}}
    answer = site.client().post("/api/partner-enrollments", json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def test_mappings_are_made_found_changed_and_deleted(site: RunningSite, course_id: str) -> None:
    api = site.client()
    package = upload(api).json()["id"]
    wanted = {"partner_course_id": course_id, "target": {"kind": "package", "id": package}, "mapping_type": "credit"}
    made = api.post("/api/partner-mappings", json=wanted)
    assert made.status_code == 201
    assert (made.json()["mapping_type"], made.json()["targets"][0]["id"]) == ("credit", package)
    assert api.post("/api/partner-mappings", json=wanted).status_code == 200
    path = f"/api/partner-mappings/{made.json()['id']}"
    assert api.patch(path, json={"is_active": False}).json()["is_active"] is False
    assert api.get("/api/partner-mappings", params={"active": "true"}).json() == []
    assert api.get("/api/partner-mappings", params={"search": "course 1"}).headers["X-Total-Count"] == "1"
    assert api.delete(path).status_code == 204
    assert api.delete(path).status_code == 404
    wanted["target"]["id"] = NOBODY
    assert api.post("/api/partner-mappings", json=wanted).status_code == 404


def test_enrolling_twice_is_one_enrolment_that_reaches_the_partner(site: RunningSite, course_id: str) -> None:
    first = enrol(site, course_id)
    assert (first["status"], first["outbox_state"], first["at_partner"]) == ("pending", "waiting", False)
    assert first["learner"]["id"] == "A-17"
    assert enrol(site, course_id)["id"] == first["id"]
    site.work()
    api = site.client()
    now = api.get(f"/api/partner-enrollments/{first['id']}").json()
    assert (now["status"], now["outbox_state"], now["at_partner"]) == ("active", "done", True)
    assert [e["id"] for e in api.get("/api/partner-enrollments", params={"status": "active"}).json()] == [first["id"]]
    assert api.get("/api/partner-enrollments", params={"search": "nobody"}).json() == []
    ended = api.post(f"/api/partner-enrollments/{first['id']}/withdraw")
    assert (ended.status_code, ended.json()["outbox_state"]) == (200, "waiting")
    site.work()
    assert api.get(f"/api/partner-enrollments/{first['id']}").json()["status"] == "withdrawn"
    unknown = {"partner_course_id": NOBODY, "learner": {"email": "new@example.org"}}
    assert api.post("/api/partner-enrollments", json=unknown).status_code == 404
    assert site.sql("select count(*) from public.profiles where email = 'new@example.org'") == [(0,)]


def test_launching(site: RunningSite, partner: type[Scripted], course_id: str) -> None:
    made = enrol(site, course_id)
    path = f"/api/partner-enrollments/{made['id']}/launch"
    early = site.client().post(path)
    assert (early.status_code, early.json()["code"]) == (409, "conflict")
    site.work()
    url = site.client().post(path, json={"redirect_url": "https://home.example/"}).json()["url"]
    assert url.startswith("https://partner.test/launch/") and url.endswith("https://home.example/")
    partner.faults = [PartnerUnreachableError("partner.test did not answer in time.")]
    down = site.client().post(path)
    assert (down.status_code, down.json()["code"]) == (502, "partner-unreachable")
    assert "did not answer" in down.json()["detail"]


def test_a_learner_sees_and_opens_the_own_enrolments_and_nobody_elses(site: RunningSite, course_id: str) -> None:
    mine, other = enrol(site, course_id), None
    body = {"partner_course_id": course_id, "learner": {"email": "leo@example.org"}}
    other = site.client().post("/api/partner-enrollments", json=body).json()
    site.work()
    lea = site.browser(mine["learner"]["profile_id"])
    assert [e["id"] for e in lea.get("/api/partner-enrollments").json()] == [mine["id"]]
    assert lea.get(f"/api/partner-enrollments/{other['id']}").status_code == 404
    assert lea.post(f"/api/partner-enrollments/{other['id']}/launch").status_code == 404
    assert lea.post(f"/api/partner-enrollments/{mine['id']}/launch").status_code == 200
    assert lea.post(f"/api/partner-enrollments/{mine['id']}/withdraw").status_code == 403
    assert lea.post("/api/partner-enrollments", json=body).status_code == 403
    assert lea.get("/api/partner-mappings").status_code == 403
    admin = site.browser(site.person("admin"))
    assert admin.post(f"/api/partner-enrollments/{mine['id']}/launch").status_code == 403
    instructor = site.browser(site.person("instructor"))
    assert instructor.get("/api/partner-mappings").status_code == 200
    assert instructor.post("/api/partner-mappings", json={}).status_code in (403, 422)
    assert len(instructor.get("/api/partner-enrollments").json()) == 2
    assert site.client(None).get("/api/partner-enrollments").status_code == 401
