"""How alike two titles are: the measure of pg_trgm, for databases that do not have it.

Pure: text in, number out. Words are runs of letters and digits, in lower case, each padded by two spaces before and one
behind; the likeness is the share of the three-letter pieces that both have among those that either has.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

_WORD = re.compile(r"[^\W_]+")


def trigrams(text: str) -> frozenset[str]:
    """The three-letter pieces of a text."""
    padded = (f"  {word} " for word in _WORD.findall(text.lower()))
    return frozenset(word[i : i + 3] for word in padded for i in range(len(word) - 2))


def likeness(one: str, other: str) -> float:
    """From 0 (nothing in common) to 1 (the same words, in any order)."""
    ours, theirs = trigrams(one), trigrams(other)
    common = len(ours & theirs)
    return common / (len(ours) + len(theirs) - common) if common else 0.0


class Titles:
    """Many titles, asked for those that are like one; an index by pieces spares comparing each with each."""

    def __init__(self, titles: Mapping[str, str]) -> None:
        """``titles``: by an identifier of the caller's."""
        self._sizes: dict[str, int] = {}
        self._having: dict[str, list[str]] = defaultdict(list)
        for identifier, title in titles.items():
            pieces = trigrams(title)
            self._sizes[identifier] = len(pieces)
            for piece in pieces:
                self._having[piece].append(identifier)

    def like(self, title: str, floor: float) -> Iterable[tuple[str, float]]:
        """Identifier and likeness of every title that is at least so alike."""
        pieces = trigrams(title)
        common = Counter(identifier for piece in pieces for identifier in self._having.get(piece, ()))
        for identifier, shared in common.items():
            score = shared / (len(pieces) + self._sizes[identifier] - shared)
            if score >= floor:
                yield identifier, score
