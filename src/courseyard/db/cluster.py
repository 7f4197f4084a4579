"""The directory of the embedded PostgreSQL: where it lies, whose it is, how it is made."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
from pathlib import Path

from courseyard.db.programs import Owner, Programs, open_folder, reachable, run
from courseyard.errors import SetupError

SUPERUSER = "courseyard"

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


def find_cluster(home: Path) -> Path | None:
    """The cluster that stands: in ``home``, or where its pointer file says.

    Raises:
        SetupError: the pointer leads nowhere, or the cluster belongs to somebody else.
    """
    pointer = home / "elsewhere"
    place = Path(pointer.read_text().strip()) if pointer.exists() else home / "cluster"
    if place.exists() and os.geteuid() not in (0, place.stat().st_uid):
        raise SetupError(
            f"The embedded database in {place} belongs to the user {_user_name(place.stat().st_uid)}.",
            hint=f"Start Courseyard as the user who made it (or as root), or give all of {home} to yourself: "
            f"sudo chown -R $USER {home} {place}",
        )
    if (place / "PG_VERSION").exists():
        return place
    if pointer.exists():
        raise SetupError(
            f"The embedded database should be in {place} (says {pointer}), but it is not there.",
            hint=f"Bring {place} back from a backup; or remove {pointer} to begin with an empty database.",
        )
    return None


def make_cluster(home: Path, programs: Programs, owner: Owner | None, elsewhere: Path) -> Path:
    """Make a cluster in ``home``, or in ``elsewhere`` where the server's user may not walk to ``home``.

    Complete or not at all: a first start that was killed begins anew.

    Raises:
        SetupError: it cannot be made; says why and what to do.
    """
    cluster = _place(home, owner, elsewhere)
    draft = cluster.with_name(f"{cluster.name}.new")
    password_file = cluster.with_name(f"{cluster.name}.pw")
    for leftover in (cluster, draft):
        if leftover.exists():
            shutil.rmtree(leftover)
    draft.mkdir(mode=0o700)
    password = secrets.token_urlsafe(24)
    # initdb reads it as the server's user, so it lies where that user may go.
    write_private(password_file, password)
    for path in (draft, password_file):
        hand_over(path, owner)
    try:
        run(
            [
                programs.path("initdb"), "-D", str(draft), "-U", SUPERUSER, "--encoding=UTF8",
                "--locale=C.UTF-8", "--data-checksums", "--auth=scram-sha-256",
                f"--pwfile={password_file}", "--no-instructions",
            ],
            owner,
        )  # fmt: skip
    finally:
        password_file.unlink(missing_ok=True)
    with (draft / "postgresql.conf").open("a") as file:
        file.write(_SETTINGS)
    write_private(home / "password", password)
    draft.rename(cluster)
    if cluster.parent != home:
        (home / "elsewhere").write_text(f"{cluster}\n")
    return cluster


def check_version(programs: Programs, cluster: Path, home: Path) -> None:
    """Refuse programs of another major version than the one that made the cluster.

    Raises:
        SetupError: with the commands that carry the data over.
    """
    made_by = int((cluster / "PG_VERSION").read_text().strip())
    if made_by == programs.major:
        return
    raise SetupError(
        f"The embedded database was made by PostgreSQL {made_by}; the programs here are version {programs.major}.",
        hint=f"Set COURSEYARD_POSTGRES_BIN to the programs of version {made_by} and everything is as before. "
        f"To move to version {programs.major}: with that setting run 'courseyard serve', and beside it "
        f'\'PGPASSWORD=$(cat "{home}/password") pg_dump -h 127.0.0.1 -p $(cat "{home}/port") -U {SUPERUSER} '
        f"-Fc -f courseyard.dump {SUPERUSER}'. Stop it, move {home} away, unset the setting, start "
        f"'courseyard serve' again, and load the rows: 'PGPASSWORD=… pg_restore --clean --if-exists "
        f"-h 127.0.0.1 -p … -U {SUPERUSER} -d {SUPERUSER} courseyard.dump'.",
    )


def owner_of(cluster: Path, wanted: Owner | None, *, chosen: bool) -> Owner | None:
    """Whom a standing cluster's server runs as, if we are root: its owner, unless another was ``chosen``."""
    if wanted is None:
        return None
    stands = cluster.stat()
    if stands.st_uid == wanted.uid:
        return wanted
    if stands.st_uid != 0 and not chosen:
        return Owner(_user_name(stands.st_uid), stands.st_uid, stands.st_gid)
    for path in [cluster, *cluster.rglob("*")]:
        hand_over(path, wanted)
    return wanted


def reset_password(programs: Programs, cluster: Path, home: Path, owner: Owner | None) -> None:
    """Set a new password on a stopped cluster whose password file is lost."""
    password = secrets.token_urlsafe(24)
    run(
        [programs.path("postgres"), "--single", "-D", str(cluster), "postgres"],
        owner,
        text=f"alter role {SUPERUSER} password '{password}'\n",
    )
    write_private(home / "password", password)


def hand_over(path: Path, owner: Owner | None) -> None:
    """Give a file of the cluster to the server's user; never called for anything above the cluster."""
    if owner is not None:
        os.chown(path, owner.uid, owner.gid, follow_symlinks=False)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads; complete or not at all."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.rename(path)


def _place(home: Path, owner: Owner | None, elsewhere: Path) -> Path:
    if reachable(home, owner):
        return home / "cluster"
    open_folder(elsewhere)
    if owner is not None and not reachable(elsewhere, owner):
        raise SetupError(
            f"The user {owner.name}, as whom PostgreSQL runs, may walk neither to {home} nor to {elsewhere}.",
            hint=f"Put the data directory where {owner.name} may go, for example --data /srv/courseyard, "
            "or set COURSEYARD_POSTGRES_USER to a user who may.",
        )
    # A name of its own each time: a data directory that is removed and made anew begins empty.
    return elsewhere / f"{home.parent.name}-{secrets.token_hex(4)}"


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
