"""Reads the named queries: blocks of ``sql/queries/*.sql`` that begin with ``-- name: something``."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_BLOCK = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def named_queries() -> dict[str, str]:
    """Every named query by ``area.name``.

    Raises:
        ValueError: two blocks of one file have the same name.
    """
    found: dict[str, str] = {}
    folder = resources.files("courseyard.db") / "sql" / "queries"
    for file in folder.iterdir():
        if not file.name.endswith(".sql"):
            continue
        area = file.name.removesuffix(".sql")
        parts = _BLOCK.split(file.read_text("utf-8"))
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            if f"{area}.{name}" in found:
                raise ValueError(f"two queries are called {area}.{name}")
            found[f"{area}.{name}"] = text.strip()
    return found
