"""docs/spec-map.md: no process, definition or exception code of the book is without a place in the code and a test."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
PROCESSES = {
    "OP.1", "NB.2.1", "TB.2.1", "TB.2.2", "TB.2.3", "RB.1.1 a", "RB.1.1 b", "RB.1.2 a", "RB.1.2 b", "RB.1.3 a",
    "RB.1.3 b", "RB.1.4", "RB.1.4.1", "RB.1.4.2", "RB.1.5", "SR.1", "SR.2", *(f"SB.2.{n}" for n in range(1, 14)),
    "SB.2.9.1", "SB.2.9.2", "DB.1.1", "DB.2", "DB.2.1", "UP.1", "UP.2", "UP.2.1", "UP.3", "UP.4", "UP.5",
}  # fmt: skip
# The sections of chapters 3, 4.2 and 5 that ask something of an LMS.
DEFINITIONS = {
    "SN 2.1", "SN 2.1.2", "SN 2.3.1", "SN 2.3.2", *(f"SN 3.2.{n}" for n in range(1, 7)), "SN 3.3.1", "SN 3.3.2",
    *(f"SN 3.4.{n}" for n in range(1, 7)), "SN 3.5.1", "SN 3.5.2", "SN 3.6", *(f"SN 3.7.{n}" for n in range(1, 6)),
    "SN 3.8.1", "SN 3.8.2", "SN 3.8.3", *(f"SN 3.9 ({n})" for n in range(1, 6)), "SN 3.10.1", "SN 3.10.3", "SN 3.11",
    "SN 3.12", "SN 3.13.1", "SN 3.13.2", "SN 3.13.3", "SN 3.14", *(f"SN 4.2.1.{n}" for n in range(2, 7)), "SN 5.2",
    "SN 5.6", "SN 5.7",
}  # fmt: skip
CODES = {
    f"{process}-{n}"
    for process, last in {
        "NB.2.1": 13, "TB.2.3": 7, "SB.2.1": 4, "SB.2.2": 2, "SB.2.4": 3, "SB.2.5": 2, "SB.2.6": 2, "SB.2.7": 2,
        "SB.2.8": 2, "SB.2.9": 9, "SB.2.10": 3, "SB.2.11": 2, "SB.2.12": 1, "SB.2.13": 1, "DB.1.1": 3, "DB.2": 1,
    }.items()
    for n in range(1, last + 1)
}  # fmt: skip


def _text():
    return (ROOT / "docs" / "spec-map.md").read_text("utf-8")


def _rows():
    """(number, where, test) of every line that names a place in the code."""
    return re.findall(r"^\| ([A-Z][^|]*?) \| [^|]+ \| (?:content: )?`([^`]+)` \| `([^`]+)` \|$", _text(), re.MULTILINE)


def test_nothing_of_the_book_is_missing():
    assert {number for number, _, _ in _rows()} >= PROCESSES | DEFINITIONS


def test_every_exception_code_is_given_by_a_test_or_cannot_be():
    given, never = _text().split("## Exception codes")[1].split("Codes that are never given:")
    given_codes = set(re.findall(r"^\| ([A-Z.0-9]+-\d+) \|", given, re.MULTILINE))
    never_codes = {c for line in re.findall(r"^\| ([A-Z][^|]+) \|", never, re.MULTILINE) for c in line.split(", ")}
    assert given_codes | (never_codes & CODES) == CODES
    tested = (HERE / "test_exceptions.py").read_text("utf-8")
    assert {code for code in given_codes if f'"{code}"' not in tested} == set()


@pytest.mark.parametrize(("number", "where", "test"), _rows(), ids=[f"{row[0]}-{row[1]}" for row in _rows()])
def test_every_place_and_test_exists(number, where, test):
    module, *names = where.split(".")
    package = "sequencing" if (ROOT / "src/courseyard/sequencing" / f"{module}.py").exists() else "content"
    found = importlib.import_module(f"courseyard.{package}.{module}")
    for name in names:
        found = getattr(found, name)
    tests = {file for file in (ROOT / "tests").rglob("test_*.py") if f"def {test}(" in file.read_text("utf-8")}
    assert tests, f"no test for {number}"


def test_the_tests_of_the_processes_run_them(tmp_path):
    wanted = {(where, test) for number, where, test in _rows() if number in PROCESSES}
    told = tmp_path / "calls.json"
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "calls", "-p", "no:cacheprovider",
         str(HERE / "test_processes.py"), str(HERE / "test_definition.py")],
        env=os.environ | {"PYTHONPATH": str(HERE), "CALLS_FILE": str(told)},
        cwd=ROOT, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    called = {test: set(functions) for test, functions in json.loads(told.read_text("utf-8")).items()}
    assert {(where, test) for where, test in wanted if where not in called.get(test, set())} == set()
