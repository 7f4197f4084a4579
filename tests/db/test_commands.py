"""``courseyard db``, as a process: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

COMMAND = Path(sys.executable).with_name("courseyard")


@pytest.fixture
def courseyard(tmp_path):
    """Run the command; returns the finished process."""

    def call(*words: object, url: str | None = None, answer: str = "") -> subprocess.CompletedProcess[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("COURSEYARD_")}
        env = clean | ({"COURSEYARD_DATABASE_URL": url} if url else {})
        done = subprocess.run(
            [COMMAND, "db", *map(str, words)], input=answer, capture_output=True, text=True, env=env, cwd=tmp_path
        )
        assert "Traceback" not in done.stderr
        return done

    return call


def test_the_way_from_plan_to_rollback(courseyard, empty_db, tmp_path):
    plan = courseyard("plan", url=empty_db)
    assert plan.returncode == 0
    assert "create table scorm_packages" in plan.stdout

    unready = courseyard("verify", url=empty_db)
    assert unready.returncode == 1
    assert "PROBLEM table scorm_packages is missing" in unready.stdout

    applied = courseyard("apply", "--yes", url=empty_db)
    assert applied.returncode == 0
    assert "as they should be" in applied.stdout
    assert "Nothing to do" in courseyard("apply", url=empty_db).stdout
    assert courseyard("verify", url=empty_db).returncode == 0
    assert json.loads(courseyard("plan", "--json", url=empty_db).stdout)["steps"] == []
    assert json.loads(courseyard("verify", "--json", url=empty_db).stdout) == {"problems": []}

    refused = courseyard("rollback", url=empty_db, answer="yes\n")
    assert refused.returncode == 1
    assert "Nothing was changed" in refused.stdout
    assert courseyard("verify", url=empty_db).returncode == 0

    gone = courseyard("rollback", url=empty_db, answer="drop\n")
    assert gone.returncode == 0
    assert "0  public.scorm_packages" in gone.stdout
    assert len(list((tmp_path / "data" / "backups").glob("courseyard-*.sql.gz"))) == 1
    assert "nothing to roll back" in courseyard("rollback", "--yes", url=empty_db).stdout


def test_without_a_backup_none_is_written(courseyard, db_url, tmp_path):
    assert courseyard("rollback", "--yes", "--no-backup", url=db_url).returncode == 0
    assert not (tmp_path / "data").exists()


def test_export_goes_to_the_screen_or_a_file_and_leaves_nothing_to_do(courseyard, either_empty_db, tmp_path):
    printed = courseyard("export").stdout
    assert courseyard("export", "-o", "CREATE.sql").returncode == 0
    assert (tmp_path / "CREATE.sql").read_text() == printed
    with psycopg.connect(either_empty_db, autocommit=True) as connection:
        connection.execute(printed.encode())
    plan = courseyard("plan", url=either_empty_db)
    assert "Nothing to be done" in plan.stdout
    unwritable = courseyard("export", "-o", tmp_path / "no" / "such" / "folder.sql")
    assert unwritable.returncode == 1
    assert "cannot be written" in unwritable.stderr


def test_on_the_embedded_database_it_starts_and_stops_the_server(courseyard, open_folder):
    data = open_folder / "commands"
    plan = courseyard("plan", "--data", data)
    assert plan.returncode == 0
    assert "make the embedded database" in plan.stdout
    assert not data.exists(), "a plan makes nothing"
    assert courseyard("verify", "--data", data).returncode == 1

    assert courseyard("apply", "--data", data).returncode == 0
    assert courseyard("verify", "--data", data).returncode == 0
    assert not (data / "postgres" / "cluster" / "postmaster.pid").exists()
    gone = courseyard("rollback", "--yes", "--data", data)
    assert gone.returncode == 0
    assert list((data / "backups").iterdir())


@pytest.mark.parametrize("command", ["plan", "apply", "verify", "rollback"])
def test_an_unreachable_server_is_one_clear_message(courseyard, command):
    done = courseyard(command, url="postgresql://someone:s3cret@127.0.0.1:1/db")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "127.0.0.1:1/db cannot be reached" in done.stderr
    assert "COURSEYARD_DATABASE_URL" in done.stderr
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize("command", ["plan", "apply", "verify", "rollback"])
def test_a_role_without_rights_is_told_what_it_lacks(courseyard, empty_db, command):
    role = f"poor_{empty_db.rsplit('/', 1)[1]}"
    with psycopg.connect(empty_db, autocommit=True) as connection:
        connection.execute(f"create role {role} login password 'poor'")
        connection.execute("create schema courseyard")
    try:
        done = courseyard(command, url=f"postgresql://{role}:poor@{empty_db.split('@', 1)[1]}")
        assert done.returncode == (0 if command == "rollback" else 1)
        if command in ("plan", "apply"):
            assert "CREATE ON SCHEMA public" in done.stdout + done.stderr
    finally:
        with psycopg.connect(empty_db, autocommit=True) as connection:
            connection.execute(f"drop role {role}")
