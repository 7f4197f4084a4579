"""One script for a SQL editor: everything that ``apply`` would run, the ledger included."""

from __future__ import annotations

from psycopg import sql

from courseyard import __version__
from courseyard.db.queries import named_queries
from courseyard.db.scripts import Script, ledger_script, scripts

_HEAD = f"""-- CREATE_PARTNER_SCORM_TABLES.sql: Courseyard {__version__}
-- Paste all of it into the SQL editor and run it once. Running it again does no harm.
-- It makes 7 tables, 2 views and 2 triggers in public, and the engine's own tables in schema courseyard.
-- The seven tables profiles, programs, courses, enrollments, partner_lms_providers, partner_courses and
-- partner_lms_enrollments are made only where they are absent and never altered.
"""


def export_script() -> str:
    """The script, ready to be pasted; it needs no command of any client."""
    checks = [s for s in scripts() if s.only_checks]
    rest = [s for s in scripts() if not s.only_checks]
    parts = [
        _HEAD,
        *(_titled(script) for script in checks),
        ledger_script(),
        *(f"{_titled(script)}\n{_recorded(script)}" for script in rest),
    ]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _titled(script: Script) -> str:
    return f"-- ==== {script.name}\n{script.text.rstrip()}\n"


def _recorded(script: Script) -> str:
    """The line of the ledger, its two values written out: an editor binds none."""
    statement = named_queries()["checks.record"]
    for name, value in (("name", script.name), ("checksum", script.checksum)):
        statement = statement.replace(f"%({name})s", sql.Literal(value).as_string())
    return statement
