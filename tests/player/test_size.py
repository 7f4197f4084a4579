"""The run-time stays small: courses run on phones, in workshops, on bad connections."""

from __future__ import annotations

import gzip

import pytest

from courseyard.datamodel import table_json
from courseyard.web.player_assets import PLAYER, lean

LIMIT = 20 * 1024


def packed(text: str) -> int:
    """Bytes over the wire."""
    return len(gzip.compress(text.encode(), 9, mtime=0))


def test_all_scripts_of_the_player() -> None:
    scripts = list(PLAYER.glob("*.js"))
    assert len(scripts) > 5
    assert sum(packed(lean(path.read_text("utf-8"))) for path in scripts) <= LIMIT


@pytest.mark.parametrize("standard", ["1.2", "2004"])
def test_a_data_model(standard: str) -> None:
    assert packed(table_json(standard)) <= LIMIT // 5


def test_leaving_out_comments_leaves_the_code() -> None:
    script = """/** What it is.
 * @param {string} a
 */
export const f = (a) => {
  // why
  /** @type {any} */ (a).b = "// not a comment"; // stays
  /** one line */
  return a;

};
"""
    assert (
        lean(script)
        == """export const f = (a) => {
(a).b = "// not a comment"; // stays
return a;
};
"""
    )
