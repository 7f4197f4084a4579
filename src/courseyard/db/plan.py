"""The guide's pre-migration checklist, done by the program. Reads only."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg

from courseyard.db.expected import BASE_TABLES, NEW_TABLES
from courseyard.db.migrate import MIN_VERSION, ledger, pending
from courseyard.db.scripts import scripts
from courseyard.db.server import Connection, looking, opened
from courseyard.db.verify import column_differences, rows, verify
from courseyard.errors import MigrationError

_ROLES = ("anon", "authenticated", "service_role")
_EXTENSIONS = ("uuid-ossp", "pgcrypto")

# Counting more rows than this takes a while; the server's own estimate does.
_COUNT_UP_TO = 1_000_000


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the checklist. ``state`` is ok, note (worth knowing) or problem (in the way)."""

    state: str
    text: str


@dataclass(slots=True)
class Plan:
    """What stands, what would be done, what is in the way."""

    checks: list[Check] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    @property
    def blocked(self) -> bool:
        """Whether ``apply`` would fail."""
        return any(check.state == "problem" for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """Plain data for scripts."""
        return {"checks": [asdict(c) for c in self.checks], "steps": self.steps, "blocked": self.blocked}

    def say(self, state: str, text: str) -> None:
        """Add a line to the checklist."""
        self.checks.append(Check(state, text))


def make_plan(url: str) -> Plan:
    """Look at a database and say what ``apply`` would do; changes nothing.

    Raises:
        DatabaseUnreachableError: there is nothing to look at.
    """
    plan = Plan()
    with opened(url) as connection, looking(connection):
        _server(connection, plan)
        if not plan.blocked:
            _obstacles(connection, plan)
            _tables(connection, plan)
            _files(connection, plan)
    return plan


def _server(connection: Connection, plan: Plan) -> None:
    version = connection.info.server_version
    shown = f"{version // 10000}.{version % 10000}"
    if version // 10000 < MIN_VERSION:
        plan.say("problem", f"PostgreSQL {shown}: {MIN_VERSION} or later is needed; upgrade the server.")
        return
    plan.say("ok", f"PostgreSQL {shown}")
    [facts] = rows(connection, "checks.server", roles=list(_ROLES), extensions=list(_EXTENSIONS))
    plan.say("ok", f"connected to database {facts['database']} as {facts['role']}")
    if facts["replica"] or facts["read_only"]:
        plan.say("problem", "This server takes no writes: use the address of the primary server.")
    else:
        plan.say("ok", "the server takes writes")
    if facts["may_make_schemas"] and facts["may_make_tables"]:
        plan.say("ok", "may create schemas, and tables in public")
    missing = [role for role in _ROLES if role not in facts["roles"]]
    plan.say("ok", f"roles {', '.join(_ROLES)} stand" if not missing else f"roles missing: {', '.join(missing)}")
    plan.steps += [f"create role {role}" for role in missing]
    if not facts["has_auth"]:
        plan.steps.append("create schema auth with auth.uid(), auth.role() and auth.jwt()")
    for name in _EXTENSIONS:
        if name in facts["enabled"]:
            plan.say("ok", f"extension {name}: enabled")
        elif name in facts["offered"]:
            plan.say("ok", f"extension {name}: offered")
            plan.steps.append(f"enable extension {name}")
        else:
            plan.say("note", f"extension {name}: not offered by this server, and not needed")


def _obstacles(connection: Connection, plan: Plan) -> None:
    """The first files look for everything that is in the way, and change nothing: what they refuse, we tell."""
    for script in scripts():
        if not script.only_checks:
            continue
        try:
            with connection.transaction():
                connection.execute(script.text.encode())
        except psycopg.DatabaseError as error:
            if connection.broken:
                raise
            plan.say("problem", f"{error.diag.message_primary or error} {error.diag.message_hint or ''}".rstrip())


def _tables(connection: Connection, plan: Plan) -> None:
    standing = {r["name"]: r for r in rows(connection, "checks.relations", [*BASE_TABLES, *NEW_TABLES])}
    differences = column_differences(connection)
    for name in [*BASE_TABLES, *NEW_TABLES]:
        if name not in standing:
            plan.say("ok", f"table {name} is absent")
            plan.steps.append(f"create table {name}")
            continue
        keeps = "stays as it is" if name in BASE_TABLES else "its rows stay"
        plan.say("ok", f"table {name} stands{_count(connection, standing[name])}; {keeps}")
        if name in NEW_TABLES:
            own = [d for d in differences if d.startswith((f"{name} ", f"{name}."))]
            plan.steps += [f"bring up to date: {d}" for d in own]


def _count(connection: Connection, relation: dict[str, Any]) -> str:
    if not relation["readable"]:
        return ", its rows cannot be counted by this role"
    if relation["estimate"] > _COUNT_UP_TO:
        return f" with about {relation['estimate']:,} rows"
    query = psycopg.sql.SQL("select count(*) as n from public.{}").format(psycopg.sql.Identifier(relation["name"]))
    [row] = connection.execute(query).fetchall()
    return f" with {row['n']:,} rows" if row["n"] != 1 else " with 1 row"


def _files(connection: Connection, plan: Plan) -> None:
    try:
        todo = pending(connection)
    except MigrationError as error:
        plan.say("problem", f"{error.detail} {error.advice}")
        return
    if not todo:
        plan.say("ok", f"all {len(scripts())} SQL files are applied, and all is as they made it")
        return
    plan.say("ok", f"{len(todo)} of {len(scripts())} SQL files are to be run")
    if ledger(connection):
        plan.steps += [f"repair: {problem}" for problem in verify(connection)]
    plan.steps += [f"run {script.name}" for script in todo]
