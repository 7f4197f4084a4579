"""The database: SQL files, the pool, migrations, and the embedded server. The only folder that knows psycopg.

How the other folders use it::

    row = await db.one("people.person", profile_id=some_id)        # a dict, or None
    rows = await db.all("packages.list", limit=50)                  # a list of dicts
    count = await db.run("people.set_role", profile_id=…, role=…)   # rows touched

    async with db.transaction() as tx:                              # the same methods, one transaction
        await tx.run(…)

    async with db.as_person(claims) as own:                         # role authenticated: policies decide
        rows = await own.all("packages.list")

``"people.person"`` is the block ``-- name: person`` of ``sql/queries/people.sql``.
"""

from courseyard.db.pool import Database, Queries

__all__ = ["Database", "Queries"]
