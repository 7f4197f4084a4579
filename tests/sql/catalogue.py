"""A database's schema as plain data, so that two of them can be compared."""

from __future__ import annotations

from typing import Any

from .conftest import Database

_COLUMNS = """
select c.oid::regclass::text || '.' || a.attname as name, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull,
  pg_get_expr(d.adbin, d.adrelid) as standard, a.attidentity::text
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
where c.relnamespace in ('public'::regnamespace, to_regnamespace('courseyard')) and c.relkind in ('r', 'v')
order by 1
"""
_CONSTRAINTS = """
select conrelid::regclass::text || '.' || conname as name, pg_get_constraintdef(oid) as definition
from pg_constraint where connamespace in ('public'::regnamespace, to_regnamespace('courseyard')) and contype <> 'n'
order by 1
"""
_INDEXES = """
select schemaname || '.' || tablename || '.' || indexname as name, indexdef from pg_indexes
where schemaname in ('public', 'courseyard') order by 1
"""
_TRIGGERS = """
select tgrelid::regclass::text || '.' || tgname as name, pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
order by 1
"""
_POLICIES = """
select schemaname || '.' || tablename || '.' || policyname as name, permissive, roles::text, cmd, qual, with_check
from pg_policies order by 1
"""
_FUNCTIONS = """
select oid::regprocedure::text as name, prosrc, proconfig::text, prosecdef, provolatile::text, proacl::text from pg_proc
where pronamespace in ('public'::regnamespace, to_regnamespace('courseyard')) order by 1
"""
_RELATIONS = """
select oid::regclass::text as name, relkind::text, relrowsecurity, reloptions::text, pg_get_viewdef(oid) as view,
  (select array_agg(entry order by entry) from unnest(relacl::text[]) as entry) as acl,
  obj_description(oid, 'pg_class') as comment
from pg_class where relnamespace in ('public'::regnamespace, to_regnamespace('courseyard')) and relkind in ('r', 'v', 'S')
order by 1
"""


def describe(db: Database, table: str | None = None) -> dict[str, list[dict[str, Any]]]:
    """Columns, constraints, indexes, triggers, policies, functions and grants; of one public table if it is named."""
    found = {
        "columns": db.rows(_COLUMNS), "constraints": db.rows(_CONSTRAINTS), "indexes": db.rows(_INDEXES),
        "triggers": db.rows(_TRIGGERS), "policies": db.rows(_POLICIES), "relations": db.rows(_RELATIONS),
    }  # fmt: skip
    if table is None:
        return {**found, "functions": db.rows(_FUNCTIONS)}
    return {
        kind: [row for row in rows if table in row["name"].removeprefix("public.").split(".")[:1]]
        for kind, rows in found.items()
    }
