"""A plugin of pytest: which functions of the engine each test calls, as JSON in the file that CALLS_FILE names."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

_called: dict[str, set[str]] = {}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """Watch one test."""
    found = _called.setdefault(item.originalname, set())

    def watch(frame, event, _argument):
        name = frame.f_globals.get("__name__", "") if event == "call" else ""
        if name.startswith("courseyard.sequencing."):
            found.add(f"{name.rsplit('.', 1)[1]}.{frame.f_code.co_name}")

    sys.setprofile(watch)
    yield
    sys.setprofile(None)


def pytest_sessionfinish():
    """Tell what was seen."""
    made = {test: sorted(functions) for test, functions in _called.items()}
    Path(os.environ["CALLS_FILE"]).write_text(json.dumps(made), "utf-8")
