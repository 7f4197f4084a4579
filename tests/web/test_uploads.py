"""Multipart uploads come to disk as they were sent, whatever the chunks."""

import asyncio
import os
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from courseyard.errors import InvalidInputError, MalformedBodyError, TooLargeError
from courseyard.limits import ABANDONED_AFTER
from courseyard.web import uploads
from courseyard.web.uploads import receive_file, remove_abandoned_uploads

BOUNDARY = "xYzZY"


def body_of(data: bytes, name: str = "file", file_name: str = "course.zip") -> bytes:
    return (
        (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
            f"Content-Type: application/zip\r\n\r\n"
        ).encode()
        + data
        + f"\r\n--{BOUNDARY}--\r\n".encode()
    )


def request_of(chunks, content_type=f"multipart/form-data; boundary={BOUNDARY}", headers=()):
    messages = [{"type": "http.request", "body": c, "more_body": True} for c in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "method": "POST",
        "headers": [(b"content-type", content_type.encode()), *headers],
    }
    return Request(scope, receive)


def take(request, folder, field="file"):
    async def run():
        async with receive_file(request, folder, field) as upload:
            return upload.path.read_bytes(), upload.file_name

    return asyncio.run(run())


@settings(deadline=None, max_examples=60)
@given(
    data=st.binary(max_size=400) | st.just(b"\r\n--" + BOUNDARY.encode()[:-1] + b"\r\n"),
    size=st.integers(1, 80),
)
def test_any_bytes_in_any_chunks_arrive_unchanged(tmp_path_factory, data, size):
    raw = body_of(data)
    chunks = [raw[i : i + size] for i in range(0, len(raw), size)]
    folder = tmp_path_factory.mktemp("up")
    assert take(request_of(chunks), folder) == (data, "course.zip")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("C:\\\\kurse\\\\a.zip", "a.zip"),
        ("../../etc/passwd", "passwd"),
        ("Sécurité.zip", "Sécurité.zip"),
        ("..", ".."),
    ],
)
def test_only_the_last_part_of_a_file_name_is_kept(tmp_path, sent, kept):
    assert take(request_of([body_of(b"x", file_name=sent)]), tmp_path)[1] == kept


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InvalidInputError, match="'file'"):
        take(request_of([body_of(b"x", name="other")]), tmp_path)


@pytest.mark.parametrize("content_type", ["application/zip", "multipart/form-data", ""])
def test_other_content_types_are_refused(tmp_path, content_type):
    with pytest.raises(MalformedBodyError):
        take(request_of([b"x"], content_type), tmp_path)


def test_upload_broken_off_in_the_middle_leaves_nothing(tmp_path):
    with pytest.raises(InvalidInputError):
        take(request_of([body_of(b"x" * 1000)[:-400]]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_garbage_is_refused(tmp_path):
    with pytest.raises(MalformedBodyError):
        take(request_of([b"no multipart at all"]), tmp_path)


def test_headers_without_end_are_refused(tmp_path):
    raw = f"--{BOUNDARY}\r\nX: ".encode() + b"a" * 20_000
    with pytest.raises(MalformedBodyError):
        take(request_of([raw]), tmp_path)


def test_too_much_is_refused_by_announcement_and_by_count(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_UPLOAD_BYTES", 1000)
    with pytest.raises(TooLargeError):
        take(request_of([], headers=[(b"content-length", b"99999999")]), tmp_path)
    with pytest.raises(TooLargeError):
        take(request_of([body_of(b"x" * 1001)]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_server_left_of_an_upload_goes(tmp_path):
    kept, old = tmp_path / "upload-new.zip", tmp_path / "upload-old.zip"
    for path in (kept, old):
        path.write_bytes(b"half")
    now = datetime.now(UTC)
    long_ago = (now - ABANDONED_AFTER).timestamp() - 60
    os.utime(old, (long_ago, long_ago))
    remove_abandoned_uploads(tmp_path, now)
    assert [path.name for path in tmp_path.iterdir()] == ["upload-new.zip"]
