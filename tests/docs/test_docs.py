"""The manual says what the code does."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _writer():
    spec = importlib.util.spec_from_file_location("write_docs", ROOT / "tools" / "write_docs.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["write_docs"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["settings.md", "errors.md", "packages.md", "data-model.md"])
def test_page_made_from_the_code_is_current(name):
    expected = _writer().PAGES[name]()
    assert (ROOT / "docs" / name).read_text("utf-8") == expected, "run .venv/bin/python tools/write_docs.py"


def test_every_error_has_a_code_of_its_own():
    codes = [e.code for e in _writer().error_classes()]
    assert sorted(set(codes)) == sorted(codes)


def test_architecture_names_every_folder():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    folders = {p.name for p in (ROOT / "src" / "courseyard").iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert {f for f in folders if f"`{f}/`" not in text} == set()


def test_links_between_pages_lead_somewhere():
    links = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    targets = [(page, target) for page in pages for target in links.findall(page.read_text("utf-8"))]
    assert [f"{page.name}: {target}" for page, target in targets if not (page.parent / target).exists()] == []
