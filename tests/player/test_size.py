"""The run-time stays small: courses run on phones, in workshops, on bad connections."""

from __future__ import annotations

import gzip

import pytest

from courseyard.datamodel import table_json
from courseyard.web.player_assets import PLAYER, lean

LAZY = {"why.js"}  # loaded by staff alone, when they ask
LIMIT = 20 * 1024


def packed(text: str) -> int:
    """Bytes over the wire."""
    return len(gzip.compress(text.encode(), 9, mtime=0))


@pytest.mark.parametrize("standard", ["1.2", "2004"])
def test_all_that_a_learner_loads_of_the_run_time(standard: str) -> None:
    scripts = [path for path in PLAYER.glob("*.js") if path.name not in LAZY]
    assert len(scripts) > 5
    assert sum(packed(lean(path.read_text("utf-8"))) for path in scripts) + packed(table_json(standard)) <= LIMIT


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
