"""docs/spec-map.md: no process of the book is without a function and a test."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = {
    "OP.1", "NB.2.1", "TB.2.1", "TB.2.2", "TB.2.3", "RB.1.1 a", "RB.1.1 b", "RB.1.2 a", "RB.1.2 b", "RB.1.3 a",
    "RB.1.3 b", "RB.1.4", "RB.1.4.1", "RB.1.4.2", "RB.1.5", "SR.1", "SR.2", *(f"SB.2.{n}" for n in range(1, 14)),
    "SB.2.9.1", "SB.2.9.2", "DB.1.1", "DB.2", "DB.2.1", "UP.1", "UP.2", "UP.2.1", "UP.3", "UP.4", "UP.5",
}  # fmt: skip


def _rows():
    text = (ROOT / "docs" / "spec-map.md").read_text("utf-8")
    return re.findall(r"^\| ([A-Z][^|]*?) \| [^|]+ \| `([^`]+)` \| `([^`]+)` \|$", text, re.MULTILINE)


def test_no_process_is_missing():
    assert PROCESSES - {number for number, _, _ in _rows()} == set()


def test_every_function_and_test_exists():
    tests = (ROOT / "tests" / "sequencing" / "test_processes.py").read_text("utf-8")
    for number, function, test in _rows():
        module, name = function.split(".")
        assert hasattr(importlib.import_module(f"courseyard.sequencing.{module}"), name), number
        assert f"def {test}(" in tests, number
