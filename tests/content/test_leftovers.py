"""An import that was killed leaves nothing for ever; one that runs is left alone."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from making import make_zip, manifest12, small_package

from courseyard.content.importer import delete_package, import_package
from courseyard.content.leftovers import remove_abandoned
from courseyard.content.store import open_store, store_prefix
from courseyard.db import Database
from courseyard.errors import NotFoundError, SetupError
from courseyard.limits import ABANDONED_AFTER

pytestmark = pytest.mark.anyio


class Broken:
    """A store that is away."""

    async def delete_prefix(self, prefix: str) -> None:
        raise SetupError("The store is away.")


LATER = timedelta(minutes=1) + ABANDONED_AFTER


@pytest.fixture
async def db(db_url):
    database = Database(db_url)
    await database.open()
    yield database
    await database.close()


def import_and_kill(path: Path, data: Path, db_url: str) -> None:
    """Import as a process of its own, and end that as soon as its first files lie in the store."""
    program = str(Path(sys.executable).with_name("courseyard"))
    importing = subprocess.Popen(
        [program, "package", "import", str(path), "--data", str(data)],
        env=os.environ | {"COURSEYARD_DATABASE_URL": db_url},
        stdout=subprocess.DEVNULL,
    )
    folder, until = data / "packages" / "packages", time.monotonic() + 60
    while len(list(folder.iterdir())) < 2:
        assert time.monotonic() < until
        assert importing.poll() is None
        time.sleep(0.002)
    importing.kill()
    importing.wait(30)
    assert len(list(folder.iterdir())) == 2, "its files lie there and no row tells of them"


async def test_a_killed_import_is_cleaned_up_and_a_running_one_is_not(db, db_url, open_folder: Path) -> None:
    store = open_store(None, open_folder)
    made = await import_package(db, store, small_package(open_folder / "p.zip"), file_name="p.zip")
    ballast = {f"{n}.bin": os.urandom(300_000) for n in range(200)}
    large = make_zip(open_folder / "large.zip", {"imsmanifest.xml": manifest12(), "index.html": "x", **ballast})
    await asyncio.to_thread(import_and_kill, large, open_folder, db_url)

    now = datetime.now(UTC)
    assert await remove_abandoned(db, store, now) == 0, "it may be running in another process"
    assert await remove_abandoned(db, store, now + LATER) == 1
    folder = open_folder / "packages" / "packages"
    assert [path.name for path in folder.iterdir()] == [made.version_id]
    assert (folder / made.version_id / "index.html").is_file()


async def test_only_what_this_database_noted_is_touched(db, open_folder: Path) -> None:
    store = open_store("memory:///", Path())
    mine, another = str(uuid.uuid4()), str(uuid.uuid4())
    for version in (mine, another):
        await store.put(f"{store_prefix(version)}/deep/er/file", [b"x"])
    await db.run("packages.note_files", version_id=mine)
    now = datetime.now(UTC)
    assert await remove_abandoned(db, store, now) == 0
    assert await remove_abandoned(db, store, now + LATER) == 1
    with pytest.raises(NotFoundError):
        await store.open(f"{store_prefix(mine)}/deep/er/file")
    assert (await store.open(f"{store_prefix(another)}/deep/er/file")).size == 1
    assert await remove_abandoned(db, store, now + LATER) == 0


async def test_a_deletion_that_the_store_did_not_take_is_made_up_for(db, open_folder: Path) -> None:
    store = open_store(None, open_folder)
    made = await import_package(db, store, small_package(open_folder / "p.zip"), file_name="p.zip")
    with pytest.raises(SetupError):
        await delete_package(db, Broken(), made.id)
    assert await remove_abandoned(db, store, datetime.now(UTC) + LATER) == 1
    assert not (open_folder / "packages" / store_prefix(made.version_id)).exists()
