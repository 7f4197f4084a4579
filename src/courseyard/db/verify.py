"""Checks a database against what was promised: the guide's own checks and then some."""

from __future__ import annotations

from typing import Any

from courseyard.db.expected import AUTHENTICATED, BASE_TABLES, NEW_TABLES, TRIGGERS, VIEWS
from courseyard.db.server import Connection

_COLUMNS = """
select c.relname as table, a.attname as column, t.typname as type
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
where n.nspname = 'public' and c.relkind in ('r', 'v', 'p') and c.relname = any(%s)
order by c.relname, a.attnum
"""

_RELATIONS = """
select c.relname as name, c.relkind::text as kind, c.relrowsecurity as guarded,
  coalesce('security_invoker=true' = any(c.reloptions) or 'security_invoker=on' = any(c.reloptions), false) as invoker
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'public' and c.relname = any(%s)
"""

_TRIGGERS = """
select trigger_name as name, event_object_table as table, count(*)::int as events
from information_schema.triggers where trigger_schema = 'public' and trigger_name = any(%s) group by 1, 2
"""

_GRANTS = """
select c.relname as name, r.rolname as role, p.privilege
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
cross join pg_roles r
cross join unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) as p (privilege)
where n.nspname = 'public' and c.relname = any(%s) and r.rolname in ('anon', 'authenticated', 'service_role')
  and has_table_privilege(r.oid, c.oid, p.privilege)
"""

_POLICIES = "select tablename as table, count(*)::int as n from pg_policies where schemaname = 'public' group by 1"

_LOOSE_FUNCTIONS = """
select p.oid::regprocedure::text as name
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname = 'courseyard' and not exists (
  select from unnest(p.proconfig) as setting where setting like 'search_path=%')
"""

_OPEN_DEFINERS = """
select p.oid::regprocedure::text as name
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname = 'public' and p.prosecdef and exists (
  select from pg_roles r where r.rolname in ('anon', 'authenticated') and has_function_privilege(r.oid, p.oid, 'EXECUTE'))
"""

_ENGINE_TABLES = """
select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'courseyard' and c.relkind = 'r' and exists (
  select from pg_roles r where r.rolname in ('anon', 'authenticated') and has_table_privilege(r.oid, c.oid, 'SELECT'))
"""


def missing_objects(connection: Connection) -> list[str]:
    """Tables, views and triggers of ours that are not there."""
    wanted = {**dict.fromkeys(NEW_TABLES, "table"), **dict.fromkeys(VIEWS, "view")}
    there = {row["name"] for row in _all(connection, _RELATIONS, list(wanted))}
    triggers = {row["name"] for row in _all(connection, _TRIGGERS, list(TRIGGERS))}
    return [f"{kind} {name}" for name, kind in wanted.items() if name not in there] + [
        f"trigger {name}" for name in TRIGGERS if name not in triggers
    ]


def column_differences(connection: Connection) -> list[str]:
    """Columns that are missing or of another type, on tables and views that stand."""
    found: dict[str, dict[str, str]] = {}
    for row in _all(connection, _COLUMNS, [*NEW_TABLES, *BASE_TABLES, *VIEWS]):
        found.setdefault(row["table"], {})[row["column"]] = row["type"]
    wanted: dict[str, dict[str, str | None]] = {
        **{t: dict(c) for t, c in NEW_TABLES.items()},
        **{t: dict.fromkeys(c) for t, c in {**BASE_TABLES, **VIEWS}.items()},
    }
    problems = []
    for table, columns in wanted.items():
        for column, kind in columns.items():
            if table not in found:
                continue
            if column not in found[table]:
                problems.append(f"{table} has no column {column}")
            elif kind is not None and found[table][column] != kind:
                problems.append(f"{table}.{column} is {found[table][column]}, not {kind}")
    return problems


def verify(connection: Connection) -> list[str]:
    """Everything that is not as promised, in words; empty when all is well."""
    return [
        *(f"{what} is missing" for what in missing_objects(connection)),
        *_missing_base(connection),
        *column_differences(connection),
        *_wrong_relations(connection),
        *_wrong_triggers(connection),
        *_wrong_grants(connection),
        *_wrong_policies(connection),
        *(f"function {row['name']} does not pin its search_path" for row in _all(connection, _LOOSE_FUNCTIONS)),
        *(f"function {row['name']} runs with its owner's rights for anybody" for row in _all(connection, _OPEN_DEFINERS)),
        *(f"courseyard.{row['name']} can be read by anon or authenticated" for row in _all(connection, _ENGINE_TABLES)),
    ]


def _missing_base(connection: Connection) -> list[str]:
    there = {row["name"] for row in _all(connection, _RELATIONS, list(BASE_TABLES))}
    return [f"table {name} is missing" for name in BASE_TABLES if name not in there]


def _wrong_relations(connection: Connection) -> list[str]:
    problems = []
    for row in _all(connection, _RELATIONS, [*NEW_TABLES, *VIEWS]):
        if row["kind"] == "v" and not row["invoker"]:
            problems.append(f"view {row['name']} does not run with the caller's rights (security_invoker)")
        if row["kind"] == "r" and not row["guarded"]:
            problems.append(f"row level security is off on {row['name']}")
    return problems


def _wrong_triggers(connection: Connection) -> list[str]:
    return [
        f"trigger {row['name']} is on {row['table']} with {row['events']} events, not on {TRIGGERS[row['name']]} with one"
        for row in _all(connection, _TRIGGERS, list(TRIGGERS))
        if row["table"] != TRIGGERS[row["name"]] or row["events"] != 1
    ]


def _wrong_grants(connection: Connection) -> list[str]:
    held: dict[tuple[str, str], set[str]] = {}
    for row in _all(connection, _GRANTS, list(AUTHENTICATED)):
        held.setdefault((row["role"], row["name"]), set()).add(row["privilege"])
    there = {row["name"] for row in _all(connection, _RELATIONS, list(AUTHENTICATED))}
    problems = []
    for name, wanted in AUTHENTICATED.items():
        if name not in there:
            continue
        if held.get(("anon", name)):
            problems.append(f"anon may {'/'.join(sorted(held['anon', name]))} {name}")
        own = held.get(("authenticated", name), set())
        if own != wanted:
            problems.append(f"authenticated may {'/'.join(sorted(own)) or 'nothing'} on {name}, not {'/'.join(sorted(wanted))}")
        if not held.get(("service_role", name), set()) >= {"SELECT", "INSERT", "UPDATE", "DELETE"}:
            problems.append(f"service_role lacks rights on {name}")
    return problems


def _wrong_policies(connection: Connection) -> list[str]:
    counted = {row["table"]: row["n"] for row in _all(connection, _POLICIES)}
    there = {row["name"] for row in _all(connection, _RELATIONS, list(NEW_TABLES))}
    return [f"{name} has no policy" for name in NEW_TABLES if name in there and not counted.get(name)]


def _all(connection: Connection, query: str, names: list[str] | None = None) -> list[dict[str, Any]]:
    return connection.execute(query.encode(), [names] if names is not None else None).fetchall()
