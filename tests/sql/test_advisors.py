"""Supabase's own advisors find nothing to warn of in a Supabase-like project after the migrations."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from courseyard.db.migrate import apply

from .conftest import opened

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "courseyard-tests/supabase"


@pytest.fixture(scope="module")
def program() -> str:
    """Supabase's command, from the environment or the cache that tests/tools/fetch_advisors.sh fills."""
    named = os.environ.get("COURSEYARD_TEST_SUPABASE_CLI")
    found = Path(named) if named else _CACHE / "node_modules/@supabase/cli-linux-x64/bin/supabase"
    if not found.exists():
        pytest.skip("Supabase's advisors are not at hand; tests/tools/fetch_advisors.sh fetches them")
    return str(found)


def findings(program: str, url: str, folder: Path) -> list[str]:
    """What the advisors say at level warn or above, one line each."""
    done = subprocess.run(
        [program, "db", "advisors", f"--remote={url}?sslmode=disable", "--level", "warn", "-o", "json"],
        capture_output=True, text=True, timeout=120, check=True, cwd=folder,
        env={**os.environ, "HOME": str(folder), "SUPABASE_TELEMETRY_DISABLED": "1"},
    )  # fmt: skip
    told = json.loads(done.stdout or "[]")
    found = told if isinstance(told, list) else next(v for v in told.values() if isinstance(v, list))
    return [f"{one['name']}: {one['detail']}" for one in found]


def test_the_advisors_have_nothing_to_say_of_us(program: str, supabase: str, tmp_path: Path) -> None:
    before = findings(program, supabase, tmp_path)
    apply(supabase)
    assert [one for one in findings(program, supabase, tmp_path) if one not in before] == []


def test_nor_of_base_tables_that_we_make(program: str, supabase: str, tmp_path: Path) -> None:
    with opened(supabase) as db:
        db.rows(
            "drop table profiles, programs, courses, enrollments, partner_lms_providers, partner_courses, "
            "partner_lms_enrollments cascade"
        )
    apply(supabase)
    assert findings(program, supabase, tmp_path) == []


def test_the_advisors_would_notice(program: str, supabase: str, tmp_path: Path) -> None:
    apply(supabase)
    with opened(supabase) as db:
        db.rows("alter table scorm_tracking disable row level security")
    assert any("scorm_tracking" in one for one in findings(program, supabase, tmp_path))
