"""Takes away what the migrations made, after a backup. The seven tables of the organisation are never touched."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql

from courseyard.db.expected import NEW_TABLES, VIEWS
from courseyard.db.server import Connection, connect
from courseyard.errors import MigrationError

# Children before parents, so that nothing outside of the list is dropped along.
_DROP_ORDER = (
    "scorm_tracking", "scorm_enrollments", "external_module_progress", "partner_course_mappings", "lms_sync_log",
    "partner_credentials", "scorm_packages",
)  # fmt: skip
_SCHEMAS = ("courseyard", "jobs")


def rows_to_lose(url: str) -> dict[str, int]:
    """How many rows each table holds that a rollback would drop; empty tables included, absent ones not."""
    with connect(url) as connection:
        return {
            f"{schema}.{name}": _count(connection, schema, name)
            for schema, name in _doomed(connection)
        }


def write_backup(url: str, folder: Path, *, now: datetime | None = None) -> Path:
    """Write all rows that a rollback would drop into one file that ``psql`` loads after a fresh ``apply``.

    Raises:
        MigrationError: the file cannot be written.
    """
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%d-%H%M%S")
    path = folder / f"courseyard-{stamp}.sql.gz"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with connect(url) as connection, gzip.open(path, "wb") as file, connection.transaction():
            connection.execute("set transaction isolation level repeatable read, read only")
            file.write(b"-- Load with: gunzip -c FILE | psql ADDRESS (after 'courseyard db apply')\nbegin;\n")
            # Triggers and foreign keys are off while loading: the rows are consistent as they are.
            file.write(b"set session_replication_role = replica;\n")
            for schema, name in _doomed(connection):
                if name != "schema_migrations":
                    _copy(connection, file, schema, name)
            file.write(b"commit;\n")
    except OSError as error:
        raise MigrationError(
            f"The backup {path} cannot be written: {error.strerror}.",
            hint="Make room or name a writable data directory; --no-backup goes without.",
        ) from error
    return path


def rollback(url: str) -> None:
    """Drop the seven new tables, the views, the triggers and the engine's schemas, in one transaction.

    Raises:
        MigrationError: something else depends on them, or a right is missing; nothing was dropped.
    """
    try:
        with connect(url) as connection, connection.transaction():
            connection.execute("set local lock_timeout = '10s'")
            for view in VIEWS:
                connection.execute(sql.SQL("drop view if exists public.{}").format(sql.Identifier(view)))
            # First the engine's schema: its tables hang on the public ones.
            connection.execute(sql.SQL("drop table if exists {}").format(
                sql.SQL(", ").join([*(sql.Identifier("public", t) for t in _DROP_ORDER), *_engine_tables(connection)])
            ))
            connection.execute("drop function if exists public.trigger_set_updated_at()")
            for schema in _SCHEMAS:
                connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema)))
    except psycopg.Error as error:
        raise MigrationError(
            f"Nothing was dropped: {error.diag.message_primary or error}",
            hint=error.diag.message_detail or "Remove what depends on these tables first.",
        ) from error


def _doomed(connection: Connection) -> list[tuple[str, str]]:
    rows = connection.execute(
        "select schemaname::text as schema, tablename::text as name from pg_tables "
        "where schemaname = any(%s) or (schemaname = 'public' and tablename = any(%s)) order by 1 desc, 2",
        [list(_SCHEMAS), list(NEW_TABLES)],
    ).fetchall()
    order = {name: -i for i, name in enumerate(_DROP_ORDER)}
    return sorted(((r["schema"], r["name"]) for r in rows), key=lambda t: (t[0] != "public", order.get(t[1], 0)))


def _engine_tables(connection: Connection) -> list[sql.Composable]:
    return [sql.Identifier(schema, name) for schema, name in _doomed(connection) if schema != "public"]


def _count(connection: Connection, schema: str, name: str) -> int:
    query = sql.SQL("select count(*)::bigint as n from {}").format(sql.Identifier(schema, name))
    row = connection.execute(query).fetchone()
    return int(row["n"]) if row else 0


def _copy(connection: Connection, file: gzip.GzipFile, schema: str, name: str) -> None:
    columns = connection.execute(
        "select attname::text as name from pg_attribute where attrelid = %s::regclass and attnum > 0 "
        "and not attisdropped and attgenerated = '' order by attnum",
        [f'{schema}."{name}"'],
    ).fetchall()
    names = sql.SQL(", ").join(sql.Identifier(c["name"]) for c in columns)
    target = sql.SQL("{} ({})").format(sql.Identifier(schema, name), names)
    file.write(sql.SQL("copy {} from stdin;\n").format(target).as_bytes(connection))
    with connection.cursor().copy(sql.SQL("copy {} to stdout").format(target)) as rows:
        for block in rows:
            file.write(bytes(block))
    file.write(b"\\.\n")
