"""Files in the store that no version stands for: what a killed import left, or a deletion that was cut short."""

from __future__ import annotations

from datetime import datetime

from courseyard.content.store import PackageFiles, store_prefix
from courseyard.db import Database
from courseyard.limits import ABANDONED_AFTER


async def remove_abandoned(db: Database, store: PackageFiles, now: datetime) -> int:
    """Remove them; of how many versions they were.

    Another process may be importing at this moment: its files are left alone as long as it adds to them. Only what
    this database has noted is touched, whatever else lies in the store.

    Raises:
        SetupError: the store does not answer.
    """
    removed = 0
    for row in await db.all("packages.loose_files", before=now - ABANDONED_AFTER):
        prefix = store_prefix(row["version_id"])
        written = await store.written_at(prefix)
        if written is None or now - written > ABANDONED_AFTER:
            await store.delete_prefix(prefix)
            await db.run("packages.settle_files", version_id=row["version_id"])
            removed += 1
    return removed
