"""Applies the migrations: plain SQL files, each in one transaction, under an advisory lock, with a ledger.

Every file may be run again without harm. So a file is run when the ledger does not know it, when a function file
has changed, and — all of them — when objects are missing though the ledger says they were made (somebody dropped
tables by hand). A migration that was applied and then edited is refused: it would never reach those who have it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import resources

import psycopg

from courseyard.db.server import Connection, connect
from courseyard.db.verify import missing_objects, verify
from courseyard.errors import MigrationError, SetupError

MIN_VERSION = 15

# Any number will do as long as it stays the same: all appliers wait on it.
_LOCK_KEY = 0x636F7572736579

# Waiting for a lock longer than this would hold up the learners behind us; a migration that takes longer is wrong.
_LOCK_TIMEOUT = "10s"
_STATEMENT_TIMEOUT = "5min"

LEDGER = """
create schema if not exists courseyard;
create table if not exists courseyard.schema_migrations (
  name text primary key,
  checksum text not null,
  applied_at timestamptz not null default now()
);
alter table courseyard.schema_migrations enable row level security;
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file. ``repeatable`` ones hold functions: they are run again whenever their text changes."""

    name: str
    text: str
    repeatable: bool

    @property
    def checksum(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@cache
def migrations() -> tuple[Migration, ...]:
    """All files in the order in which they run: the migrations by number, then the functions."""
    root = resources.files("courseyard.db") / "sql"
    found = []
    for folder in ("migrations", "functions"):
        files = sorted((f for f in (root / folder).iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
        found += [
            Migration(f"{folder}/{f.name}", f.read_text("utf-8"), repeatable=folder == "functions") for f in files
        ]
    return tuple(found)


def ledger(connection: Connection) -> dict[str, str]:
    """Name and checksum of what was applied; empty where nothing was."""
    there = connection.execute("select to_regclass('courseyard.schema_migrations') is not null as there").fetchone()
    if not there or not there["there"]:
        return {}
    rows = connection.execute("select name, checksum from courseyard.schema_migrations").fetchall()
    return {row["name"]: row["checksum"] for row in rows}


def pending(connection: Connection) -> list[Migration]:
    """What ``apply`` would run now.

    Raises:
        MigrationError: an applied migration was edited afterwards.
    """
    done = ledger(connection)
    edited = [m.name for m in migrations() if not m.repeatable and done.get(m.name, m.checksum) != m.checksum]
    if edited:
        raise MigrationError(
            f"{', '.join(edited)} differs from what was applied to this database.",
            hint="Restore the file as it was released and put the change into a new migration.",
        )
    if done and missing_objects(connection):
        return list(migrations())
    return [m for m in migrations() if done.get(m.name) != m.checksum]


def apply(url: str, report: Callable[[str], None] = lambda _: None) -> list[str]:
    """Bring a database up to date and verify it; the names of the files that ran.

    Raises:
        MigrationError: a file failed (nothing of it stays), or the outcome is not as it should be.
        SetupError: the server is too old or read-only.
    """
    with connect(url) as connection, _alone(connection):
        check_server(connection)
        todo = pending(connection)
        if todo:
            _run(connection, "the ledger", LEDGER)
        for migration in todo:
            report(f"applying {migration.name}")
            _run(connection, migration.name, migration.text, record=migration)
        problems = verify(connection)
        if problems:
            raise MigrationError(
                "The database is not as it should be: " + "; ".join(problems),
                hint="Run 'courseyard db plan' for the whole picture.",
            )
        return [m.name for m in todo]


def check_server(connection: Connection) -> None:
    """Refuse servers that cannot hold the schema.

    Raises:
        SetupError: too old, or read-only.
    """
    version = connection.info.server_version // 10000
    if version < MIN_VERSION:
        raise SetupError(
            f"This is PostgreSQL {version}; version {MIN_VERSION} or later is needed.",
            hint="Upgrade the server, or unset COURSEYARD_DATABASE_URL to use the embedded one.",
        )
    row = connection.execute("select current_setting('transaction_read_only') as read_only").fetchone()
    if row and row["read_only"] == "on":
        raise SetupError(
            "This server or connection is read-only (a replica, or a full disk).",
            hint="Use the address of the primary server.",
        )


def ensure_current(url: str, *, embedded: bool, report: Callable[[str], None] = lambda _: None) -> None:
    """Before serving: the embedded database is brought up to date, any other one only checked.

    Raises:
        SetupError: migrations are pending on a database that is not ours to change without being told.
    """
    if embedded:
        apply(url, report)
        return
    with connect(url) as connection:
        check_server(connection)
        todo = pending(connection)
    if todo:
        raise SetupError(
            f"The database is not up to date: {len(todo)} of {len(migrations())} files are to be applied.",
            hint="Run 'courseyard db plan' to see what would happen, then 'courseyard db apply'.",
        )


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Hold the lock that makes two appliers at once harmless; a killed one lets go with its connection."""
    connection.execute("select pg_advisory_lock(%s)", [_LOCK_KEY])
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute("select pg_advisory_unlock(%s)", [_LOCK_KEY])


def _run(connection: Connection, name: str, text: str, record: Migration | None = None) -> None:
    try:
        with connection.transaction():
            connection.execute(f"set local lock_timeout = '{_LOCK_TIMEOUT}'")
            connection.execute(f"set local statement_timeout = '{_STATEMENT_TIMEOUT}'")
            connection.execute("set local client_min_messages = 'warning'")
            connection.execute(text.encode())
            if record is not None:
                connection.execute(
                    "insert into courseyard.schema_migrations (name, checksum) values (%s, %s) "
                    "on conflict (name) do update set checksum = excluded.checksum, applied_at = now()",
                    [record.name, record.checksum],
                )
    except psycopg.Error as error:
        raise MigrationError(
            f"{name} was not applied, and nothing of it stays: {error.diag.message_primary or error}",
            hint=_advice(error),
        ) from error


def _advice(error: psycopg.Error) -> str:
    if error.diag.message_hint:
        return error.diag.message_hint
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return (
            "This role lacks a right. Connect as the owner of the database (on Supabase: the role postgres), "
            "or have that owner grant CREATE on the database and on schema public."
        )
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return "Another session holds a table for long. Try again when it is quiet; nothing was changed."
    return "Run 'courseyard db plan' to see what stands in the way."
