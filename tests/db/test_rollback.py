"""Rollback takes away what the files made and nothing else; its backup brings the rows back."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest

from courseyard.db.expected import BASE_TABLES, NEW_TABLES
from courseyard.db.migrate import apply
from courseyard.db.rollback import rollback, rows_to_lose, write_backup
from courseyard.errors import MigrationError

CAST = Path(__file__).parents[1] / "sql" / "cast.sql"
PSQL = shutil.which("psql") or "/usr/lib/postgresql/15/bin/psql"


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def contents(url: str) -> dict[str, list]:
    """Every row of every table of ours, as text."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('public', 'courseyard') "
            "and tablename <> 'schema_migrations'"
        ).fetchall()
        return {
            table: connection.execute(f"select t::text from {table} as t order by 1").fetchall() for (table,) in tables
        }


@pytest.fixture
def filled(either_db: str) -> str:
    """A cast of people and courses, with rows of the engine that hang on each other."""
    run(
        either_db,
        CAST.read_text(),
        "insert into courseyard.package_versions (package_id, number, standard, edition, document, file_name, sha256, "
        "file_count, total_bytes, activity_count) select id, 1, '1.2', '1.2', '{\"a\": \"line\\nbreak\\\\\"}', 'f', 's', "
        "1, 1, 1 from scorm_packages",
        "insert into courseyard.attempts (enrollment_id, version_id) "
        "select e.id, v.id from scorm_enrollments e "
        "join courseyard.package_versions v on v.package_id = e.scorm_package_id",
        "insert into courseyard.refused_commits (attempt_id, epoch, seq, item, elements) "
        "select id, 1, 1, 'i', '[]' from courseyard.attempts limit 1",
        "insert into scorm_tracking (scorm_enrollment_id, element, value) "
        "select id, 'cmi.core.lesson_status', 'completed' from scorm_enrollments",
    )
    return either_db


def test_only_what_the_files_made_goes(filled):
    before = contents(filled)
    lost = rows_to_lose(filled)
    assert lost["public.scorm_packages"] == len(before["public.scorm_packages"]) > 0
    assert lost["courseyard.attempts"] == len(before["courseyard.attempts"]) > 0
    assert not any(name in BASE_TABLES for name in (key.removeprefix("public.") for key in lost))
    rollback(filled)
    after = contents(filled)
    assert after == {f"public.{name}": before[f"public.{name}"] for name in BASE_TABLES}
    with psycopg.connect(filled) as connection:
        views = connection.execute("select count(*) from pg_views where schemaname = 'public'").fetchone()
        schema = connection.execute("select to_regnamespace('courseyard')").fetchone()
        auth = connection.execute("select to_regprocedure('auth.uid()') is not null").fetchone()
        connection.execute("update profiles set full_name = 'still writable'")
    assert (views, schema, auth) == ((0,), (None,), (True,))
    assert rows_to_lose(filled) == {}
    rollback(filled)


@pytest.mark.skipif(not Path(PSQL).exists(), reason="there is no psql on this machine")
def test_the_backup_brings_every_row_back(filled, tmp_path):
    before = contents(filled)
    path = write_backup(filled, tmp_path / "backups")
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
    rollback(filled)
    apply(filled)
    assert contents(filled) != before
    with gzip.open(path) as file:
        done = subprocess.run([PSQL, "-X", "-q", filled], input=file.read(), capture_output=True)
    assert done.returncode == 0, done.stderr
    assert contents(filled) == before
    run(
        filled,
        "insert into courseyard.refused_commits (attempt_id, epoch, seq, item, elements) "
        "select id, 2, 2, 'i', '[]' from courseyard.attempts limit 1",
        "update scorm_tracking set value = 'passed'",
    )
    with gzip.open(path) as file:
        again = subprocess.run([PSQL, "-X", "-q", filled], input=file.read(), capture_output=True)
    assert again.returncode != 0, "loading twice changes nothing instead of doubling rows"


def test_what_somebody_else_hung_on_our_tables_stops_it(db_url):
    run(db_url, "create view public.report as select title from public.scorm_packages")
    with pytest.raises(MigrationError, match="Nothing was dropped") as refused:
        rollback(db_url)
    assert "report" in refused.value.detail
    assert set(rows_to_lose(db_url)) >= {f"public.{name}" for name in NEW_TABLES}


def test_a_backup_that_cannot_be_written_is_told(db_url, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MigrationError, match="cannot be written"):
        write_backup(db_url, tmp_path / "file")
