"""Enrolling a learner in a package: the entry that the REST interface, the pages and partners share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from courseyard.db import Database
from courseyard.errors import NotFoundError, PackageInactiveError, PackageNotPlayableError


@dataclass(frozen=True, slots=True)
class Learner:
    """Whom a caller means: ``external_id`` is the caller's own identifier, any string; without it the e-mail counts."""

    email: str
    external_id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A learner in a package; ``created`` is false when the enrolment stood already."""

    id: str
    package_id: str
    profile_id: str
    status: str
    created_at: datetime
    created: bool


FindLearner = Callable[[Learner], Awaitable[str]]


class Enrolments:
    """Enrols learners. The same learner in the same package is one enrolment, however often and at once asked for."""

    def __init__(self, db: Database, find_learner: FindLearner) -> None:
        """``find_learner`` gives the profile of a learner, made where that may be done."""
        self._db = db
        self._find_learner = find_learner

    async def enrol(self, package_id: str, learner: Learner) -> Enrolment:
        """Enrol a learner; an enrolment that stands is returned as it is.

        Raises:
            NotFoundError: there is no such package.
            PackageInactiveError: the package takes no new learners.
            PackageNotPlayableError: the package's row was written by hand, nothing was uploaded.
            UnknownLearnerError: nobody is known, and ``find_learner`` may not make the profile.
        """
        package = await self._db.one("runtime.package_for_enrolment", package_id=package_id)
        if package is None:
            raise NotFoundError("There is no such package.")
        if package["is_active"] is False:
            raise PackageInactiveError(f"'{package['title']}' is not active, so nobody can be enrolled in it.")
        if not package["is_playable"]:
            raise PackageNotPlayableError
        profile_id = await self._find_learner(learner)
        return await self.enrol_profile(package_id, profile_id)

    async def enrol_profile(self, package_id: str, profile_id: str) -> Enrolment:
        """Enrol a person whose profile is known; nothing else is checked."""
        # A row that another request has just inserted is invisible to the statement that loses: ask once more.
        for _ in range(2):
            row = await self._db.one("runtime.enrol", package_id=package_id, profile_id=profile_id)
            if row is not None:
                return Enrolment(**row)
        raise NotFoundError("The enrolment was deleted at the same moment.")
