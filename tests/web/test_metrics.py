"""Numbers for whoever watches the server."""

from __future__ import annotations

from fix_web import RunningSite
from partners.scripted import draft, scripted_kind


def test_numbers_of_providers_and_of_the_queue(site: RunningSite, monkeypatch) -> None:
    with scripted_kind(monkeypatch):
        site.run(site.services.hub.providers.save(draft(schedule_minutes=None)))
    site.sql("update public.partner_lms_providers set provider_name = %s", 'The "Academy"')
    text = site.client().get("/metrics").text
    assert "# TYPE courseyard_provider_failed_runs_in_a_row gauge\n" in text
    assert 'courseyard_provider_failed_runs_in_a_row{provider="The \\"Academy\\""} 0\n' in text
    assert "courseyard_jobs_waiting 0\n" in text


def test_they_are_not_for_everybody(site: RunningSite) -> None:
    assert site.browser(site.person("instructor")).get("/metrics").status_code == 403
    assert site.client(None).get("/metrics").status_code in (303, 401)
