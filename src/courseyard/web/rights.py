"""With whose rights a query runs: the service's or a person's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from courseyard.db import Database, Queries
from courseyard.people import Caller


@asynccontextmanager
async def rights_of(db: Database, caller: Caller) -> AsyncIterator[Database | Queries]:
    """Queries with the caller's rights. For a person, row level security decides; nothing here repeats it."""
    if caller.is_service:
        yield db
    else:
        async with db.as_person(caller.claims) as own:
            yield own


def like_pattern(search: str | None) -> str | None:
    """The pattern that finds a text anywhere; None finds everything."""
    if not search or not search.strip():
        return None
    escaped = search.strip().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
