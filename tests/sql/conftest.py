"""Databases as people have them: bare servers, a Supabase-like project, and a small cast in a migrated database."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fix_db import KINDS, PG15, Cluster
from psycopg.rows import dict_row

from courseyard.db.embedded import EmbeddedServer
from courseyard.db.migrate import apply

HERE = Path(__file__).parent

ADMIN = "a0000000-0000-4000-8000-000000000001"
INES = "a0000000-0000-4000-8000-000000000002"  # an instructor, brought in the package FIRST_AID
IVAN = "a0000000-0000-4000-8000-000000000003"  # another instructor
LEA = "a0000000-0000-4000-8000-000000000004"  # a learner
LEO = "a0000000-0000-4000-8000-000000000005"  # another learner

SAFETY = "b0000000-0000-4000-8000-000000000001"  # brought in by the administrator
FIRST_AID = "b0000000-0000-4000-8000-000000000002"
RETIRED = "b0000000-0000-4000-8000-000000000003"  # not active any more
UNUSED = "b0000000-0000-4000-8000-000000000004"  # nobody is enrolled in it

LEA_SAFETY = "c0000000-0000-4000-8000-000000000001"
LEO_SAFETY = "c0000000-0000-4000-8000-000000000002"
LEA_FIRST_AID = "c0000000-0000-4000-8000-000000000003"
LEA_RETIRED = "c0000000-0000-4000-8000-000000000004"
LEA_PARTNER = "d0000000-0000-4000-8000-000000000001"
LEO_PARTNER = "d0000000-0000-4000-8000-000000000002"
PROVIDER = "e0000000-0000-4000-8000-000000000001"
PARTNER_COURSE = "e0000000-0000-4000-8000-000000000002"


@dataclass(frozen=True)
class Database:
    """A connection that commits by itself, and what tests ask of it."""

    connection: psycopg.Connection[dict[str, Any]]
    url: str

    def rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        """What a query returns; nothing for a statement without rows."""
        cursor = self.connection.execute(query.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []

    def row(self, query: str, *parameters: object) -> dict[str, Any]:
        """The only row."""
        [found] = self.rows(query, *parameters)
        return found

    def value(self, query: str, *parameters: object) -> Any:
        """The only value."""
        [found] = self.row(query, *parameters).values()
        return found

    def changed(self, statement: str, *parameters: object) -> int:
        """How many rows a statement touched."""
        return self.connection.execute(statement.encode(), parameters or None).rowcount

    @contextmanager
    def acting(self, role: str, person: str | None = None, **claims: object) -> Iterator[None]:
        """A transaction as PostgREST opens it for a caller; what was done is undone at the end."""
        with self.connection.transaction(force_rollback=True):
            self.connection.execute(f"set local role {role}")
            told = json.dumps({"role": role, **({"sub": person} if person else {}), **claims})
            self.connection.execute("select set_config('request.jwt.claims', %s, true)", [told])
            yield


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """A database, closed afterwards."""
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        yield Database(connection, url)


@pytest.fixture
def db(either_db: str) -> Iterator[Database]:
    """A migrated, empty database; once per server."""
    with opened(either_db) as database:
        yield database


@pytest.fixture
def cast(db: Database) -> Database:
    """A migrated database with an administrator, two instructors, two learners and their courses."""
    db.connection.execute((HERE / "cast.sql").read_bytes())
    return db


class Servers:
    """Servers without the template of the other tests: no roles, no schema; started at most once per kind and use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: dict[str, tuple[EmbeddedServer, Cluster]] = {}

    def get(self, kind: str, use: str) -> Cluster:
        """The server of a kind for a use; uses share no roles."""
        if kind == "pg15" and not (PG15 / "initdb").exists():
            pytest.skip(f"PostgreSQL 15 is not installed in {PG15}")
        name = f"{kind}-{use}"
        if name not in self._servers:
            server = EmbeddedServer(self._folder / name, programs=PG15 if kind == "pg15" else None)
            url = server.start().rsplit("/", 1)[0] + "/postgres"
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("alter system set fsync = off")
                connection.execute("select pg_reload_conf()")
            self._servers[name] = (server, Cluster(kind, url))
        return self._servers[name][1]

    def stop(self) -> None:
        """Stop all."""
        for server, _ in self._servers.values():
            server.stop()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Bare servers of this test process; in a folder that the server's user may walk into."""
    folder = Path(f"/tmp/courseyard-sql-{os.getpid()}")  # made by us, removed by us
    folder.mkdir(mode=0o755)
    found = Servers(folder)
    try:
        yield found
    finally:
        found.stop()
        shutil.rmtree(folder)


def as_role(url: str, role: str) -> str:
    """The same database for a role whose password is its name."""
    return f"postgresql://{role}:{role}@" + url.split("@", 1)[1]


@pytest.fixture
def owned(bare: Cluster) -> str:
    """A migrated database as its owner reaches it, who may make roles and is no superuser."""
    with opened(bare.admin_url) as admin:
        admin.rows("create role owner login password 'owner' createrole")
    url = bare.create()
    with opened(url) as db:
        db.rows(f"alter database {db.value('select current_database()')} owner to owner")
    apply(as_role(url, "owner"))
    return as_role(url, "owner")


@pytest.fixture(params=KINDS)
def bare(servers: Servers, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A server that knows neither anon nor authenticated nor service_role; roles are gone again after the test."""
    cluster = servers.get(request.param, "bare")
    yield cluster
    with psycopg.connect(cluster.admin_url, autocommit=True) as connection:
        for (name,) in connection.execute("select datname from pg_database where datname like 'test\\_%'").fetchall():
            connection.execute(f'drop database "{name}" with (force)')
        own = connection.info.user
        names = connection.execute(
            "select rolname from pg_roles where rolname not like 'pg\\_%%' and rolname <> %s", [own]
        ).fetchall()
        for (name,) in names:
            connection.execute(f'drop owned by "{name}" cascade')
        for (name,) in names:
            connection.execute(f'drop role "{name}"')


@pytest.fixture(params=KINDS)
def supabase(servers: Servers, request: pytest.FixtureRequest) -> Iterator[str]:
    """A Supabase-like project whose seven tables hold data; the address is that of its role postgres."""
    cluster = servers.get(request.param, "supabase")
    url = cluster.create()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute((HERE / "supabase_like.sql").read_bytes())
    host = url.split("@", 1)[1]
    yield f"postgresql://postgres:postgres@{host}"
    cluster.drop(url)
