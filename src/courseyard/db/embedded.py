"""The embedded PostgreSQL: a server of our own in the data directory, for those who have none.

What is true is what a real connection says: a PID file or a process table proves nothing after a crash.
Several commands may use one server at once; the last one that uses it stops it. Each holds a shared lock for
as long, so that one that was killed is no longer counted.
"""

from __future__ import annotations

import fcntl
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path

import psycopg

from courseyard.db.cluster import (
    SUPERUSER,
    check_version,
    find_cluster,
    hand_over,
    make_cluster,
    owner_of,
    reset_password,
    write_private,
)
from courseyard.db.programs import Owner, Programs, find_programs, run, server_owner, within_reach
from courseyard.errors import SetupError

DATABASE = "courseyard"

# A crash recovery of a large database may take this long; a healthy server is up in under a second.
START_SECONDS = 120
STOP_SECONDS = 60

# Where the cluster goes when the server's own user may not walk to the data directory (a root's home).
ELSEWHERE = Path("/var/lib/courseyard")

# The log of a server that is started often and never looked at must not fill the disk.
_MAX_LOG_BYTES = 10 * 1024 * 1024

# Queries of a crashed server may take a moment to notice; until then PostgreSQL refuses to start another one.
_LINGERING_SECONDS = 30


class EmbeddedServer:
    """One PostgreSQL server for one data directory."""

    def __init__(
        self,
        data: Path,
        *,
        programs: Path | None = None,
        user: str | None = None,
        elsewhere: Path = ELSEWHERE,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``user``: whom the server runs as when we are root; ``report`` is told what people should know."""
        self._data = data.absolute()
        self._home = self._data / "postgres"
        self._wanted_programs = programs
        self._owner_chosen = user is not None
        self._owner = server_owner(user)
        self._elsewhere = elsewhere
        self._report = report
        self._using: TextIOWrapper | None = None

    def start(self) -> str:
        """Have the server running and return its address; the first time makes the cluster.

        Raises:
            SetupError: it cannot be made or started; says why and what to do.
        """
        with _clear_words(self._data):
            self._data.mkdir(parents=True, exist_ok=True)
            self._home.mkdir(exist_ok=True, mode=0o711)
            with self._lock():
                programs, cluster = self._cluster()
                if self._using is None:
                    self._using = (self._home / "users").open("w")
                    fcntl.flock(self._using, fcntl.LOCK_SH)
                try:
                    self._have_running(programs, cluster)
                except BaseException:
                    self._using.close()
                    self._using = None
                    raise
        return self.url()

    def stop(self) -> None:
        """Stop using the server. The last user stops it: connections are cut, nothing committed is lost."""
        using, self._using = self._using, None
        if using is None:
            return
        with _clear_words(self._data), self._lock(), using:
            try:
                fcntl.flock(using, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            programs, cluster = self._cluster()
            self._stop(programs, cluster)

    def url(self) -> str:
        """The address of the server, password included: never for a log."""
        return self._url(DATABASE)

    def _url(self, database: str) -> str:
        port = (self._home / "port").read_text().strip()
        password = (self._home / "password").read_text().strip()
        # Said here because the environment may hold PGSSLMODE for another server.
        return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}?sslmode=disable"

    def _cluster(self) -> tuple[Programs, Path]:
        programs = within_reach(find_programs(self._wanted_programs), self._owner, self._elsewhere)
        cluster = find_cluster(self._home)
        if cluster is None:
            cluster = make_cluster(self._home, programs, self._owner, self._elsewhere)
            if self._owner is not None and cluster.parent != self._home:
                self._report(
                    f"The database lies in {cluster}: the user {self._owner.name} may not walk to {self._home}."
                )
        check_version(programs, cluster, self._home)
        self._owner = owner_of(cluster, self._owner, chosen=self._owner_chosen)
        return programs, cluster

    # -- running ---------------------------------------------------------------------------------------------

    def _have_running(self, programs: Programs, cluster: Path) -> None:
        if not (self._home / "password").exists():
            self._stop(programs, cluster)
            reset_password(programs, cluster, self._home, self._owner)
        until = time.monotonic() + START_SECONDS
        while True:
            pid = _living_postmaster(cluster, self._owner)
            if pid is None:
                self._start(programs, cluster)
            else:
                self._adopt_port(cluster)
            problem = _knock(self._url("postgres"))
            if problem is None:
                break
            if time.monotonic() > until:
                raise SetupError(
                    f"The embedded PostgreSQL runs (process {pid}) but does not answer: {problem}",
                    hint=f"Read {_log(cluster)}; if it hangs, end that process and try again.",
                )
            time.sleep(0.1)
        self._have_database()

    def _start(self, programs: Programs, cluster: Path) -> None:
        _drop_stale_pid_file(cluster)
        log = _log(cluster)
        if log.exists() and log.stat().st_size > _MAX_LOG_BYTES:
            log.rename(log.with_suffix(".log.1"))
        log.touch()
        hand_over(log, self._owner)
        until = time.monotonic() + _LINGERING_SECONDS
        while True:
            before = log.stat().st_size
            done = run(
                [
                    programs.path("pg_ctl"), "start", "-D", str(cluster), "-w", "-t", str(START_SECONDS),
                    "-l", str(log), "-o", f"-p {self._free_port()}",
                ],
                self._owner,
                check=False,
            )  # fmt: skip
            if done.returncode == 0:
                return
            words = log.read_bytes()[before:].decode(errors="replace").strip()
            # A port that was taken since we looked, or the last queries of a crashed server: try again.
            passing = "could not bind" in words or "shared memory block" in words
            if not passing or time.monotonic() > until:
                raise SetupError(
                    "The embedded PostgreSQL did not start: "
                    + " / ".join((words or done.stderr.strip()).splitlines()[-3:]),
                    hint=f"Read {log}; check free disk space and memory, then try again.",
                )
            time.sleep(0.3)

    def _stop(self, programs: Programs, cluster: Path) -> None:
        for mode in ("fast", "immediate"):
            if _living_postmaster(cluster, self._owner) is None:
                return
            run(
                [
                    programs.path("pg_ctl"), "stop", "-D", str(cluster), "-m", mode,
                    "-w", "-t", str(STOP_SECONDS),
                ],
                self._owner,
                check=False,
            )  # fmt: skip

    def _free_port(self) -> int:
        """The port of last time if it is free, else another one."""
        file = self._home / "port"
        with suppress(OSError, ValueError):
            port = int(file.read_text().strip())
            if _is_free(port):
                return port
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        write_private(file, str(port))
        return port

    def _adopt_port(self, cluster: Path) -> None:
        """A running server knows its port better than our file, which may be lost."""
        with suppress(OSError, IndexError):
            port = (cluster / "postmaster.pid").read_text().splitlines()[3].strip()
            file = self._home / "port"
            if port and (not file.exists() or file.read_text().strip() != port):
                write_private(file, port)

    def _have_database(self) -> None:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            known = connection.execute("select from pg_database where datname = %s", [DATABASE]).fetchone()
            if known is None:
                connection.execute(f"create database {DATABASE}")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One process at a time decides whether to start or to stop."""
        with (self._home / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _knock(url: str) -> str | None:
    """None if the server answers, else why not."""
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError as error:
        words = str(error).strip().splitlines()
        return words[-1] if words else "no reason given"
    return None


def _log(cluster: Path) -> Path:
    return cluster.with_name(f"{cluster.name}.log")


def _pid_in_file(cluster: Path) -> int | None:
    try:
        return int((cluster / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None


def _living_postmaster(cluster: Path, owner: Owner | None) -> int | None:
    """The process of the server on this very directory, if it lives.

    After a crash the number in the PID file may belong to a zombie, or to any other program by now.
    """
    pid = _pid_in_file(cluster)
    if pid is None or _state(pid) in ("", "Z", "X"):
        return None
    # Asked as the server's user: root in a container may not look into processes of others.
    folder = run(["readlink", f"/proc/{pid}/cwd"], owner, check=False).stdout.strip()
    return pid if folder == str(cluster.resolve()) else None


def _drop_stale_pid_file(cluster: Path) -> None:
    """We hold the lock and no server lives here; yet PostgreSQL would heed a process of its number."""
    pid = _pid_in_file(cluster)
    if pid is not None and _state(pid):
        (cluster / "postmaster.pid").unlink()


def _state(pid: int) -> str:
    """The kernel's letter for a process, 'Z' for a zombie; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (OSError, IndexError):
        return ""


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextmanager
def _clear_words(data: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"{error.strerror or error}" + (f" ({error.filename})" if error.filename else "")
        raise SetupError(
            f"The data directory {data} cannot be used: {what}.",
            hint="Name a writable one with --data or COURSEYARD_DATA, or start as the user who owns it.",
        ) from error
