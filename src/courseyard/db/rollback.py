"""Takes away what the SQL files made, after a backup. The seven tables of the organisation are never touched."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

from courseyard.db.expected import NEW_TABLES, VIEWS
from courseyard.db.server import Connection, opened
from courseyard.errors import MigrationError

_SCHEMAS = ("courseyard",)

# The queue of jobs: what waits in it is about rows that go, so that it is neither counted nor kept.
_QUEUE = "jobs"

_HEAD = """-- Courseyard: rows of the tables that a rollback dropped.
-- To load it: courseyard db apply, then: gunzip -c THIS-FILE | psql ADDRESS
\\set ON_ERROR_STOP on
begin;
"""

# Tables to drop, parents first, so that rows can be loaded in this order.
_DOOMED = """
with recursive doomed as (
  select c.oid, n.nspname::text as schema, c.relname::text as name
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p')
    and (n.nspname = any(%(schemas)s) or n.nspname = 'public' and c.relname = any(%(tables)s))
),
placed (oid, depth) as (
  select oid, 0 from doomed
  union
  select k.conrelid, p.depth + 1
  from placed as p
  join pg_constraint as k on k.confrelid = p.oid and k.contype = 'f' and k.conrelid <> k.confrelid
  where k.conrelid in (select oid from doomed) and p.depth < 32
)
select d.schema, d.name from doomed as d join placed as p on p.oid = d.oid
group by d.schema, d.name order by max(p.depth), d.schema desc, d.name
"""

_OWN_VIEWS = """
select schemaname::text as schema, viewname::text as name from pg_views where schemaname = any(%(schemas)s)
"""

_COLUMNS = """
select a.attname::text as name, pg_get_serial_sequence(%(table)s, a.attname) as sequence
from pg_attribute as a
where a.attrelid = %(table)s::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
order by a.attnum
"""


def rows_to_lose(url: str) -> dict[str, int]:
    """How many rows each table holds that a rollback would drop; empty tables included, absent ones not."""
    with opened(url) as connection:
        return {f"{schema}.{name}": _count(connection, schema, name) for schema, name in _doomed(connection)}


def write_backup(url: str, folder: Path, *, now: datetime | None = None) -> Path:
    """Write all rows that a rollback would drop into one private file that ``psql`` loads after ``apply``.

    Raises:
        MigrationError: the file cannot be written; nothing was dropped.
    """
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%d-%H%M%S")
    path = folder / f"courseyard-{stamp}.sql.gz"
    draft = path.with_suffix(".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            opened(url) as connection,
            os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as raw,
            gzip.open(raw, "wb") as file,
            connection.transaction(),
        ):
            connection.execute("set transaction isolation level repeatable read, read only")
            for part in _dump(connection):
                file.write(part)
        draft.rename(path)
    except OSError as error:
        raise MigrationError(
            f"The backup {path} cannot be written: {error.strerror}. Nothing was dropped.",
            hint="Make room or name a writable data directory; --no-backup goes without.",
        ) from error
    return path


def rollback(url: str) -> None:
    """Drop the seven new tables, the views, the triggers and the engine's schemas, in one transaction.

    Raises:
        MigrationError: something else depends on them, or a right is missing; nothing was dropped.
    """
    with opened(url) as connection:
        try:
            with connection.transaction():
                connection.execute("set local lock_timeout = '10s'")
                _drop(connection)
        except psycopg.DatabaseError as error:
            if connection.broken:
                raise
            detail = f" {error.diag.message_detail}" if error.diag.message_detail else ""
            raise MigrationError(
                f"Nothing was dropped: {error.diag.message_primary or error}.{detail}",
                hint="Remove what depends on these tables first, or connect as their owner; then try again.",
            ) from error


def _drop(connection: Connection) -> None:
    for view in VIEWS:
        connection.execute(sql.SQL("drop view if exists public.{}").format(sql.Identifier(view)))
    for row in connection.execute(_OWN_VIEWS.encode(), {"schemas": list(_SCHEMAS)}).fetchall():
        connection.execute(sql.SQL("drop view {}").format(sql.Identifier(row["schema"], row["name"])))
    tables = [sql.Identifier(schema, name) for schema, name in _doomed(connection)]
    if tables:
        # Without cascade: a view or a table of somebody else that needs one of these is a reason to stop.
        connection.execute(sql.SQL("drop table {}").format(sql.SQL(", ").join(tables)))
    for schema in (*_SCHEMAS, _QUEUE):
        connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema)))


def _doomed(connection: Connection) -> list[tuple[str, str]]:
    found = connection.execute(_DOOMED.encode(), {"schemas": list(_SCHEMAS), "tables": list(NEW_TABLES)})
    return [(row["schema"], row["name"]) for row in found.fetchall()]


def _count(connection: Connection, schema: str, name: str) -> int:
    query = sql.SQL("select count(*) as n from {}").format(sql.Identifier(schema, name))
    [row] = connection.execute(query).fetchall()
    return int(row["n"])


def _dump(connection: Connection) -> Iterator[bytes]:
    tables = [(schema, name) for schema, name in _doomed(connection) if name != "schema_migrations"]
    yield _HEAD.encode()
    # The rows are consistent as they are: no trigger may count them a second time.
    yield from _each(connection, tables, "alter table {} disable trigger user;\n")
    for schema, name in tables:
        yield from _copy(connection, schema, name)
    yield from _each(connection, tables, "alter table {} enable trigger user;\n")
    yield b"commit;\n"


def _each(connection: Connection, tables: list[tuple[str, str]], statement: LiteralString) -> Iterator[bytes]:
    for schema, name in tables:
        yield sql.SQL(statement).format(sql.Identifier(schema, name)).as_bytes(connection)


def _copy(connection: Connection, schema: str, name: str) -> Iterator[bytes]:
    table = sql.Identifier(schema, name)
    columns = connection.execute(_COLUMNS.encode(), {"table": table.as_string(connection)}).fetchall()
    target = sql.SQL("{} ({})").format(table, sql.SQL(", ").join(sql.Identifier(c["name"]) for c in columns))
    yield sql.SQL("copy {} from stdin;\n").format(target).as_bytes(connection)
    with connection.cursor().copy(sql.SQL("copy {} to stdout").format(target)) as blocks:
        for block in blocks:
            yield bytes(block)
    yield b"\\.\n"
    for column in columns:
        if column["sequence"]:
            yield (
                sql.SQL("select setval({}, coalesce((select max({}) from {}), 0) + 1, false);\n")
                .format(sql.Literal(column["sequence"]), sql.Identifier(column["name"]), table)
                .as_bytes(connection)
            )
