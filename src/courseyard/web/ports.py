"""What the web needs of the rest of the house, named for the need. The composition root fills them in."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

LaunchMode = Literal["normal", "browse", "review"]
LAUNCH_MODES: dict[str, LaunchMode] = {"normal": "normal", "browse": "browse", "review": "review"}


class Packages(Protocol):
    """Brings packages in and removes them, files and rows together."""

    async def import_package(
        self, zip_file: Path, file_name: str, *, package_id: str | None, created_by: str | None
    ) -> str:
        """Import a zip as a new package, or as a new version of ``package_id``; the package's id.

        Raises:
            ContentError: it cannot be used; ``extra["findings"]`` says why.
        """

    async def delete_package(self, package_id: str) -> None:
        """Delete a package with all that was recorded for it, and its files."""


class Courses(Protocol):
    """Enrols learners and opens the player."""

    async def enroll(self, package_id: str, profile_id: str) -> tuple[str, bool]:
        """The enrolment of a learner in a package, and whether it is new."""

    async def launch(self, enrollment_id: str, mode: LaunchMode, redirect_url: str | None) -> str:
        """The address that opens the player for an enrolment, without a login, for a short time.

        Raises:
            PrerequisiteOpenError: a course at a partner comes first.
        """

    async def preview(self, package_id: str, profile_id: str, redirect_url: str | None) -> str:
        """The address that opens the player for somebody who looks at a package; nothing of it counts."""
