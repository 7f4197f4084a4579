"""A package becomes a course, all or nothing."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import psycopg
import pytest
from making import make_zip, manifest12, small_package

from courseyard.content.archive import BadPackageError
from courseyard.content.importer import delete_package, import_package
from courseyard.content.store import open_store
from courseyard.db import Database
from courseyard.demo import build_courses
from courseyard.errors import NotFoundError, SetupError

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(db_url):
    database = Database(db_url)
    await database.open()
    yield database
    await database.close()


def stored(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def rows(url: str, query: str) -> list[tuple]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


async def test_files_and_rows_are_where_the_guide_says(db, db_url, tmp_path):
    path = small_package(tmp_path / "p.zip", **{"style.css": "p{}"})
    steps: list[tuple[int, int]] = []
    made = await import_package(
        db, open_store(None, tmp_path), path, file_name="p.zip", progress=lambda *s: steps.append(s)
    )
    assert (made.title, made.edition, made.activities, made.number) == ("Course", "1.2", 1, 1)
    assert steps == [(1, 3), (2, 3), (3, 3)]
    files = tmp_path / "packages" / "packages" / made.version_id
    assert stored(files) == ["imsmanifest.xml", "index.html", "style.css"]
    assert rows(db_url, "select title, version, launch_url, passing_score, is_active from scorm_packages") == [
        ("Course", "1.2", "index.html", 80, True)
    ]
    assert rows(db_url, "select path, size, media_type from courseyard.package_files order by 1")[1] == (
        "index.html", 12, "text/html",
    )  # fmt: skip
    assert rows(db_url, "select sha256 from courseyard.package_versions") == [
        (hashlib.sha256(path.read_bytes()).hexdigest(),)
    ]


async def test_a_bad_package_leaves_nothing(db, db_url, tmp_path):
    path = make_zip(tmp_path / "p.zip", {"imsmanifest.xml": manifest12(), "other.html": "x"})
    with pytest.raises(BadPackageError) as caught:
        await import_package(db, open_store(None, tmp_path), path, file_name="p.zip")
    assert [f["code"] for f in caught.value.extra["findings"]] == ["missing-launch-file", "nothing-to-launch"]
    assert rows(db_url, "select from scorm_packages") == []
    assert stored(tmp_path / "packages") == []


async def test_a_description_in_a_file_of_its_own_is_read(db, db_url, tmp_path):
    named = manifest12().replace(
        "<schemaversion>1.2</schemaversion>",
        "<schemaversion>1.2</schemaversion><adlcp:location>about%20it.xml</adlcp:location>",
    )
    lom = (
        "<lom><general><title><langstring>Lifting</langstring></title><description><langstring>How to lift."
        "</langstring></description></general><educational><typicallearningtime><datetime>00:20:00</datetime>"
        "</typicallearningtime></educational></lom>"
    )
    files = {"imsmanifest.xml": named, "index.html": "x"}
    path = make_zip(tmp_path / "p.zip", {**files, "about it.xml": lom})
    made = await import_package(db, open_store(None, tmp_path), path, file_name="p.zip")
    assert made.findings == []
    assert rows(db_url, "select description, duration_minutes from scorm_packages") == [("How to lift.", 20)]
    for content in ({}, {"about it.xml": "<lom>"}):
        path = make_zip(tmp_path / "p.zip", {**files, **content})
        made = await import_package(db, open_store(None, tmp_path), path, file_name="p.zip")
        assert [f.code for f in made.findings] == ["bad-metadata-file"]


async def test_a_damaged_file_leaves_nothing(db, db_url, tmp_path):
    path = small_package(tmp_path / "p.zip", **{f"f{n}.txt": "courseyard " * 500 for n in range(20)})
    data = bytearray(path.read_bytes())
    at = data.index(b"f13.txt") + 12
    data[at : at + 8] = b"\xff" * 8
    path.write_bytes(bytes(data))
    with pytest.raises(BadPackageError) as caught:
        await import_package(db, open_store(None, tmp_path), path, file_name="p.zip")
    assert [(f.code, f.file) for f in caught.value.findings] == [("damaged-zip", "f13.txt")]
    assert rows(db_url, "select from courseyard.package_versions") == []
    assert stored(tmp_path / "packages") == []
    assert list((tmp_path / "packages").iterdir()) == []


async def test_an_import_broken_off_leaves_nothing(db, db_url, tmp_path):
    path = small_package(tmp_path / "p.zip", **{f"f{n}.txt": "courseyard " * 500 for n in range(200)})
    task: asyncio.Task

    def break_off(done: int, _total: int) -> None:
        if done == 20:
            task.cancel()

    task = asyncio.create_task(
        import_package(db, open_store(None, tmp_path), path, file_name="p.zip", progress=break_off)
    )
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rows(db_url, "select from courseyard.package_versions") == []
    assert stored(tmp_path / "packages") == []


async def test_a_store_that_fails_in_the_middle_leaves_nothing(db, db_url, tmp_path):
    store = open_store(None, tmp_path)
    put = store.put

    async def put_some(key, blocks):
        if key.endswith("index.html"):
            raise SetupError("disk full")
        return await put(key, blocks)

    store.put = put_some
    with pytest.raises(SetupError):
        await import_package(db, store, small_package(tmp_path / "p.zip"), file_name="p.zip")
    assert rows(db_url, "select from scorm_packages") == []
    assert stored(tmp_path / "packages") == []


async def test_a_new_version_stands_beside_the_old_one(db, db_url, tmp_path):
    store = open_store(None, tmp_path)
    first = await import_package(db, store, small_package(tmp_path / "a.zip"), file_name="a.zip")
    second = await import_package(
        db, store, small_package(tmp_path / "b.zip", more="x"), file_name="b.zip", package_id=first.id
    )
    assert (second.id, second.number) == (first.id, 2)
    assert rows(db_url, "select current_version_id::text from courseyard.package_settings") == [(second.version_id,)]
    assert len(stored(tmp_path / "packages")) == 5
    with pytest.raises(NotFoundError):
        await import_package(
            db, store, tmp_path / "b.zip", file_name="b.zip", package_id="00000000-0000-0000-0000-000000000000"
        )
    assert len(stored(tmp_path / "packages")) == 5


async def test_deleting_takes_rows_and_files(db, db_url, tmp_path):
    store = open_store(None, tmp_path)
    made = await import_package(db, store, small_package(tmp_path / "p.zip"), file_name="p.zip")
    await delete_package(db, store, made.id)
    assert stored(tmp_path / "packages") == []
    assert rows(db_url, "select from courseyard.package_versions") == []
    with pytest.raises(NotFoundError):
        await delete_package(db, store, made.id)


async def test_demo_courses_are_clean_and_always_the_same(db, tmp_path):
    assert build_courses() == build_courses()
    for name, data in build_courses():
        path = tmp_path / name
        path.write_bytes(data)
        made = await import_package(db, open_store(None, tmp_path), path, file_name=name)
        assert made.findings == []


async def test_packages_by_others(db, tmp_path, shared):
    seen = {}
    for path in sorted((shared / "packages").glob("*.zip")):
        made = await import_package(db, open_store(None, tmp_path), path, file_name=path.name)
        seen[path.stem] = (made.edition, made.activities, len(made.findings))
    assert seen == {
        "RuntimeBasicCalls_SCORM20043rdEdition": ("2004 3rd Edition", 1, 0),
        "RuntimeMinimumCalls_SCORM12": ("1.2", 18, 0),
        "SequencingSimpleRemediation_SCORM20043rdEdition": ("2004 3rd Edition", 8, 0),
        "SingleSCO_SCORM12": ("1.2", 1, 0),
    }
