"""The runner: once, twice, four times at once, killed in the middle, on databases that do not fit."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from courseyard.db import migrate, server
from courseyard.db.migrate import apply, ensure_current
from courseyard.db.scripts import engine_objects, scripts
from courseyard.errors import MigrationError, SetupError

RECORDED = [s.name for s in scripts() if not s.only_checks]


def one(url: str, query: str, *params: object):
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query, params or None)
        return cursor.fetchone() if cursor.description else None


def ledger(url: str) -> list[str]:
    with psycopg.connect(url, autocommit=True) as connection:
        return [r[0] for r in connection.execute("select name from courseyard.schema_migrations order by name")]


@pytest.fixture
def changed(monkeypatch):
    """Replace the text of one file, as a later release or a careless hand would."""

    def change(name: str, text: str) -> None:
        found = tuple(dataclasses.replace(s, text=s.text + text) if s.name == name else s for s in scripts())
        monkeypatch.setattr(migrate, "scripts", lambda: found)

    return change


def test_applies_all_then_nothing(either_empty_db):
    told: list[str] = []
    assert [n for n in apply(either_empty_db, told.append) if n in RECORDED] == RECORDED
    assert [f"applying {name}" for name in RECORDED] == [line for line in told if line[9:] in RECORDED]
    assert apply(either_empty_db) == []
    assert ledger(either_empty_db) == sorted(RECORDED)


def test_four_appliers_at_once_are_harmless(either_empty_db):
    with ThreadPoolExecutor(4) as pool:
        ran = list(pool.map(apply, [either_empty_db] * 4))
    assert {name for names in ran for name in names} >= set(RECORDED), "whoever ran it"
    assert ledger(either_empty_db) == sorted(RECORDED)
    assert apply(either_empty_db) == []


def test_killed_in_the_middle_of_a_file_leaves_nothing_of_it(either_empty_db):
    with psycopg.connect(either_empty_db) as blocker:
        # The name is taken by a transaction that does not end: the applier waits inside of 0022.
        blocker.execute("create table public.scorm_packages ()")
        applier = subprocess.Popen(
            [sys.executable, "-c", "import sys; from courseyard.db.migrate import apply; apply(sys.argv[1])",
             either_empty_db]
        )  # fmt: skip
        waiting = (
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        )
        until = time.monotonic() + 30
        while one(either_empty_db, waiting) == (0,) and time.monotonic() < until:
            time.sleep(0.05)
        applier.kill()
        applier.wait()
        blocker.rollback()
    done = ledger(either_empty_db)
    assert "migrations/0020_base_tables.sql" in done
    assert "migrations/0022_new_tables.sql" not in done
    until = time.monotonic() + 10
    active = (
        "select count(*) from pg_stat_activity "
        "where application_name = 'courseyard db' and datname = current_database()"
    )
    while one(either_empty_db, active) != (0,) and time.monotonic() < until:
        time.sleep(0.05)
    assert one(either_empty_db, "select to_regclass('public.scorm_packages')") == (None,)
    apply(either_empty_db)
    assert ledger(either_empty_db) == sorted(RECORDED)


def test_a_failing_file_leaves_nothing_and_says_which(empty_db, changed):
    changed("migrations/0050_updated_at.sql", "\nselect 1/0;")
    with pytest.raises(MigrationError, match=r"0050_updated_at\.sql was not applied, and nothing of it stays"):
        apply(empty_db)
    assert one(empty_db, "select to_regproc('courseyard.touch_updated_at')") == (None,)
    assert "migrations/0050_updated_at.sql" not in ledger(empty_db)


def test_an_applied_migration_that_was_edited_is_refused(db_url, changed):
    changed("migrations/0050_updated_at.sql", "\n-- a word more")
    with pytest.raises(MigrationError, match=r"0050_updated_at\.sql differs") as refused:
        apply(db_url)
    assert "new migration" in refused.value.advice


def test_a_changed_function_is_run_again_and_nothing_else(db_url, changed):
    changed("functions/learner_v1.sql", "\n-- a word more")
    assert [n for n in apply(db_url) if n in RECORDED] == ["functions/learner_v1.sql"]
    assert apply(db_url) == []


def test_a_database_of_a_later_release_is_refused(db_url):
    one(db_url, "insert into courseyard.schema_migrations values ('migrations/9999_future.sql', 'x')")
    with pytest.raises(MigrationError, match="later release"):
        apply(db_url)


def test_a_table_dropped_by_hand_comes_back(either_db):
    one(either_db, "drop table public.partner_credentials cascade")
    one(either_db, "drop view public.scorm_completion_summary")
    assert set(RECORDED) <= set(apply(either_db))
    assert one(either_db, "select count(*) from public.partner_credentials") == (0,)


def test_a_long_lock_ends_in_a_clear_word_and_not_in_a_queue(db_url, monkeypatch):
    monkeypatch.setattr(server, "LOCK_TIMEOUT", "200ms")
    one(db_url, "drop view public.scorm_completion_summary")
    with psycopg.connect(db_url) as blocker:
        blocker.execute("lock table public.scorm_enrollments in access exclusive mode")
        with pytest.raises(MigrationError) as refused:
            apply(db_url)
        assert "quiet" in refused.value.advice
        blocker.rollback()
    apply(db_url)


def test_a_read_only_server_is_told(empty_db):
    name = empty_db.rsplit("/", 1)[1]
    one(empty_db, f"alter database {name} set default_transaction_read_only = on")
    with pytest.raises(SetupError, match="read-only"):
        apply(empty_db)


def test_a_server_that_is_too_old_is_told(empty_db, monkeypatch):
    monkeypatch.setattr(migrate, "MIN_VERSION", 99)
    with pytest.raises(SetupError, match="version 99 or later is needed"):
        apply(empty_db)
    assert one(empty_db, "select to_regnamespace('courseyard')") == (None,)


def test_serving_changes_the_embedded_database_only(empty_db):
    with pytest.raises(SetupError, match="not up to date") as refused:
        ensure_current(empty_db, embedded=False)
    assert "courseyard db apply" in refused.value.advice
    assert one(empty_db, "select to_regnamespace('courseyard')") == (None,)
    ensure_current(empty_db, embedded=True)
    ensure_current(empty_db, embedded=False)


def test_the_engines_objects_are_read_off_the_files():
    found = engine_objects()
    assert ("table", "attempts") in found
    assert ("function", "learner_v1") in found
    assert ("trigger", "trigger_update_scorm_progress") in found
    assert len(found) > 30
