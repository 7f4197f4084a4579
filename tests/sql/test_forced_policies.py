"""Row level security that an organisation forces on the owner of its tables, where the server is that owner and no more."""

from __future__ import annotations

from pathlib import Path

import pytest
from fix_web import SERVICE_KEY, running_site
from partners.scripted import course, draft, enrolment, module, page, scripted_kind

from courseyard.partners.connector import Stream
from courseyard.settings import Settings

from .conftest import opened

TABLES = ("partner_courses", "partner_lms_enrollments", "external_module_progress")


def test_a_sync_tells_what_forced_policies_refuse_and_writes_it_when_they_let_it(
    owned: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data=tmp_path / "data", service_key=SERVICE_KEY)
    with scripted_kind(monkeypatch) as partner, running_site(settings, owned) as site:
        hub = site.services.hub
        lea = site.person(email="lea@example.org")
        provider = site.run(hub.providers.save(draft(import_rule="all", schedule_minutes=None)))
        partner.script = {
            Stream.CATALOGUE: [page(course(1))],
            Stream.ENROLMENTS: [page(enrolment(1))],
            Stream.PROGRESS: [page(module(1, status="completed", score=70.0))],
        }

        def sync() -> dict[str, object]:
            run_id = site.run(hub.runs.start(provider))
            site.run(hub.syncs.work(run_id))
            found: dict[str, object] = site.run(hub.runs.run(run_id))
            return found

        with opened(owned) as db:
            for table in TABLES:
                db.rows(f"alter table public.{table} force row level security")
                # Ours lets members of service_role pass, which the owner is; an organisation may have other rules.
                for policy in db.rows("select policyname as name from pg_policies where tablename = %s", table):
                    db.rows(f'drop policy "{policy["name"]}" on public.{table}')
            run = sync()
            assert (run["status"], run["records_failed"]) == ("partial", 3), run
            reasons = db.rows("select reason from courseyard.sync_failures where kind = 'course'")
            assert 'row-level security policy for table "partner_courses"' in str(reasons)
            for table in TABLES:
                db.rows(f"create policy the_server on public.{table} to owner using (true) with check (true)")
            run = sync()
            assert (run["status"], run["records_failed"]) == ("succeeded", 0), run
            assert db.row("select user_id::text, status, score from public.external_module_progress") == {
                "user_id": lea, "status": "completed", "score": 70,
            }  # fmt: skip
            assert db.value("select count(*) from courseyard.sync_failures where resolved_at is null") == 0
