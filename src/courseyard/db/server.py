"""A plain connection for the commands: clear words when it cannot be opened, or when the server refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors as pg
from psycopg.rows import dict_row

from courseyard.errors import DatabaseUnreachableError, MigrationError, SetupError

Connection = psycopg.Connection[dict[str, Any]]

# Waiting for a table longer than this would hold up the learners behind us.
LOCK_TIMEOUT = "10s"

BUSY = "Other sessions hold the tables for long. Try again when it is quiet; nothing was changed."

# What the server or the resolver says, and what a person can do about it.
_ADVICE = (
    ("password authentication failed", "Check user and password in COURSEYARD_DATABASE_URL."),
    ("no password supplied", "Put the password into COURSEYARD_DATABASE_URL: postgresql://user:password@host/…"),
    ("does not exist", "Check the names of user and database in COURSEYARD_DATABASE_URL."),
    ("no pg_hba.conf entry", "The server does not let this address in: ask whoever runs it, or add ?sslmode=require."),
    ("does not support SSL", "Remove sslmode=require from COURSEYARD_DATABASE_URL, or turn TLS on at the server."),
    ("resolve", "Check the host name in COURSEYARD_DATABASE_URL and your network."),
    ("too many", "The server has no connection left: stop other programs, or raise its max_connections."),
    ("Tenant or user not found", "On a Supabase pooler the user is postgres.PROJECT: copy the address from Connect."),
)


@contextmanager
def opened(url: str) -> Iterator[Connection]:
    """A connection that commits by itself, closed at the end; what the server refuses becomes one clear error.

    Raises:
        DatabaseUnreachableError: no server, wrong password, unknown database, or the connection was lost.
        SetupError: the address cannot be read.
        MigrationError: the server refuses something, mostly for want of a right.
    """
    with connect(url) as connection:
        try:
            yield connection
        except pg.InsufficientPrivilege as error:
            raise MigrationError(
                f"The role {connection.info.user} lacks a right: {error.diag.message_primary}.",
                hint="Connect as the owner of the database (on Supabase: postgres), or let the owner grant it.",
            ) from error
        except pg.ReadOnlySqlTransaction as error:
            raise read_only() from error
        except (pg.LockNotAvailable, pg.DeadlockDetected, pg.QueryCanceled) as error:
            raise MigrationError(f"The server gave up waiting: {reason(error)}.", hint=BUSY) from error
        except psycopg.OperationalError as error:
            if not connection.broken:
                raise MigrationError(f"The server refuses: {reason(error)}.") from error
            raise DatabaseUnreachableError(f"The connection was lost: {reason(error)}") from error
        except psycopg.DatabaseError as error:
            raise MigrationError(f"The server refuses: {reason(error)}.") from error


@contextmanager
def looking(connection: Connection) -> Iterator[None]:
    """A transaction that only reads and does not wait for long.

    Its settings end with it: a pooler would hand those of a session on to others.
    """
    with connection.transaction():
        connection.execute("set transaction read only")
        connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
        yield


def connect(url: str) -> Connection:
    """Open a connection that commits by itself.

    Raises:
        DatabaseUnreachableError: no server, wrong password, unknown database; the password is never told.
        SetupError: the address cannot be read.
    """
    try:
        info = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise _no_address() from None
    host = str(info.get("host") or "")
    if "@" in host:
        raise _no_address()  # an @ in the password: what is taken for the host holds a part of it
    try:
        return psycopg.connect(
            url,
            autocommit=True,
            row_factory=dict_row,
            connect_timeout=10,
            prepare_threshold=None,
            application_name="courseyard db",
        )
    except (psycopg.OperationalError, UnicodeError) as error:
        where = f"{host or 'at the local socket'}:{info.get('port', 5432)}/{info.get('dbname', '')}"
        told = reason(error)
        advice = next((words for sign, words in _ADVICE if sign in told), None)
        raise DatabaseUnreachableError(f"The database {where} cannot be reached: {told}", hint=advice) from None


def _no_address() -> SetupError:
    return SetupError(
        "COURSEYARD_DATABASE_URL is no PostgreSQL address.",
        hint="It looks like postgresql://user:password@host:5432/database; special characters of the "
        "password are percent-encoded (@ is %40).",
    )


def read_only() -> SetupError:
    """The error for a server that takes no writes."""
    return SetupError(
        "This server or connection is read-only (a replica, or a full disk).",
        hint="Use the address of the primary server; on Supabase look for a disk warning in the dashboard.",
    )


def reason(error: Exception) -> str:
    """The first useful line of what the driver says."""
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        return error.diag.message_primary
    lines = [line.strip("- \t") for line in str(error).strip().splitlines()]
    told = [line for line in lines if line and not line.startswith(("Multiple connection", "Is the server"))]
    first = told[0] if told else type(error).__name__
    return first.rsplit(" failed: ", 1)[-1].removeprefix("FATAL: ").strip()
