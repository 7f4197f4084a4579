"""PostgreSQL for the tests: real servers, a migrated template, a fresh clone for whoever asks.

``db_url``: address of a database with all migrations applied, thrown away after the test.
``empty_db``: the same without anything in it.
``either_db`` / ``either_empty_db``: as above, the test runs once per server: PostgreSQL 15 and the embedded one.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from courseyard.db.embedded import EmbeddedServer
from courseyard.db.migrate import apply

PG15 = Path("/usr/lib/postgresql/15/bin")
KINDS = ("embedded", "pg15")
TEMPLATE = "courseyard_template"

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Cluster:
    """A running server and the address of its maintenance database."""

    kind: str
    admin_url: str

    def url(self, name: str) -> str:
        """The address of one database."""
        return self.admin_url.rsplit("/", 1)[0] + f"/{name}"

    def create(self, template: str | None = None) -> str:
        """A new database; returns its address."""
        name = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}_{next(_numbers)}"
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(f"create database {name}" + (f" template {template}" if template else ""))
        return self.url(name)

    def drop(self, url: str) -> None:
        """Throw a database away, whoever is still connected."""
        name = url.rsplit("/", 1)[1]
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(f"drop database if exists {name} with (force)")


class Clusters:
    """Starts each kind of server at most once per test process, and stops what it started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: dict[str, EmbeddedServer] = {}
        self._clusters: dict[str, Cluster] = {}

    def get(self, kind: str) -> Cluster:
        """The server of a kind, its template database migrated."""
        if kind not in self._clusters:
            if kind == "pg15" and not (PG15 / "initdb").exists():
                pytest.skip(f"PostgreSQL 15 is not installed in {PG15}")
            server = EmbeddedServer(self._folder / kind, programs=PG15 if kind == "pg15" else None)
            admin_url = server.start().rsplit("/", 1)[0] + "/postgres"
            self._servers[kind] = server
            cluster = Cluster(kind, admin_url)
            with psycopg.connect(admin_url, autocommit=True) as connection:
                connection.execute("alter system set fsync = off")
                connection.execute("select pg_reload_conf()")
                connection.execute(f"create database {TEMPLATE}")
            apply(cluster.url(TEMPLATE))
            self._clusters[kind] = cluster
        return self._clusters[kind]

    def stop(self) -> None:
        """Stop all."""
        for server in self._servers.values():
            server.stop()


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder that every user may walk to, which pytest's own is not: the server runs as another user than root."""
    folder = Path(tempfile.mkdtemp(prefix="courseyard-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def clusters(open_folder: Path) -> Iterator[Clusters]:
    """All servers of this test process."""
    found = Clusters(open_folder)
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture
def db_url(clusters: Clusters) -> Iterator[str]:
    """A migrated database on the embedded server."""
    yield from _database(clusters.get("embedded"), TEMPLATE)


@pytest.fixture
def empty_db(clusters: Clusters) -> Iterator[str]:
    """An empty database on the embedded server."""
    yield from _database(clusters.get("embedded"), None)


@pytest.fixture(params=KINDS)
def either_db(clusters: Clusters, request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated database, once per kind of server."""
    yield from _database(clusters.get(request.param), TEMPLATE)


@pytest.fixture(params=KINDS)
def either_empty_db(clusters: Clusters, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database, once per kind of server."""
    yield from _database(clusters.get(request.param), None)


def _database(cluster: Cluster, template: str | None) -> Iterator[str]:
    url = cluster.create(template)
    yield url
    cluster.drop(url)
