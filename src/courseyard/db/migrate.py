"""Applies the SQL files: each in one transaction, under an advisory lock, with a ledger.

Every file may be run again without harm. So a file is run when the ledger does not know it, when a function file
has changed, and — all of them — when something differs from what the ledger says was made (somebody dropped tables
or gave rights by hand, or a run was broken off). A migration that was applied and then edited is refused: it would
never reach those who have it.

The lock is taken anew in each transaction, not for the session: a transaction pooler keeps no sessions.
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from psycopg import errors as pg

from courseyard.db import server
from courseyard.db.queries import named_queries
from courseyard.db.scripts import Script, ledger_script, scripts
from courseyard.db.server import Connection, looking, opened, read_only
from courseyard.db.verify import missing_objects, rows, verify
from courseyard.errors import MigrationError, SetupError

MIN_VERSION = 15

# Any number will do as long as it stays the same: all appliers wait on it.
_LOCK_KEY = 0x636F7572736579

# A file that takes longer is wrong.
_STATEMENT_TIMEOUT = "5min"

Report = Callable[[str], None]


def _silent(_: str) -> None:
    """Nobody listens."""


def ledger(connection: Connection) -> dict[str, str]:
    """Name and checksum of what was applied; empty where nothing was."""
    [found] = rows(connection, "checks.has_ledger")
    if not found["there"]:
        return {}
    return {row["name"]: row["checksum"] for row in rows(connection, "checks.ledger")}


def pending(connection: Connection, *, repair: bool = True) -> list[Script]:
    """What ``apply`` would run now; without ``repair`` only what the server cannot do without.

    Raises:
        MigrationError: an applied migration was edited afterwards, or the database is of a later release.
    """
    done = ledger(connection)
    fixed = [s for s in scripts() if not s.repeatable and not s.only_checks]
    edited = [s.name for s in fixed if done.get(s.name, s.checksum) != s.checksum]
    if edited:
        raise MigrationError(
            f"{', '.join(edited)} differs from what was applied to this database.",
            hint="Restore the file as it was released and put the change into a new migration.",
        )
    unknown = sorted(n for n in done.keys() - {s.name for s in scripts()} if n.startswith("migrations/"))
    if unknown:
        raise MigrationError(
            f"This database was brought up to date by a later release: it has {', '.join(unknown)}.",
            hint="Install that release or a newer one here.",
        )
    if done and (verify(connection) if repair else missing_objects(connection)):
        return list(scripts())
    if all(s.only_checks or done.get(s.name) == s.checksum for s in scripts()):
        return []
    return [s for s in scripts() if s.only_checks or done.get(s.name) != s.checksum]


def apply(url: str, report: Report = _silent) -> list[str]:
    """Bring a database up to date and verify it; the names of the files that ran.

    Raises:
        MigrationError: a file failed (nothing of it stays), or the outcome is not as it should be.
        SetupError: the server is too old or read-only.
    """
    with opened(url) as connection:
        check_server(connection)
        _pass_notices_on(connection, report)
        with looking(connection):
            todo = pending(connection)
            again = len(todo) == len(scripts()) and bool(ledger(connection))
        ran = [script.name for script in todo if _run(connection, script, report, again=again)]
        with looking(connection):
            problems = verify(connection)
        if problems:
            raise MigrationError(
                "The database is not as it should be: " + "; ".join(problems) + ".",
                hint="Undo what was changed by hand; Courseyard's own files do not bring it back.",
            )
        return ran


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
    [row] = connection.execute("select current_setting('transaction_read_only') as state").fetchall()
    if row["state"] == "on":
        raise read_only()


def ensure_current(url: str, *, embedded: bool, report: Report = _silent) -> None:
    """Before serving: the embedded database is brought up to date, any other one only checked.

    Raises:
        SetupError: files are pending on a database that is not ours to change without being told.
    """
    if embedded:
        apply(url, report)
        return
    with opened(url) as connection:
        check_server(connection)
        with looking(connection):
            todo = pending(connection, repair=False)
    if todo:
        raise SetupError(
            f"The database is not up to date: {len(todo)} of {len(scripts())} files are to be applied.",
            hint="Run 'courseyard db plan' to see what would happen, then 'courseyard db apply'.",
        )


def _pass_notices_on(connection: Connection, report: Report) -> None:
    """What our files tell people; the server's own "already exists, skipping" is left out."""

    def tell(notice: psycopg.errors.Diagnostic) -> None:
        if notice.sqlstate in ("00000", "01000"):
            hint = f" {notice.message_hint}" if notice.message_hint else ""
            report(f"{(notice.severity_nonlocalized or 'NOTICE').lower()}: {notice.message_primary}{hint}")

    connection.add_notice_handler(tell)


def _run(connection: Connection, script: Script, report: Report, *, again: bool) -> bool:
    """Run one file and record it, all or nothing; False if another applier was faster."""
    try:
        with connection.transaction():
            connection.execute(f"set local statement_timeout = '{_STATEMENT_TIMEOUT}'")
            connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK_KEY])
            if not again and ledger(connection).get(script.name) == script.checksum:
                return False
            report(f"applying {script.name}")
            connection.execute(f"set local lock_timeout = '{server.LOCK_TIMEOUT}'")
            connection.execute(script.text.encode())
            if not script.only_checks:
                connection.execute(ledger_script().encode())
                connection.execute(
                    named_queries()["checks.record"].encode(),
                    {"name": script.name, "checksum": script.checksum},
                )
    except (psycopg.DatabaseError, psycopg.InterfaceError) as error:
        if connection.broken:
            raise
        raise MigrationError(
            f"{script.name} was not applied, and nothing of it stays: {error.diag.message_primary or error}",
            hint=_advice(error),
        ) from error
    return True


def _advice(error: psycopg.Error) -> str:
    if error.diag.message_hint:
        return error.diag.message_hint
    if isinstance(error, pg.InsufficientPrivilege):
        return (
            "This role lacks a right. Connect as the owner of the database (on Supabase: the role postgres), "
            "or have that owner grant CREATE on the database and on schema public."
        )
    if isinstance(error, pg.LockNotAvailable | pg.DeadlockDetected | pg.QueryCanceled):
        return server.BUSY
    if isinstance(error, pg.ReadOnlySqlTransaction):
        return read_only().advice
    return "Run 'courseyard db plan' to see what stands in the way."
