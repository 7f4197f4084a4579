"""A player on a real database, and a learner in a course that a manifest describes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from making import make_zip

from courseyard.content.importer import import_package
from courseyard.content.store import open_store
from courseyard.db import Database
from courseyard.runtime import Commit, ContentPrefixes, Enrolments, Navigation, Player, PlayerSession, PlayTokens

SECRET = "a secret of more than thirty-two characters"


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Window:
    """The player page as the server sees it."""

    player: Player
    opened: dict[str, Any]
    seq: int = 0
    view: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.view = self.opened["view"]

    @property
    def session(self) -> PlayerSession:
        return self.player.tokens.read_session(self.opened["token"], now())[0]

    @property
    def item(self) -> str | None:
        return self.view["delivery"]["item"] if self.view["delivery"] else None

    @property
    def data(self) -> dict[str, str]:
        return self.view["delivery"]["data"]

    async def commit(self, *elements: tuple[str, str], terminate: bool = False, **changes: Any) -> dict[str, Any]:
        self.seq = changes.get("seq", self.seq + 1)
        body = {
            "attempt": self.opened["attempt"],
            "epoch": self.opened["epoch"],
            "seq": self.seq,
            "item": self.item,
            "activity_attempt": self.view["delivery"]["activity_attempt"] if self.view["delivery"] else 1,
            "elements": list(elements),
            "terminate": terminate,
        }
        return await self.player.commit(self.session, Commit(**body | changes))

    async def go(self, request: str | None, target: str | None = None, **more: Any) -> dict[str, Any]:
        asked = Navigation(self.opened["attempt"], self.opened["epoch"], request, target, **more)
        self.view = await self.player.navigate(self.session, asked, now())
        return self.view


@dataclass
class Classroom:
    """A server process: made anew, it knows nothing but the database."""

    url: str
    db: Database
    folder: Path

    def __post_init__(self) -> None:
        self.tokens = PlayTokens(SECRET)
        self.restart()

    def restart(self) -> None:
        """What a restart of the server does to the run-time."""
        self.player = Player(self.db, self.tokens, ContentPrefixes(SECRET))
        self.enrolments = Enrolments(self.db, self.tokens, "http://content", now)

    async def course(self, manifest: str, package_id: str | None = None, **files: str) -> str:
        """Import a package, or a new version of one; its id."""
        content = {"imsmanifest.xml": manifest, "index.html": "<p>Hello</p>", **files}
        zip_file = make_zip(self.folder / "course.zip", content)
        imported = await import_package(
            self.db, open_store(None, self.folder), zip_file, file_name="course.zip", package_id=package_id
        )
        return imported.id

    async def learner(self, email: str = "ada@example.org") -> str:
        """A learner's profile."""
        row = await self.db.one(
            "people.learner", external_id=email, email=email, full_name="Ada", make=True, profile_id=None
        )
        return str(row["profile_id"])

    async def enrol(self, package_id: str, email: str = "ada@example.org") -> str:
        """Enrol a learner."""
        return (await self.enrolments.enroll(package_id, await self.learner(email)))[0]

    async def open(self, enrollment_id: str, mode: str = "normal") -> Window:
        """Launch and open the player."""
        url = await self.enrolments.launch(enrollment_id, mode)
        return Window(self.player, await self.player.open(url.rsplit("/", 1)[1], "test", now()))

    async def preview(self, package_id: str) -> Window:
        """Look at a package as staff."""
        url = await self.enrolments.preview(package_id, await self.learner("staff@example.org"))
        return Window(self.player, await self.player.open(url.rsplit("/", 1)[1], "test", now()))

    async def sql(self, query: str, *params: Any) -> list[dict[str, Any]]:
        """Look into the database."""
        async with self.db._connection() as connection:
            cursor = await connection.execute(query.encode(), params)
            return await cursor.fetchall() if cursor.description else []

    async def enrolment(self, enrollment_id: str) -> dict[str, Any]:
        """The public row."""
        return (await self.sql("select * from public.scorm_enrollments where id = %s", enrollment_id))[0]


@pytest.fixture
async def classroom(db_url: str, tmp_path: Path) -> AsyncIterator[Classroom]:
    """On the embedded server."""
    async with _classroom(db_url, tmp_path) as found:
        yield found


@pytest.fixture
async def either_classroom(either_db: str, tmp_path: Path) -> AsyncIterator[Classroom]:
    """Once per kind of server."""
    async with _classroom(either_db, tmp_path) as found:
        yield found


@asynccontextmanager
async def _classroom(url: str, folder: Path) -> AsyncIterator[Classroom]:
    db = Database(url)
    await db.open()
    try:
        yield Classroom(url, db, folder)
    finally:
        await db.close()
