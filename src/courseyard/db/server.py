"""A plain connection for the commands: opened with clear words when it cannot be."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row

from courseyard.errors import DatabaseUnreachableError, SetupError

Connection = psycopg.Connection[dict[str, Any]]


def connect(url: str) -> Connection:
    """Open a connection that commits by itself.

    Raises:
        DatabaseUnreachableError: no server, wrong password, unknown database; the address is told without its password.
        SetupError: the address cannot be read.
    """
    try:
        info = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise SetupError(
            "COURSEYARD_DATABASE_URL is no PostgreSQL address.",
            hint="It looks like postgresql://user:password@host:5432/database; special characters of the password "
            "are percent-encoded.",
        ) from error
    try:
        return psycopg.connect(
            url, autocommit=True, row_factory=dict_row, connect_timeout=10, prepare_threshold=None,
            application_name="courseyard db",
        )  # fmt: skip
    except psycopg.OperationalError as error:
        where = f"{info.get('host', 'localhost')}:{info.get('port', 5432)}/{info.get('dbname', '')}"
        reason = str(error).strip().splitlines()[-1].removeprefix("connection failed: ")
        password = str(info.get("password") or "")
        if password:
            reason = reason.replace(password, "…")
        raise DatabaseUnreachableError(f"The database {where} cannot be reached: {reason}") from error
