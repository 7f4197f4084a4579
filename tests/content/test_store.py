"""One suite that every kind of store must pass."""

from __future__ import annotations

import boto3
import pytest
from moto.server import ThreadedMotoServer

from courseyard.content.store import open_store
from courseyard.errors import NotFoundError, SetupError

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def s3():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["local", "memory", "s3"])
def store(request, tmp_path, monkeypatch):
    if request.param == "local":
        return open_store(None, tmp_path)
    if request.param == "memory":
        return open_store("memory:///", tmp_path)
    endpoint = request.getfixturevalue("s3")
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
    for name, value in {**keys, "AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true"}.items():
        monkeypatch.setenv(name, value)
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    client.create_bucket(Bucket="courses")
    return open_store("s3://courses/prefix", tmp_path)


async def read(store, key, span=None) -> tuple[int, bytes]:
    opened = await store.open(key, span)
    return opened.size, b"".join([block async for block in opened.blocks])


async def test_what_is_written_is_read_whole_and_in_part(store):
    assert await store.put("packages/v/ü b.txt", [b"hello ", b"world"]) == 11
    assert await read(store, "packages/v/ü b.txt") == (11, b"hello world")
    assert await read(store, "packages/v/ü b.txt", (6, None)) == (11, b"world")
    assert await read(store, "packages/v/ü b.txt", (0, 5)) == (11, b"hello")
    assert await read(store, "packages/v/ü b.txt", (4, 400)) == (11, b"o world")
    assert await read(store, "packages/v/ü b.txt", (11, None)) == (11, b"")


async def test_empty_and_large_files(store):
    assert await store.put("packages/v/empty", []) == 0
    assert await read(store, "packages/v/empty") == (0, b"")
    blocks = [bytes([n]) * 1_000_000 for n in range(12)]
    assert await store.put("packages/v/large", iter(blocks)) == 12_000_000
    assert await read(store, "packages/v/large") == (12_000_000, b"".join(blocks))


async def test_a_file_is_never_replaced(store):
    await store.put("packages/v/a", [b"1"])
    with pytest.raises(SetupError):
        await store.put("packages/v/a", [b"2"])
    assert await read(store, "packages/v/a") == (1, b"1")


async def test_what_breaks_off_while_it_is_written_is_not_there(store):
    def broken():
        yield b"x" * 6_000_000
        raise ValueError("the source broke")

    with pytest.raises(ValueError, match="the source broke"):
        await store.put("packages/v/broken", broken())
    with pytest.raises(NotFoundError):
        await store.open("packages/v/broken")


async def test_odd_names_are_kept_as_they_are(store):
    for name in ("100%.html", "a%20b.html", "q?.html", "h#.html", '"x"|<>.txt', "[1]{2}~*.js", "...", "t. "):
        await store.put(f"packages/v/{name}", [name.encode()])
        assert await read(store, f"packages/v/{name}") == (len(name), name.encode())
    await store.delete_prefix("packages/v")
    with pytest.raises(NotFoundError):
        await store.open("packages/v/100%.html")


async def test_missing_files_are_not_found(store):
    for key in ("packages/v/gone", "packages/../secret"):
        with pytest.raises(NotFoundError):
            await store.open(key)


async def test_deleting_a_prefix_takes_its_files_only(store):
    for key in ("packages/a/1", "packages/a/sub/2", "packages/ab/3"):
        await store.put(key, [b"x"])
    await store.delete_prefix("packages/a")
    await store.delete_prefix("packages/nothing")
    for key in ("packages/a/1", "packages/a/sub/2"):
        with pytest.raises(NotFoundError):
            await store.open(key)
    assert await read(store, "packages/ab/3") == (1, b"x")
    await store.check()


async def test_an_address_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(SetupError):
        open_store("gopher://nowhere", tmp_path)
