"""The pool against real servers: what it returns, what a person may see, what it says when something fails."""

from __future__ import annotations

import asyncio
import uuid

import psycopg
import pytest

from courseyard.db import Database
from courseyard.db import queries as queries_module
from courseyard.db.embedded import EmbeddedServer
from courseyard.db.faults import as_domain_error
from courseyard.errors import (
    ConflictError,
    CourseyardError,
    DatabaseBusyError,
    DatabaseUnreachableError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    SetupError,
    StaleEpochError,
)

pytestmark = pytest.mark.anyio

QUERIES = {
    "t.echo": "select %(value)s::jsonb as value, %(words)s::text[] as words",
    "t.whoami": "select current_user::text as role, auth.uid()::text as person",
    "t.role": "select current_user::text as role, current_setting('request.jwt.claims', true) as claims",
    "t.make": "insert into public.programs (title) values (%(title)s)",
    "t.titles": "select title from public.programs order by title",
    "t.sleep": "select pg_sleep(10)",
    "t.packages": "select title from public.scorm_packages",
    "t.pid": "select pg_backend_pid() as pid",
    "t.kill": "select pg_terminate_backend(%(pid)s)",
    "t.nowhere": "select * from public.no_such_table",
    "t.uuid": "select %(value)s::uuid",
    "t.text": "select %(value)s::text",
    "t.enroll": "insert into public.scorm_enrollments (scorm_package_id, user_id) values (%(p)s, %(p)s)",
    "t.raise": "select courseyard.raise_for_test(%(code)s)",
}


@pytest.fixture(autouse=True)
def _queries(monkeypatch):
    known = dict(queries_module.named_queries())
    monkeypatch.setattr("courseyard.db.pool.named_queries", lambda: known | QUERIES)


@pytest.fixture
async def db(db_url):
    found = Database(db_url)
    await found.open()
    yield found
    await found.close()


async def test_documents_and_lists_arrive_as_what_they_are(db):
    document = {"name": "Zoë", "list": [1, None, {"deep": True}]}
    row = await db.one("t.echo", value=document, words=["a", "b"])
    assert row == {"value": document, "words": ["a", "b"]}


async def test_many_runs_once_per_row_and_all_or_nothing_in_a_transaction(db):
    with pytest.raises(ZeroDivisionError):
        async with db.transaction() as tx:
            await tx.many("t.make", [{"title": "one"}, {"title": "two"}])
            assert len(await tx.all("t.titles")) == 2
            raise ZeroDivisionError
    assert await db.all("t.titles") == []
    assert await db.run("t.make", title="three") == 1


async def test_a_person_is_a_role_and_claims_for_one_transaction_only(db):
    person = str(uuid.uuid4())
    async with db.as_person({"sub": person, "role": "authenticated"}) as own:
        assert await own.one("t.whoami") == {"role": "authenticated", "person": person}
        assert await own.all("t.packages") == []
    for _ in range(3):
        row = await db.one("t.role")
        assert row["role"] == "courseyard"
        assert not row["claims"]


async def test_what_a_person_may_not_do_is_forbidden(db):
    with pytest.raises(ForbiddenError):
        async with db.as_person({"sub": str(uuid.uuid4()), "role": "authenticated"}) as own:
            await own.run("t.make", title="mine")


async def test_a_connection_that_the_server_closed_is_replaced_unseen(db, db_url):
    pid = (await db.one("t.pid"))["pid"]
    with psycopg.connect(db_url, autocommit=True) as other:
        other.execute("select pg_terminate_backend(%s)", [pid])
    await asyncio.sleep(0.2)
    assert (await db.one("t.pid"))["pid"] != pid


async def test_a_connection_lost_in_the_middle_is_told_as_unreachable(db):
    with pytest.raises(DatabaseUnreachableError):
        async with db.transaction() as tx:
            pid = (await tx.one("t.pid"))["pid"]
            await db.one("t.kill", pid=pid)
            await tx.one("t.pid")
    assert await db.one("t.pid") is not None


async def test_a_server_that_is_not_there_is_told_as_unreachable(monkeypatch):
    monkeypatch.setattr("courseyard.db.pool.WAIT_SECONDS", 0.5)
    nowhere = Database("postgresql://a:secret@127.0.0.1:1/b")
    await nowhere.open()
    with pytest.raises(DatabaseUnreachableError) as refused:
        await nowhere.one("t.pid")
    assert "secret" not in f"{refused.value.detail} {refused.value.advice}"
    await nowhere.close()


async def test_a_database_without_the_tables_says_how_to_make_them(empty_db):
    bare = Database(empty_db)
    await bare.open()
    with pytest.raises(SetupError) as refused:
        await bare.one("t.packages")
    assert "courseyard db apply" in refused.value.advice
    await bare.close()


@pytest.mark.parametrize(("query", "value"), [("t.uuid", "no uuid"), ("t.text", "a\x00b")])
async def test_values_that_postgresql_cannot_keep_are_the_callers_mistake(db, query, value):
    with pytest.raises(InvalidInputError):
        await db.one(query, value=value)


async def test_constraints_become_words(db):
    with pytest.raises(NotFoundError, match="no such"):
        await db.run("t.enroll", p=str(uuid.uuid4()))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("CY403", ForbiddenError),
        ("CY404", NotFoundError),
        ("CY409", ConflictError),
        ("CY410", StaleEpochError),
        ("CY422", InvalidInputError),
        ("40P01", DatabaseBusyError),
        ("55P03", DatabaseBusyError),
        ("53100", SetupError),
        ("25006", SetupError),
        ("23514", ConflictError),
    ],
)
async def test_error_codes_become_domain_errors(db, db_url, code, kind):
    with psycopg.connect(db_url, autocommit=True) as connection:
        connection.execute(
            "create function courseyard.raise_for_test(code text) returns void language plpgsql set search_path = '' "
            "as $$ begin raise exception 'told by the function' using errcode = code; end $$"
        )
    with pytest.raises(CourseyardError) as caught:
        await db.one("t.raise", code=code)
    assert type(caught.value) is kind
    if code.startswith("CY"):
        assert caught.value.detail == "told by the function"


def test_a_mistake_in_our_own_sql_is_not_covered_up(db_url):
    with psycopg.connect(db_url) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute("select 1/0")
    assert as_domain_error(caught.value) is None


async def test_survives_a_restart_of_the_server(open_folder):
    server = EmbeddedServer(open_folder / "restarted")
    db = Database(server.start())
    await db.open()
    assert await db.one("t.pid")
    server.stop()
    server.start()
    assert await db.one("t.pid")
    await db.close()
    server.stop()
