"""Places with files: a folder and S3 behave alike; nothing leads out of a folder."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer

from courseyard.errors import PartnerAnswerError, PartnerRefusedError, PartnerUnreachableError
from courseyard.partners import sources
from courseyard.partners.connector import Config
from courseyard.partners.sources import open_source, source_of

pytestmark = pytest.mark.anyio

KEYS = {"access_key_id": "test", "secret_access_key": "test", "region": "us-east-1"}


@pytest.fixture(scope="module")
def s3():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    ).create_bucket(Bucket="partner")
    yield address
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def source(request, tmp_path):
    if request.param == "folder":
        return open_source(str(tmp_path / "uploads"))
    return open_source(f"s3://partner/{uuid4()}", s3={**KEYS, "endpoint": request.getfixturevalue("s3")})


async def test_what_is_written_is_listed_and_read(source):
    assert await source.list() == []
    await source.write("a ü.csv", b"1")
    await source.write("sub/b.csv", b"22")
    await source.write(".hidden/c.csv", b"3")
    found = {file.name: file for file in await source.list()}
    assert {name: file.size for name, file in found.items()} == {"a ü.csv": 1, "sub/b.csv": 2}
    assert abs(datetime.now(UTC) - found["a ü.csv"].modified_at) < timedelta(minutes=1)
    assert await source.read("sub/b.csv") == b"22"


async def test_a_changed_file_has_another_etag(source):
    await source.write("a.csv", b"1")
    (before,) = await source.list()
    await source.write("a.csv", b"2")
    (after,) = await source.list()
    assert before.etag != after.etag
    assert await source.read("a.csv") == b"2"


async def test_a_file_of_this_machine_is_copied(source, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.write_bytes(b"12345" * 3_000_000)
    await source.write("sub/a.csv", here)
    assert await source.read("sub/a.csv") == here.read_bytes()
    assert [file.size for file in await source.list()] == [15_000_000]
    monkeypatch.setattr(sources, "MAX_PARTNER_FILE_BYTES", 14_999_999)
    with pytest.raises(PartnerAnswerError, match="larger"):
        await source.write("b.csv", here)


async def test_a_file_that_is_gone_is_told(source):
    with pytest.raises(PartnerAnswerError, match=r"b\.csv is not there"):
        await source.read("b.csv")


async def test_what_is_deleted_is_gone_and_the_others_stay(source):
    await source.write("sub/a.csv", b"1")
    await source.write("b.csv", b"2")
    await source.delete("sub/a.csv")
    assert [file.name for file in await source.list()] == ["b.csv"]


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../../b", "", "a//b", "a\\b", "a\0b", "."])
async def test_names_lead_nowhere_else(source, name):
    with pytest.raises(PartnerRefusedError):
        await source.read(name)
    with pytest.raises(PartnerRefusedError):
        await source.write(name, b"x")
    with pytest.raises(PartnerRefusedError):
        await source.delete(name)


async def test_too_large_and_too_many(source, monkeypatch):
    await source.write("a.csv", b"123")
    await source.write("b.csv", b"1")
    monkeypatch.setattr(sources, "MAX_PARTNER_FILE_BYTES", 2)
    with pytest.raises(PartnerAnswerError, match="larger"):
        await source.read("a.csv")
    with pytest.raises(PartnerAnswerError, match="larger"):
        await source.write("c.csv", b"123")
    monkeypatch.setattr(sources, "MAX_PARTNER_FILES", 1)
    with pytest.raises(PartnerAnswerError, match="more than 1 files"):
        await source.list()


async def test_links_and_pipes_are_neither_listed_nor_read(tmp_path):
    allowed, outside = tmp_path / "allowed", tmp_path / "outside"
    (allowed / "partner").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret.csv").write_text("secret")
    (allowed / "partner" / "file.csv").symlink_to(outside / "secret.csv")
    (allowed / "partner" / "folder").symlink_to(outside)
    os.mkfifo(allowed / "partner" / "pipe.csv")
    source = open_source("partner", within=allowed)
    assert await source.list() == []
    for name in ("file.csv", "folder/secret.csv", "pipe.csv"):
        with pytest.raises((PartnerRefusedError, PartnerAnswerError, PartnerUnreachableError)):
            await asyncio.wait_for(source.read(name), 5)
        with pytest.raises((PartnerRefusedError, PartnerAnswerError, PartnerUnreachableError)):
            await source.delete(name)
    assert (outside / "secret.csv").exists()


async def test_a_folder_swapped_for_a_link_is_not_followed(tmp_path):
    (tmp_path / "allowed" / "partner").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.csv").write_text("secret")
    source = open_source("partner", within=tmp_path / "allowed")
    (tmp_path / "allowed" / "partner").rmdir()
    (tmp_path / "allowed" / "partner").symlink_to(tmp_path / "outside")
    with pytest.raises((PartnerAnswerError, PartnerUnreachableError)):
        await source.list()


@pytest.mark.parametrize("location", ["..", "/", "/etc", "link", "../allowed-not"])
async def test_folders_outside_of_the_named_one_are_refused(tmp_path, location):
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed-not").mkdir()
    (tmp_path / "allowed" / "link").symlink_to(tmp_path)
    with pytest.raises(PartnerRefusedError, match="outside"):
        open_source(location, within=tmp_path / "allowed")


async def test_absolute_folders_inside_are_fine(tmp_path):
    (tmp_path / "allowed" / "in").mkdir(parents=True)
    (tmp_path / "allowed" / "in" / "a.csv").write_bytes(b"1")
    source = open_source(str(tmp_path / "allowed" / "in"), within=tmp_path / "allowed")
    assert [file.name for file in await source.list()] == ["a.csv"]
    with pytest.raises(PartnerUnreachableError, match="no such folder"):
        open_source("gone", within=tmp_path / "allowed")


async def test_files_that_are_being_written_wait(tmp_path):
    (tmp_path / "old.csv").write_bytes(b"1")
    os.utime(tmp_path / "old.csv", (1_000_000_000, 1_000_000_000))
    (tmp_path / "new.csv").write_bytes(b"1")
    source = open_source("", within=tmp_path, settle=timedelta(seconds=30))
    assert [file.name for file in await source.list()] == ["old.csv"]


async def test_the_oldest_file_comes_first(tmp_path):
    for name, second in (("b.csv", 1), ("a.csv", 2), ("c.csv", 2)):
        (tmp_path / name).write_bytes(b"1")
        os.utime(tmp_path / name, (second, second))
    assert [file.name for file in await open_source("", within=tmp_path).list()] == ["b.csv", "a.csv", "c.csv"]


def config(**values):
    return Config("11111111-1111-4111-8111-111111111111", values)


async def test_a_provider_s_settings_open_its_place(tmp_path, s3):
    (tmp_path / "allowed").mkdir()
    await source_of(config(upload_location=str(tmp_path / "up"))).write("a.csv", b"1")
    assert (tmp_path / "up" / "a.csv").read_bytes() == b"1"
    assert await source_of(config(source="folder", location="", partner_folder=str(tmp_path / "allowed"))).list() == []
    keys = {"s3_endpoint": s3, "s3_region": "us-east-1", "s3_key_id": "test", "s3_secret_key": "test"}
    await source_of(config(source="s3", location="s3://partner/mine", **keys)).write("a.csv", b"1")
    assert len(await source_of(config(source="s3", location="s3://partner/mine", **keys)).list()) == 1


async def test_credentials_may_come_from_the_environment(s3, monkeypatch):
    names = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
    for name, value in {**names, "AWS_ENDPOINT_URL": s3, "AWS_ALLOW_HTTP": "true"}.items():
        monkeypatch.setenv(name, value)
    assert await source_of(config(source="s3", location="s3://partner/environment")).list() == []


async def test_what_is_not_set_up_is_told(s3):
    with pytest.raises(PartnerRefusedError, match="reads no folders"):
        source_of(config(source="folder", location="/etc"))
    with pytest.raises(PartnerAnswerError, match="s3://"):
        source_of(config(source="s3", location="https://example.com"))
    with pytest.raises(PartnerAnswerError, match="No place"):
        source_of(config())
    with pytest.raises(PartnerRefusedError, match="key of its own"):
        source_of(config(source="s3", location="s3://partner/x", s3_endpoint=s3))
    nowhere = open_source("s3://not-there/x", s3={**KEYS, "endpoint": s3})
    with pytest.raises((PartnerAnswerError, PartnerUnreachableError)):
        await nowhere.list()
