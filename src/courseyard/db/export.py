"""One script for a SQL editor: everything that ``apply`` would run, the ledger included."""

from __future__ import annotations

from courseyard import __version__
from courseyard.db.migrate import LEDGER, migrations

_HEAD = f"""-- CREATE_PARTNER_SCORM_TABLES.sql: Courseyard {__version__}
-- Paste all of it into the SQL editor and run it once. Running it again does no harm.
-- It makes 7 tables, 2 views and 2 triggers in public, and the engine's own tables in schema courseyard.
-- The seven tables profiles, programs, courses, enrollments, partner_lms_providers, partner_courses and
-- partner_lms_enrollments are made only where they are absent and never altered.
"""


def export_script() -> str:
    """The script, ready to be pasted; it needs no command of any client."""
    parts = [_HEAD, LEDGER]
    for migration in migrations():
        parts.append(f"-- ==== {migration.name}\n{migration.text}")
        parts.append(
            "insert into courseyard.schema_migrations (name, checksum) values "
            f"('{migration.name}', '{migration.checksum}')\n"
            "on conflict (name) do update set checksum = excluded.checksum, applied_at = now();"
        )
    return "\n".join(part.rstrip() + "\n" for part in parts)
