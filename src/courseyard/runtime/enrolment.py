"""Enrolling a learner, and the links that open the player: what the REST interface, the pages and partners share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from courseyard.db import Database
from courseyard.errors import (
    InvalidInputError,
    NotFoundError,
    PackageInactiveError,
    PackageNotPlayableError,
)
from courseyard.runtime.first import require_first
from courseyard.runtime.tokens import LaunchLink, PlayTokens

LAUNCH_MODES = ("normal", "browse", "review")


class Enrolments:
    """Enrols learners and opens the player for them."""

    def __init__(self, db: Database, tokens: PlayTokens, content_url: str, clock: Callable[[], datetime]) -> None:
        """``content_url``: the address of the player's origin, without a path."""
        self._db = db
        self._tokens = tokens
        self._content_url = content_url
        self._clock = clock

    async def enroll(self, package_id: str, profile_id: str) -> tuple[str, bool]:
        """The enrolment of a learner in a package, and whether it is new; asked for twice, it is the same one.

        Raises:
            NotFoundError: there is no such package, or no such learner.
            PackageInactiveError: the package takes no new learners.
            PackageNotPlayableError: the package's row was written by hand, nothing was uploaded.
        """
        package = await self._db.one("runtime.package_for_enrolment", package_id=package_id)
        if package is None:
            raise NotFoundError("There is no such package.")
        if package["is_active"] is False:
            raise PackageInactiveError(f"'{package['title']}' is not active, so nobody can be enrolled in it.")
        if not package["is_playable"]:
            raise PackageNotPlayableError
        # What another request inserts at the same moment is invisible to the statement that loses: ask again.
        for _ in range(2):
            row = await self._db.one("runtime.enrol", package_id=package_id, profile_id=profile_id)
            if row is not None:
                return row["id"], row["created"]
        raise NotFoundError("The enrolment was deleted at the same moment.")

    async def launch(self, enrollment_id: str, mode: str = "normal", redirect_url: str | None = None) -> str:
        """The address that opens the player for an enrolment, without a login, for a short time.

        ``redirect_url``: where the player goes when the course is over.

        Raises:
            NotFoundError: there is no such enrolment.
            InvalidInputError: no such mode, or an address that is none.
            PrerequisiteOpenError: a course at a partner comes first.
        """
        if mode not in LAUNCH_MODES:
            raise InvalidInputError(f"There is no mode '{mode}'.", hint=f"Choose {', '.join(LAUNCH_MODES)}.")
        row = await self._db.one("runtime.enrollment", enrollment_id=enrollment_id)
        if row is None:
            raise NotFoundError("There is no such enrolment.")
        await require_first(self._db, enrollment_id, row["title"])
        return self._url(LaunchLink(mode, enrollment_id, redirect_url=_checked(redirect_url)))

    async def preview(self, package_id: str, profile_id: str | None, redirect_url: str | None = None) -> str:
        """The address that opens the player for somebody who looks at a package; nothing of it counts.

        Raises:
            NotFoundError: there is no such package.
            PackageNotPlayableError: nothing was uploaded for it.
        """
        row = await self._db.one("runtime.current_version", package_id=package_id)
        if row is None:
            raise NotFoundError("There is no such package.")
        if row["version_id"] is None:
            raise PackageNotPlayableError
        return self._url(
            LaunchLink(
                "preview",
                version_id=row["version_id"],
                profile_id=profile_id,
                redirect_url=_checked(redirect_url),
            )
        )

    def _url(self, link: LaunchLink) -> str:
        return f"{self._content_url}/play/{self._tokens.issue_launch(link, self._clock())}"


def _checked(url: str | None) -> str | None:
    """Only a web address: a script's address would run in the player.

    Raises:
        InvalidInputError: it is none.
    """
    if url is None:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise InvalidInputError("redirect_url is not a web address.", hint="Begin it with https:// or http://.")
    return url
