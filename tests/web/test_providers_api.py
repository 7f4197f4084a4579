"""REST of partners: set up, fetched from, decided about, undone; and nobody else may."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fix_web import RunningSite
from partners.scripted import Scripted, course, enrolment, page, scripted_kind

from courseyard.partners.connector import Stream

PROVIDER = {
    "kind": "scripted",
    "name": "Partner Academy",
    "options": {"base_url": "http://partner.test", "token": "very-secret"},
}


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Scripted]]:
    with scripted_kind(monkeypatch) as kind:
        yield kind


def test_a_partner_from_set_up_to_undo(site: RunningSite, partner: type[Scripted]) -> None:
    api = site.client()
    made = api.post("/api/partner-providers", json=PROVIDER)
    assert made.status_code == 201, made.text
    assert "very-secret" not in made.text and made.json()["secrets"] == ["token"]
    path = f"/api/partner-providers/{made.json()['id']}"
    assert made.json()["settings"]["schedule_minutes"] == 60
    changed = api.patch(
        path, json={"settings": {"schedule_minutes": None, "unknown_people": "wait"}, "name": "Academy"}
    )
    assert changed.json()["name"] == "Academy" and changed.json()["settings"]["schedule_minutes"] is None
    assert changed.json()["secrets"] == ["token"], "what was not named stays"
    assert [c["state"] for c in api.post(f"{path}/check").json()] == ["ok"]

    partner.script = {
        Stream.CATALOGUE: [page(course(1, category="Safety"), course(2))],
        Stream.ENROLMENTS: [page(enrolment(1))],
    }
    run = api.post(f"{path}/sync", json={"streams": ["catalogue"]}).json()["run_id"]
    site.work()
    assert api.get(f"/api/sync-runs/{run}").json()["status"] == "succeeded"
    offered = api.get(f"{path}/catalogue", params={"category": "Safety"})
    assert [(c["external_id"], c["state"]) for c in offered.json()] == [("c1", "new")]
    assert offered.headers["x-total-count"] == "1"
    imported = api.post(f"{path}/catalogue/import", json={"keys": ["c1"]}).json()["run_id"]
    assert site.sql("select course_name from public.partner_courses") == [("Course 1",)]

    api.post(f"{path}/sync", json={"streams": ["enrolments"]})
    site.work()
    [account] = api.get(f"{path}/accounts").json()
    assert (account["external_id"], account["records"]) == ("u-lea", 1)
    [record] = api.get(f"{path}/waiting").json()
    assert record["code"] == "person-unknown" and record["record"]["course"] == "c1"
    lea = site.person(email="lea@work.example")
    decided = api.post(f"{path}/accounts/decide", json={"external_id": "u-lea", "profile_id": lea})
    assert decided.status_code == 202
    site.work()
    assert api.get(f"/api/sync-runs/{decided.json()['run_id']}").json()["status"] == "succeeded"
    assert site.sql("select student_id::text from public.partner_lms_enrollments") == [(lea,)]
    assert api.get(f"{path}/waiting").json() == []

    told = api.get(f"/api/sync-runs/{imported}/undo").json()
    assert (told["restored"], told["kept"]) == (0, 1)
    assert told["reasons"] == [
        {"table": "partner_courses", "because": "referred", "referrer": "public.partner_lms_enrollments", "rows": 1,
         "referring": 1},
    ]  # fmt: skip
    site.sql("delete from public.partner_lms_enrollments")
    undone = api.post(f"/api/sync-runs/{imported}/undo").json()
    assert undone["restored"] == 1
    assert undone["tables"] == [{"table": "partner_courses", "deleted": 1, "restored": 0, "kept": 0}]
    assert api.get(f"/api/sync-runs/{imported}/undo").status_code == 409
    assert api.post(f"/api/sync-runs/{imported}/undo").status_code == 409
    assert api.get(path).json()["settings"]["paused"] is True
    assert [row["name"] for row in api.get("/api/partner-providers").json()] == ["Academy"]
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404


def test_null_removes_an_optional_secret_and_never_a_needed_one(site: RunningSite) -> None:
    api = site.client()
    options = {"scheme": "bearer", "secret": "first", "previous_secret": "before"}
    made = api.post("/api/partner-providers", json={"kind": "webhook", "name": "HR", "options": options})
    path = f"/api/partner-providers/{made.json()['id']}"
    assert made.json()["secrets"] == ["previous_secret", "secret"]
    assert api.patch(path, json={"options": {"previous_secret": ""}}).json()["secrets"] == ["previous_secret", "secret"]
    refused = api.patch(path, json={"options": {"secret": None, "previous_secret": None}})
    assert refused.status_code == 422
    assert refused.json()["detail"] == "Secret is needed, so it cannot be removed."
    assert api.get(path).json()["secrets"] == ["previous_secret", "secret"]
    changed = api.patch(path, json={"options": {"previous_secret": None, "scheme": None}}).json()
    assert changed["secrets"] == ["secret"]
    assert changed["options"]["scheme"] == "standard", "anything else is set back"


def test_what_is_missing_is_named(site: RunningSite, partner: type[Scripted]) -> None:
    api = site.client()
    answer = api.post(
        "/api/partner-providers", json={"kind": "scripted", "name": "X", "options": {"base_url": "ftp://x"}}
    )
    assert answer.status_code == 422 and "Address" in answer.json()["detail"]
    assert api.post("/api/partner-providers", json={"kind": "no-such", "name": "X"}).status_code == 404
    assert "moodle" in [kind["kind"] for kind in api.get("/api/partner-kinds").json()]


def test_receivers_and_credentials(site: RunningSite) -> None:
    api = site.client()
    made = api.post("/api/webhooks", json={"url": "http://127.0.0.1:9/", "events": ["enrollment"]})
    assert made.status_code == 201 and made.json()["secret"].startswith("whsec_")
    path = f"/api/webhooks/{made.json()['id']}"
    assert "secret" not in api.get(path).json()
    assert api.patch(path, json={"active": False}).json()["active"] is False
    assert api.patch(path, json={"url": "javascript:x"}).status_code == 422
    assert api.delete(path).status_code == 204

    [(provider,)] = site.sql(
        "insert into public.partner_lms_providers (provider_name, provider_type) values ('A', 'manual') returning id::text"
    )
    lea = site.person(email="lea@example.org")
    body = {"profile_id": lea, "provider_id": provider, "credential_name": "Driver", "expiration_date": "2030-01-01"}
    entered = api.post("/api/credentials", json=body)
    assert (entered.status_code, entered.json()["state"]) == (201, "valid")
    assert len(site.browser(lea).get("/api/credentials").json()) == 1
    assert site.browser(site.person()).get("/api/credentials").json() == []


@pytest.mark.parametrize("role", ["student", "instructor"])
def test_only_administrators_may(site: RunningSite, role: str) -> None:
    someone = site.browser(site.person(role))
    for path in ("/api/partner-providers", "/api/partner-kinds", "/api/sync-runs", "/api/webhooks"):
        assert someone.get(path).status_code == 403, path
    assert someone.post("/api/partner-providers", json=PROVIDER).status_code == 403
