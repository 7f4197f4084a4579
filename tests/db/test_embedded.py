"""The embedded server: real starts, real crashes, real neighbours."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from courseyard.db.embedded import EmbeddedServer
from courseyard.db.programs import find_programs
from courseyard.errors import SetupError

AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root starts the server as another user")

USE = (
    "import sys; from pathlib import Path; from courseyard.db.embedded import EmbeddedServer;"
    "import psycopg; server = EmbeddedServer(Path(sys.argv[1]));"
    "connection = psycopg.connect(server.start()); print(connection.info.port, flush=True);"
    "sys.stdin.read(); connection.close(); server.stop()"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory, open_folder) -> Path:
    """A data directory whose server ran once and was stopped; copied by the tests, because initdb takes a second."""
    data = open_folder / "made"
    server = EmbeddedServer(data)
    with psycopg.connect(server.start()) as connection:
        connection.execute("create table kept (word text)")
        connection.execute("insert into kept values ('still here')")
    server.stop()
    return data


@pytest.fixture
def data(made, open_folder, request) -> Path:
    copy = open_folder / f"copy-{abs(hash(request.node.name))}"
    subprocess.run(["cp", "-a", made, copy], check=True)
    yield copy
    if (copy / "postgres").is_dir():
        leftover = EmbeddedServer(copy)
        pid_file = copy / "postgres" / "cluster" / "postmaster.pid"
        if pid_file.exists():
            leftover.start()
        leftover.stop()
    shutil.rmtree(copy)


def words(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("select word from kept")]


def runs(data: Path) -> bool:
    port = int((data / "postgres" / "port").read_text())
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def postmaster(data: Path) -> int:
    return int((data / "postgres" / "cluster" / "postmaster.pid").read_text().split()[0])


def crash(data: Path) -> int:
    pid = postmaster(data)
    os.kill(pid, signal.SIGKILL)
    return pid


def rewrite_pid(data: Path, pid: int) -> None:
    file = data / "postgres" / "cluster" / "postmaster.pid"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([str(pid), *lines[1:]]) + "\n")


def test_starts_keeps_its_rows_and_stops(data):
    server = EmbeddedServer(data)
    first = server.start()
    assert words(first) == ["still here"]
    with psycopg.connect(first) as connection:
        shown = {
            name: connection.execute(f"show {name}").fetchone()[0]
            for name in ("fsync", "listen_addresses", "max_connections", "server_encoding", "data_checksums")
        }
    server.stop()
    assert shown == {
        "fsync": "on",
        "listen_addresses": "127.0.0.1",
        "max_connections": "100",
        "server_encoding": "UTF8",
        "data_checksums": "on",
    }
    assert not runs(data)
    again = EmbeddedServer(data)
    assert again.start() == first, "the address stays while its port is free"
    again.stop()


def test_nobody_gets_in_without_the_password_and_only_the_owner_reads_it(data):
    server = EmbeddedServer(data)
    url = server.start()
    password = (data / "postgres" / "password").read_text()
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(url.replace(password, "guessed"))
    assert (data / "postgres" / "password").stat().st_mode & 0o777 == 0o600
    server.stop()


@pytest.mark.parametrize("same_object", [True, False])
def test_recovers_after_its_postmaster_was_killed(data, same_object):
    server = EmbeddedServer(data)
    with psycopg.connect(server.start()) as connection:
        connection.execute("insert into kept values ('committed before the crash')")
    crash(data)
    again = server if same_object else EmbeddedServer(data)
    assert words(again.start()) == ["still here", "committed before the crash"]
    again.stop()
    server.stop()
    assert not runs(data)


def test_a_pid_file_that_names_another_living_program_does_not_stop_it(data):
    crashed = EmbeddedServer(data)
    crashed.start()
    crash(data)
    owner = {"user": "nobody"} if AS_ROOT else {}
    foreign = subprocess.Popen(["sleep", "60"], **owner)
    try:
        rewrite_pid(data, foreign.pid)
        server = EmbeddedServer(data)
        assert words(server.start()) == ["still here"]
        assert foreign.poll() is None, "the other program is left alone"
        server.stop()
        crashed.stop()
    finally:
        foreign.kill()
        foreign.wait()


def test_a_pid_file_that_names_the_server_of_another_directory_does_not_stop_it(data, made):
    neighbour = EmbeddedServer(made)
    neighbour.start()
    crashed = EmbeddedServer(data)
    crashed.start()
    crash(data)
    rewrite_pid(data, postmaster(made))
    server = EmbeddedServer(data)
    assert words(server.start()) == ["still here"]
    assert runs(made)
    server.stop()
    crashed.stop()
    neighbour.stop()


def test_the_last_one_who_uses_it_stops_it(data):
    serve, command = EmbeddedServer(data), EmbeddedServer(data)
    assert serve.start() == command.start()
    command.stop()
    assert runs(data), "a second command leaves the server to the first"
    command.start()
    serve.stop()
    assert runs(data), "the first one leaves it to a command that still works"
    command.stop()
    assert not runs(data)


def test_a_user_that_was_killed_is_not_counted(data):
    with subprocess.Popen(
        [sys.executable, "-c", USE, data], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout.readline().strip().isdigit()
        killed.kill()
    assert runs(data), "the server outlives a killed command"
    server = EmbeddedServer(data)
    assert words(server.start()) == ["still here"]
    server.stop()
    assert not runs(data)


def test_four_commands_at_once_share_one_server(data):
    users = [
        subprocess.Popen([sys.executable, "-c", USE, data], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    ports = {user.stdout.readline().strip() for user in users}
    assert len(ports) == 1
    assert ports != {""}
    for user in users:
        user.communicate("")
        assert user.returncode == 0
    assert not runs(data)


def test_ctrl_c_at_the_terminal_does_not_reach_the_server(data):
    server = EmbeddedServer(data)
    server.start()
    pid = postmaster(data)
    assert os.getsid(pid) != os.getsid(0)
    server.stop()


def test_another_major_version_is_refused_with_the_way_out(data):
    version = data / "postgres" / "cluster" / "PG_VERSION"
    own = version.read_text()
    version.write_text("14\n")
    with pytest.raises(SetupError, match="made by PostgreSQL 14") as refused:
        EmbeddedServer(data).start()
    assert "pg_dump" in refused.value.advice
    assert "pg_restore" in refused.value.advice
    version.write_text(own)


def test_a_port_that_somebody_else_took_is_left_to_them(data):
    server = EmbeddedServer(data)
    server.start()
    server.stop()
    port = int((data / "postgres" / "port").read_text())
    with socket.create_server(("127.0.0.1", port)):
        url = server.start()
        assert words(url) == ["still here"]
        assert f":{port}/" not in url
        server.stop()


@pytest.mark.parametrize("running", [True, False])
def test_a_lost_password_or_port_file_is_made_anew(data, running):
    first = EmbeddedServer(data)
    if running:
        first.start()
    for name in ("password", "port"):
        (data / "postgres" / name).unlink()
    server = EmbeddedServer(data)
    assert words(server.start()) == ["still here"]
    server.stop()
    first.stop()


def test_a_first_start_that_was_killed_begins_anew(open_folder):
    data = open_folder / "half"
    half = data / "postgres" / "cluster.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    server = EmbeddedServer(data)
    with psycopg.connect(server.start()) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    server.stop()
    assert not half.exists()


def test_a_data_directory_that_is_a_file_is_told(open_folder):
    (open_folder / "file").write_text("")
    with pytest.raises(SetupError, match="cannot be used") as refused:
        EmbeddedServer(open_folder / "file").start()
    assert "--data" in refused.value.advice


def test_a_folder_without_programs_is_told(open_folder):
    with pytest.raises(SetupError, match="no PostgreSQL programs") as refused:
        find_programs(open_folder)
    assert "COURSEYARD_POSTGRES_BIN" in refused.value.advice


def test_settings_for_another_server_in_the_environment_do_not_disturb(data, monkeypatch):
    monkeypatch.setenv("PGSSLMODE", "require")
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nonexistent")
    server = EmbeddedServer(data)
    assert words(server.start()) == ["still here"]
    server.stop()


@needs_root
def test_as_root_it_runs_as_somebody_else_and_leaves_the_parents_alone(data):
    before = {path: (path.stat().st_mode, path.stat().st_uid) for path in [data, *data.parents]}
    server = EmbeddedServer(data)
    server.start()
    assert Path(f"/proc/{postmaster(data)}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
    server.stop()
    assert {path: (path.stat().st_mode, path.stat().st_uid) for path in before} == before


@needs_root
def test_as_root_the_owner_of_a_standing_cluster_is_kept_and_a_chosen_one_gets_it(data):
    cluster = data / "postgres" / "cluster"
    chosen = EmbeddedServer(data, user="daemon")
    assert words(chosen.start()) == ["still here"]
    chosen.stop()
    assert cluster.owner() == "daemon"
    kept = EmbeddedServer(data)
    assert words(kept.start()) == ["still here"]
    kept.stop()
    assert cluster.owner() == "daemon"


@needs_root
@pytest.mark.parametrize("user", ["root", "no-such-user"])
def test_as_root_an_unusable_user_is_told(data, user):
    with pytest.raises(SetupError, match=f"'{user}' is no other user") as refused:
        EmbeddedServer(data, user=user)
    assert "COURSEYARD_POSTGRES_USER" in refused.value.advice


@needs_root
def test_as_root_below_a_closed_folder_the_cluster_lies_elsewhere(open_folder):
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    told: list[str] = []
    elsewhere = open_folder / "elsewhere"
    server = EmbeddedServer(closed / "data", elsewhere=elsewhere, report=told.append)
    with psycopg.connect(server.start()) as connection:
        connection.execute("create table kept as select 'elsewhere'::text as word")
    server.stop()
    assert closed.stat().st_mode & 0o777 == 0o700
    assert str(elsewhere) in told[0]

    told.clear()
    again = EmbeddedServer(closed / "data", elsewhere=elsewhere, report=told.append)
    assert words(again.start()) == ["elsewhere"]
    again.stop()
    assert told == [], "said once"

    shutil.rmtree(closed / "data")
    fresh = EmbeddedServer(closed / "data", elsewhere=elsewhere)
    with psycopg.connect(fresh.start()) as connection:
        assert connection.execute("select to_regclass('kept')").fetchone() == (None,)
    fresh.stop()

    shutil.rmtree(elsewhere)
    with pytest.raises(SetupError, match="not there"):
        EmbeddedServer(closed / "data", elsewhere=elsewhere).start()


@needs_root
def test_as_root_programs_in_a_closed_folder_are_copied(open_folder):
    closed = open_folder / "venv"
    closed.mkdir(mode=0o700)
    programs = find_programs()
    package = programs.folder.parents[1]
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, closed / part.name, symlinks=True)
    folder = closed / package.name / "pginstall" / "bin"
    elsewhere = open_folder / "copies"
    server = EmbeddedServer(open_folder / "with-copy", programs=folder, elsewhere=elsewhere)
    with psycopg.connect(server.start()) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    server.stop()
    assert [path.name.rsplit("-", 1)[1] for path in elsewhere.iterdir()] == [programs.version]
