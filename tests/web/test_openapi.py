"""The interface does what its OpenAPI document says, tried by a machine; and the document is complete."""

import pytest
import schemathesis
from fix_web import SERVICE_KEY, upload
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

CALLS = {
    ("GET", "/packages"),
    ("POST", "/packages"),
    ("GET", "/packages/{package_id}"),
    ("PATCH", "/packages/{package_id}"),
    ("DELETE", "/packages/{package_id}"),
    ("POST", "/packages/{package_id}/versions"),
    ("POST", "/enrollments"),
    ("GET", "/enrollments"),
    ("GET", "/enrollments/{enrollment_id}"),
    ("POST", "/enrollments/{enrollment_id}/launch"),
    ("GET", "/enrollments/{enrollment_id}/tracking"),
    ("GET", "/enrollments/{enrollment_id}/attempts"),
    ("GET", "/enrollments/{enrollment_id}/attempts/{number}"),
    ("GET", "/partner-mappings"),
    ("POST", "/partner-mappings"),
    ("PATCH", "/partner-mappings/{mapping_id}"),
    ("DELETE", "/partner-mappings/{mapping_id}"),
    ("POST", "/partner-enrollments"),
    ("GET", "/partner-enrollments"),
    ("GET", "/partner-enrollments/{partner_enrollment_id}"),
    ("POST", "/partner-enrollments/{partner_enrollment_id}/launch"),
    ("POST", "/partner-enrollments/{partner_enrollment_id}/withdraw"),
    ("GET", "/partner-kinds"),
    ("GET", "/partner-providers"),
    ("POST", "/partner-providers"),
    ("GET", "/partner-providers/{provider_id}"),
    ("PATCH", "/partner-providers/{provider_id}"),
    ("DELETE", "/partner-providers/{provider_id}"),
    ("POST", "/partner-providers/{provider_id}/check"),
    ("POST", "/partner-providers/{provider_id}/sync"),
    ("GET", "/partner-providers/{provider_id}/catalogue"),
    ("POST", "/partner-providers/{provider_id}/catalogue/import"),
    ("GET", "/partner-providers/{provider_id}/accounts"),
    ("POST", "/partner-providers/{provider_id}/accounts/decide"),
    ("GET", "/partner-providers/{provider_id}/waiting"),
    ("POST", "/partner-providers/{provider_id}/waiting/replay"),
    ("POST", "/partner-providers/{provider_id}/waiting/drop"),
    ("GET", "/sync-runs"),
    ("GET", "/sync-runs/{run_id}"),
    ("POST", "/sync-runs/{run_id}/cancel"),
    ("GET", "/sync-runs/{run_id}/undo"),
    ("POST", "/sync-runs/{run_id}/undo"),
    ("GET", "/webhooks"),
    ("POST", "/webhooks"),
    ("GET", "/webhooks/{endpoint_id}"),
    ("PATCH", "/webhooks/{endpoint_id}"),
    ("DELETE", "/webhooks/{endpoint_id}"),
    ("POST", "/webhooks/{endpoint_id}/test"),
    ("GET", "/credentials"),
    ("POST", "/credentials"),
    ("GET", "/credentials/{credential_id}"),
    ("DELETE", "/credentials/{credential_id}"),
}


def test_every_call_of_the_contract_is_in_the_document(site):
    document = site.client(None).get("/api/openapi.json").json()
    found = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert found >= CALLS
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["description"], f"{method} {path} says nothing"


def test_reference_page_shows_every_call_and_loads_nothing_from_elsewhere(site):
    answer = site.client(None).get("/api/docs")
    assert answer.status_code == 200
    for method, path in CALLS:
        assert f"{method} /api{path}" in answer.text
    assert "//cdn" not in answer.text
    assert 'src="http' not in answer.text


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
def test_interface_holds_what_its_document_promises(site, mode):
    client = site.client()
    package = upload(client).json()["id"]
    enrolling = {"package_id": package, "learner": {"email": "a@example.org"}}
    enrollment = client.post("/api/enrollments", json=enrolling).json()["id"]
    [(mapping,)] = site.sql(
        "with l as (insert into public.partner_lms_providers (provider_name, provider_type) values ('P', 'x') returning id),"
        " c as (insert into public.partner_courses (provider_id, course_name) select id, 'C' from l returning id)"
        " insert into public.partner_course_mappings (partner_course_id) select id from c returning id::text"
    )
    schema = schemathesis.openapi.from_url(f"{site.app}/api/openapi.json")
    known = {"package_id": package, "enrollment_id": enrollment, "mapping_id": mapping, **partner(site, client)}
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.method.upper() != "DELETE":
            try_out(operation, mode, known, f"{site.app}/api")


def partner(site, client):
    """A partner that was set up and has a run, a receiver of webhooks and a credential."""
    drafted = {"kind": "webhook", "name": "Academy", "options": {"secret": "whsec_" + "A" * 44}}
    provider = client.post("/api/partner-providers", json=drafted).json()["id"]
    run = client.post(f"/api/partner-providers/{provider}/waiting/replay").json()["run_id"]
    site.work()
    receiver = {"url": "http://127.0.0.1:9/", "events": ["course"]}
    body = {"profile_id": site.person(), "provider_id": provider, "credential_name": "Driver"}
    return {
        "provider_id": provider,
        "run_id": run,
        "endpoint_id": client.post("/api/webhooks", json=receiver).json()["id"],
        "credential_id": client.post("/api/credentials", json=body).json()["id"],
    }


def try_out(operation, mode, known, base_url):
    calls = 0

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=8,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def call(case):
        nonlocal calls
        calls += 1
        if calls % 2 and mode is GenerationMode.POSITIVE:
            case.path_parameters.update({k: v for k, v in known.items() if k in case.path_parameters})
        # A file may be a file and still be no package; query parameters that nobody knows are passed over.
        excluded = [positive_data_acceptance] if "multipart" in (case.media_type or "") else []
        excluded += [negative_data_rejection] if case.method.upper() == "GET" else []
        headers = {"Authorization": f"Bearer {SERVICE_KEY}"}
        case.call_and_validate(base_url=base_url, headers=headers, excluded_checks=excluded)

    call()
