"""The guide's pre-migration checklist, done by the program. Reads only."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from courseyard.db.expected import BASE_TABLES, NEW_TABLES
from courseyard.db.migrate import MIN_VERSION, migrations, pending
from courseyard.db.server import Connection, connect
from courseyard.db.verify import column_differences, missing_objects
from courseyard.errors import MigrationError

_ROLES = ("anon", "authenticated", "service_role")
_EXTENSIONS = ("uuid-ossp", "pgcrypto")

_FACTS = """
select current_user::text as role, current_database()::text as database,
  current_setting('transaction_read_only') = 'on' as read_only,
  has_database_privilege(current_database(), 'CREATE') as may_make_schemas,
  has_schema_privilege('public', 'CREATE') as may_make_tables,
  (select rolsuper or rolcreaterole from pg_roles where rolname = current_user) as may_make_roles,
  array(select rolname::text from pg_roles where rolname = any(%(roles)s)) as roles,
  array(select name::text from pg_available_extensions where name = any(%(extensions)s)) as offered,
  array(select extname::text from pg_extension where extname = any(%(extensions)s)) as enabled
"""

_TABLES = """
select c.relname::text as name, pg_get_userbyid(c.relowner)::text as owner,
  pg_has_role(c.relowner, 'MEMBER') as ours
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'public' and c.relkind in ('r', 'p') and c.relname = any(%s) order by 1
"""


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


def make_plan(url: str) -> Plan:
    """Look at a database and say what ``apply`` would do; changes nothing.

    Raises:
        DatabaseUnreachableError: there is nothing to look at.
    """
    plan = Plan()
    with connect(url) as connection:
        connection.execute("set default_transaction_read_only = on")
        with connection.transaction():
            _server(connection, plan)
            _tables(connection, plan)
            _migrations(connection, plan)
    return plan


def _server(connection: Connection, plan: Plan) -> None:
    facts = connection.execute(_FACTS, {"roles": list(_ROLES), "extensions": list(_EXTENSIONS)}).fetchone() or {}
    version = connection.info.server_version
    shown = f"{version // 10000}.{version % 10000}"
    _say(plan, version // 10000 >= MIN_VERSION, f"PostgreSQL {shown}", f"PostgreSQL {shown}: {MIN_VERSION} or later is needed")
    _say(plan, True, f"connected to database {facts['database']} as {facts['role']}")
    recovery = connection.execute("select pg_is_in_recovery() as replica").fetchone() or {}
    _say(plan, not recovery.get("replica"), "the server takes writes", "this server is a read-only replica: use the primary")
    fix = f"the owner of the database can run: grant create on database {facts['database']} to {facts['role']}"
    _say(plan, facts["may_make_schemas"], "may create schemas", f"may not create schemas; {fix}")
    fix = f"the owner of schema public can run: grant create on schema public to {facts['role']}"
    _say(plan, facts["may_make_tables"], "may create tables in public", f"may not create tables in public; {fix}")
    missing = [role for role in _ROLES if role not in facts["roles"]]
    _say(
        plan,
        not missing or facts["may_make_roles"],
        f"roles {', '.join(missing)} will be made" if missing else f"roles {', '.join(_ROLES)} stand",
        f"roles {', '.join(missing)} are missing and {facts['role']} may not create roles; a superuser can make them",
    )
    for name in _EXTENSIONS:
        state = "enabled" if name in facts["enabled"] else "offered" if name in facts["offered"] else "not offered"
        plan.checks.append(Check("ok" if state != "not offered" else "note", f"extension {name}: {state}, not depended on"))


def _tables(connection: Connection, plan: Plan) -> None:
    standing = {row["name"]: row for row in connection.execute(_TABLES, [[*BASE_TABLES, *NEW_TABLES]]).fetchall()}
    differences = column_differences(connection)
    for name in [*BASE_TABLES, *NEW_TABLES]:
        if name not in standing:
            plan.steps.append(f"create table {name}")
            continue
        own = [d for d in differences if d.startswith((f"{name} ", f"{name}."))]
        if name in BASE_TABLES:
            _say(plan, not own, f"table {name} stands and stays as it is", "; ".join(own) + ": add it, then plan again")
        elif not standing[name]["ours"]:
            plan.checks.append(Check("problem", f"table {name} belongs to {standing[name]['owner']}: connect as that role"))
        else:
            row = connection.execute(f'select count(*) as n from public."{name}"').fetchone() or {"n": 0}
            plan.checks.append(Check("ok", f"table {name} stands with {row['n']:,} rows, which stay"))
            plan.steps += [f"bring up to date: {d}" for d in own]


def _migrations(connection: Connection, plan: Plan) -> None:
    try:
        todo = pending(connection)
    except MigrationError as error:
        plan.checks.append(Check("problem", f"{error.detail} {error.advice}"))
        return
    if todo and len(todo) == len(migrations()) and missing_objects(connection):
        plan.steps += [f"create {what}" for what in missing_objects(connection) if not what.startswith("table")]
    plan.steps += [f"run {m.name}" for m in todo]
    if not todo:
        plan.checks.append(Check("ok", f"all {len(migrations())} files are applied"))


def _say(plan: Plan, good: object, ok: str, problem: str = "") -> None:
    plan.checks.append(Check("ok", ok) if good else Check("problem", problem))
