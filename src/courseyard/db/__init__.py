"""The database: SQL files, the pool, migrations, and the embedded server. The only folder that knows psycopg.

How the other folders use it::

    row = await db.one("people.person", profile_id=some_id)        # a dict, or None
    rows = await db.all("packages.list", limit=50)                  # a list of dicts
    count = await db.run("people.set_role", profile_id=…, role=…)   # rows touched

    async with db.transaction() as tx:                              # the same methods, one transaction
        await tx.run(…)

    async with db.as_person(claims) as own:                         # role authenticated: policies decide
        rows = await own.all("packages.list")

``"people.person"`` is the block ``-- name: person`` of ``sql/queries/people.sql``; a percent sign in it is written
twice. Dicts, and lists of dicts or lists, are sent as jsonb; lists of plain values as arrays. What PostgreSQL refuses
comes as an error of the catalogue (``faults.py``): by constraint name, by our own SQLSTATEs CY…, or as
DatabaseUnreachableError, DatabaseBusyError and SetupError; our own mistakes pass as psycopg raised them.

For commands: ``migrate.apply``, ``migrate.ensure_current``, ``plan.make_plan``, ``verify.verify``,
``rollback.rollback``, ``export.export_script``, ``embedded.EmbeddedServer``.
"""

from courseyard.db.pool import Database, Queries

__all__ = ["Database", "Queries"]
