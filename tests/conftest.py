"""Fixtures for all tests; each file ``fix_*.py`` is named for what it gives."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

pytest_plugins = ["fix_api", "fix_browser", "fix_db", "fix_partners", "fix_canvas", "fix_process", "fix_web"]

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Other people's cases and packages, beside the checkout; a test that needs them is skipped without."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder 'shared' with other people's cases is not beside the checkout")
    return folder
