"""Connections to PostgreSQL for the running server.

Connections keep no session state and use no server-side prepared statements unless a setting says so: they
survive a transaction pooler. Outside of a transaction each query is one round trip and commits by itself.
"""

from __future__ import annotations

import json
import select
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb, set_json_dumps
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from courseyard.db.faults import domain_errors
from courseyard.db.queries import named_queries
from courseyard.errors import DatabaseUnreachableError

Row = dict[str, Any]
_Connection = AsyncConnection[Row]

# More connections than this bring only longer tails; fewer make requests wait (measured with 64 clients).
POOL_SIZE = 12
WAIT_SECONDS = 10.0


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


set_json_dumps(_dumps)


class Queries:
    """Named queries on one connection: what a transaction hands out."""

    def __init__(self, connection: _Connection) -> None:
        """Wrap a connection that somebody else opens and closes."""
        self._connection = connection

    async def one(self, name: str, **params: Any) -> Row | None:
        """The first row, or None."""
        cursor = await self._execute(name, params)
        return await cursor.fetchone()

    async def all(self, name: str, **params: Any) -> list[Row]:
        """All rows."""
        cursor = await self._execute(name, params)
        return await cursor.fetchall()

    async def run(self, name: str, **params: Any) -> int:
        """Run a statement whose rows nobody wants; the number of rows it touched."""
        cursor = await self._execute(name, params)
        return cursor.rowcount

    async def many(self, name: str, rows: list[Mapping[str, Any]]) -> None:
        """Run a statement once per row, in as few round trips as possible."""
        with domain_errors():
            cursor = self._connection.cursor()
            await cursor.executemany(named_queries()[name].encode(), [_adapt(row) for row in rows])

    async def _execute(self, name: str, params: Mapping[str, Any]) -> psycopg.AsyncCursor[Row]:
        with domain_errors():
            return await self._connection.execute(named_queries()[name].encode(), _adapt(params))


class Database:
    """The pool of one process. Open it once, close it at the end."""

    def __init__(self, url: str, *, prepared_statements: bool = False) -> None:
        """Remember the address; nothing is opened yet."""
        self._pool: AsyncConnectionPool[_Connection] = AsyncConnectionPool(
            url,
            connection_class=AsyncConnection[Row],
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "prepare_threshold": 5 if prepared_statements else None,
                "application_name": "courseyard",
                # A peer that vanished without a word (a firewall, a lost host) is noticed in seconds, not hours.
                "keepalives_idle": 30,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": 15_000,
            },
            min_size=1,
            max_size=POOL_SIZE,
            timeout=WAIT_SECONDS,
            open=False,
            check=_check_if_told_something,
        )

    async def open(self) -> None:
        """Open the pool without waiting for the server: what needs it fails with a clear error until it is there."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def one(self, name: str, **params: Any) -> Row | None:
        """The first row of a named query, or None."""
        async with self._connection() as connection:
            return await Queries(connection).one(name, **params)

    async def all(self, name: str, **params: Any) -> list[Row]:
        """All rows of a named query."""
        async with self._connection() as connection:
            return await Queries(connection).all(name, **params)

    async def run(self, name: str, **params: Any) -> int:
        """Run a named statement; the number of rows it touched."""
        async with self._connection() as connection:
            return await Queries(connection).run(name, **params)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Queries]:
        """One transaction as the engine; an exception rolls it back."""
        async with self._connection() as connection, connection.transaction():
            yield Queries(connection)

    @asynccontextmanager
    async def rehearsal(self) -> AsyncIterator[Queries]:
        """One transaction that is taken back at its end, to see what something would do."""
        async with self._connection() as connection, connection.transaction(force_rollback=True):
            yield Queries(connection)

    @asynccontextmanager
    async def as_person(self, claims: Mapping[str, Any]) -> AsyncIterator[Queries]:
        """One transaction as a signed-in person: role ``authenticated`` with these claims, as PostgREST does it.

        Policies decide what it sees and changes.
        """
        async with self._connection() as connection, connection.transaction():
            await connection.execute(
                "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', %s, true)",
                [_dumps(dict(claims))],
            )
            yield Queries(connection)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[_Connection]:
        try:
            with domain_errors():
                async with self._pool.connection() as connection:
                    yield connection
        except PoolTimeout as error:
            raise DatabaseUnreachableError from error


async def _check_if_told_something(connection: _Connection) -> None:
    """Ask the server only when the idle connection has something to read: a farewell, mostly.

    A look at the socket costs nothing; a question before every query would double the round trips.
    """
    watch = select.poll()
    watch.register(connection.fileno(), select.POLLIN)
    if watch.poll(0):
        await AsyncConnectionPool.check_connection(connection)


def _adapt(params: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings and lists of mappings become jsonb; lists of plain values stay arrays."""
    return {name: Jsonb(value) if _is_document(value) else value for name, value in params.items()}


def _is_document(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict | list))
