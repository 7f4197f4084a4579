"""``courseyard package`` as an author uses it."""

from __future__ import annotations

import json

from making import make_zip, manifest12, small_package
from typer.testing import CliRunner

from courseyard.errors import NotFoundError
from courseyard.main import commands


def run(*words):
    return CliRunner().invoke(commands, ["package", *map(str, words)])


def test_check_says_what_to_do_and_exits_non_zero(tmp_path):
    good = small_package(tmp_path / "good.zip")
    assert run("check", good).output == "No findings. The package can be used.\n"
    bad = make_zip(tmp_path / "bad.zip", {"imsmanifest.xml": manifest12()})
    done = run("check", bad)
    assert done.exit_code == 1
    assert "missing-launch-file" in done.output
    assert "imsmanifest.xml:8)" in done.output
    assert "Add the file" in done.output


def test_check_and_info_speak_json(tmp_path):
    path = small_package(tmp_path / "p.zip")
    assert json.loads(run("check", path, "--json").output) == {"usable": True, "findings": []}
    assert json.loads(run("info", path, "--json").output)["title"] == "Course"
    assert "[sco] index.html" in run("info", path).output


def test_info_of_an_imported_package_by_its_identifier(tmp_path, db_url, monkeypatch):
    monkeypatch.setenv("COURSEYARD_DATABASE_URL", db_url)
    path = small_package(tmp_path / "p.zip")
    package_id = run("import", path, "--data", tmp_path).output.split()[0]
    by_file = run("info", path)
    assert run("info", package_id, "--data", tmp_path).output == by_file.output
    by_id = run("info", package_id, "--json", "--data", tmp_path)
    assert json.loads(by_id.output) == json.loads(run("info", path, "--json").output)
    for unknown in ("0d7a35f2-3c5f-4b0e-8d0f-3b1a4f3c7a10", "missing.zip"):
        refused = run("info", unknown, "--data", tmp_path)
        assert isinstance(refused.exception, NotFoundError)
        assert unknown in refused.exception.detail
