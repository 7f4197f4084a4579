"""The installation's secret: made once, private, and never one key for two purposes."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from courseyard.errors import SetupError
from courseyard.keys import derive_key, read_secret


def test_secret_is_made_once_and_private(tmp_path):
    data = tmp_path / "data"
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: read_secret(data, None), range(8)))
    assert len(found) == 1
    assert len(found.pop()) == 64
    assert [path.name for path in data.iterdir()] == ["secret.key"]
    assert stat.S_IMODE((data / "secret.key").stat().st_mode) == 0o600


def test_configured_secret_goes_first_and_must_be_long(tmp_path):
    assert read_secret(tmp_path, "s" * 32) == "s" * 32
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SetupError, match="COURSEYARD_SECRET_KEY"):
        read_secret(tmp_path, "short")


def test_each_purpose_has_a_key_of_its_own():
    keys = {derive_key("s" * 32, purpose) for purpose in ("access", "launch", "player", "content")}
    assert len(keys) == 4
    assert {len(key) for key in keys} == {32}


def test_unwritable_data_directory_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(SetupError, match="cannot be read or written"):
        read_secret(tmp_path / "file", None)
