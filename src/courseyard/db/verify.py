"""Checks a database against what was promised: the guide's own checks and then some. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from courseyard.db.expected import (
    AUTHENTICATED,
    BASE_TABLES,
    NEW_TABLES,
    REFERENCES,
    TRIGGERS,
    UNIQUE,
    VIEWS,
)
from courseyard.db.queries import named_queries
from courseyard.db.scripts import engine_objects
from courseyard.db.server import Connection

_Rows = list[dict[str, Any]]


def verify(connection: Connection) -> list[str]:
    """Everything that is not as promised, in words; empty when all is well."""
    return [
        *(f"{what} is missing" for what in missing_objects(connection)),
        *_missing_base(connection),
        *column_differences(connection),
        *_keys(connection),
        *_references(connection),
        *_relations(connection),
        *_triggers(connection),
        *_grants(connection),
        *_policies(connection),
        *_functions(connection),
    ]


def missing_objects(connection: Connection) -> list[str]:
    """What the files make and is not there: tables, views, triggers, and what the engine keeps for itself."""
    standing = {(r["kind"], r["name"]) for r in rows(connection, "checks.engine_objects")}
    relations = rows(connection, "checks.relations", [*NEW_TABLES, *VIEWS])
    there = {r["name"] for r in relations}
    missing = [f"table {name}" for name in NEW_TABLES if name not in there]
    missing += [f"view {name}" for name in VIEWS if name not in there]
    missing += [
        f"{kind} {name if kind == 'trigger' else f'courseyard.{name}'}"
        for kind, name in sorted(engine_objects() - standing)
    ]
    [queue] = rows(connection, "checks.queue")
    return missing if queue["there"] else [*missing, "the queue of jobs (schema jobs)"]


def column_differences(connection: Connection) -> list[str]:
    """Columns that are missing or of another shape, on tables and views that stand."""
    return [
        *_differences(connection, NEW_TABLES),
        *_differences(connection, {t: dict.fromkeys(c) for t, c in {**BASE_TABLES, **VIEWS}.items()}),
    ]


def _differences(connection: Connection, wanted: dict[str, Any]) -> Iterator[str]:
    found: dict[str, dict[str, str]] = {}
    for row in rows(connection, "checks.columns", list(wanted)):
        found.setdefault(row["table"], {})[row["column"]] = row["shape"]
    for table in found:
        for column, shape in wanted[table].items():
            if column not in found[table]:
                yield f"{table} has no column {column}"
            elif shape is not None and found[table][column] != shape:
                yield f"{table}.{column} is '{found[table][column]}', not '{shape}'"


def _missing_base(connection: Connection) -> Iterator[str]:
    there = {r["name"] for r in rows(connection, "checks.relations", list(BASE_TABLES))}
    yield from (f"table {name} is missing" for name in BASE_TABLES if name not in there)


def _keys(connection: Connection) -> Iterator[str]:
    found: dict[str, set[tuple[bool, tuple[str, ...]]]] = {}
    for row in rows(connection, "checks.keys", list(NEW_TABLES)):
        found.setdefault(row["table"], set()).add((row["is_primary"], tuple(row["columns"])))
    for table in _standing(connection, NEW_TABLES):
        keys = found.get(table, set())
        if (True, ("id",)) not in keys:
            yield f"{table} has no primary key on id"
        if table in UNIQUE and (False, UNIQUE[table]) not in keys:
            yield f"{table} has no unique key on ({', '.join(UNIQUE[table])})"


def _references(connection: Connection) -> Iterator[str]:
    found = rows(connection, "checks.references", list(NEW_TABLES))
    public = {(r["table"], r["column"]): (r["parent"], r["on_delete"]) for r in found if r["schema"] == "public"}
    tables = _standing(connection, NEW_TABLES)
    for (table, column), (parent, on_delete) in REFERENCES.items():
        if table in tables and public.get((table, column)) != (parent, on_delete):
            yield f"{table}.{column} does not refer to {parent} (on delete {on_delete})"
    for row in found:
        if not row["indexed"]:
            yield f"{row['schema']}.{row['table']}.{row['column']} refers to {row['parent']} without an index"


def _relations(connection: Connection) -> Iterator[str]:
    for row in rows(connection, "checks.relations", [*NEW_TABLES, *VIEWS, *BASE_TABLES]):
        name = row["name"]
        if name in VIEWS and (row["kind"] != "v" or not row["invoker"]):
            yield f"view {name} does not run with the caller's rights (security_invoker)"
        if (name in NEW_TABLES or row["made_by_us"]) and not row["guarded"]:
            yield f"row level security is off on {name}"


def _triggers(connection: Connection) -> Iterator[str]:
    for row in rows(connection, "checks.triggers", list(NEW_TABLES)):
        name = row["name"]
        if name in TRIGGERS and (row["table"] != TRIGGERS[name] or row["events"] != 1):
            yield (f"trigger {name} is on {row['table']} with {row['events']} events, not on {TRIGGERS[name]} with one")
        if name in TRIGGERS and not row["ours"]:
            yield f"trigger {name} does not run Courseyard's function"
        if not row["enabled"]:
            yield f"trigger {name} on {row['table']} is disabled"


def _grants(connection: Connection) -> Iterator[str]:
    held: dict[tuple[str, str], set[str]] = {}
    columns: dict[tuple[str, str], set[str]] = {}
    for row in rows(connection, "checks.grants", list(AUTHENTICATED)):
        key = (row["role"], row["name"])
        if row["held"]:
            held.setdefault(key, set()).add(row["privilege"])
        elif row["held_on_columns"]:
            columns.setdefault(key, set()).add(row["privilege"])
    for name in _standing(connection, AUTHENTICATED):
        anon = held.get(("anon", name), set()) | columns.get(("anon", name), set())
        if anon:
            yield f"anon may {_words(anon)} on {name}"
        own = held.get(("authenticated", name), set())
        if own != AUTHENTICATED[name]:
            yield f"authenticated may {_words(own)} on {name}, not {_words(AUTHENTICATED[name])}"
        if columns.get(("authenticated", name)):
            yield f"authenticated may {_words(columns['authenticated', name])} on some columns of {name}"
        lacking = {"SELECT", "INSERT", "UPDATE", "DELETE"} - held.get(("service_role", name), set())
        if lacking:
            yield f"service_role may not {_words(lacking)} on {name}"


def _policies(connection: Connection) -> Iterator[str]:
    """For every privilege on a table there is one policy, else nobody could use it."""
    found = {(r["table"], r["name"]): (r["cmd"], r["roles"]) for r in rows(connection, "checks.policies")}
    for table in _standing(connection, NEW_TABLES):
        for privilege in sorted(AUTHENTICATED[table]):
            name = f"courseyard_{privilege.lower()}"
            if found.get((table, name)) != (privilege, ["authenticated"]):
                yield f"policy {name} for authenticated is missing on {table}"


def _functions(connection: Connection) -> Iterator[str]:
    for row in rows(connection, "checks.loose_functions"):
        yield f"function {row['name']} does not pin its search_path"
    for row in rows(connection, "checks.open_definers"):
        yield f"function {row['name']} runs with its owner's rights for anybody"
    for row in rows(connection, "checks.open_engine"):
        yield f"{row['name']} is open to anon or authenticated"


def _standing(connection: Connection, names: Any) -> list[str]:
    return [r["name"] for r in rows(connection, "checks.relations", list(names))]


def _words(privileges: set[str] | frozenset[str]) -> str:
    return "/".join(sorted(privileges)) or "nothing"


def rows(connection: Connection, query: str, names: list[str] | None = None, **params: Any) -> _Rows:
    """The rows of a named query; ``names`` are the relations that it is about."""
    given = params | ({"names": names} if names is not None else {})
    return connection.execute(named_queries()[query].encode(), given).fetchall()
