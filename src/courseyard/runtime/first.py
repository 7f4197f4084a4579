"""What comes first: courses at partners that a learner must have completed before a package opens.

Which these are the database says, at the moment of asking (``mapping_relations_v1``): as soon as a completion has
arrived from the partner, the package opens. It must not know how a launch is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from courseyard.db import Database, Queries
from courseyard.errors import PrerequisiteOpenError


async def require_first(db: Database | Queries, enrollment_id: str, title: str) -> None:
    """Let an enrolment in the package ``title`` through if nothing comes first that the learner has not completed.

    Raises:
        PrerequisiteOpenError: something does.
    """
    missing = await db.all("runtime.comes_first", enrollment_id=enrollment_id)
    if missing:
        raise PrerequisiteOpenError(sentence(title, missing), prerequisites=missing)


def sentence(title: str, missing: Sequence[Mapping[str, Any]]) -> str:
    """Which courses come before a package, in words."""
    names = [f"“{row['title']}”" + (f" at {row['provider']}" if row["provider"] else "") for row in missing]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    verb, are = ("comes", "is") if len(names) == 1 else ("come", "are")
    return f"Before “{title}” {verb} {listed}, which {are} not completed yet."
