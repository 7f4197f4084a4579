"""What is wrong or odd in a package: the catalogue of ``findings.toml``, and the findings that name its codes."""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]

# Details quote what strangers wrote; a megabyte of it helps nobody.
_MAX_DETAIL = 300


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of finding: how bad it is, and what an author can do."""

    severity: Severity
    title: str
    hint: str


def _catalogue() -> dict[str, Code]:
    text = (resources.files(__name__.rpartition(".")[0]) / "findings.toml").read_text("utf-8")
    return {code: Code(**entry) for code, entry in tomllib.loads(text).items()}


CODES = _catalogue()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found, and where."""

    code: str
    message: str
    file: str | None = None
    line: int | None = None

    @property
    def severity(self) -> Severity:
        """How bad it is: an error keeps the package out."""
        return CODES[self.code].severity

    @property
    def hint(self) -> str:
        """What to do about it."""
        return CODES[self.code].hint

    def as_json(self) -> dict[str, Any]:
        """As stored and as answered."""
        return {"severity": self.severity, **asdict(self), "hint": self.hint}


def has_errors(findings: list[Finding]) -> bool:
    """Whether the package cannot be used."""
    return any(f.severity == "error" for f in findings)


def condensed(findings: list[Finding], most: int = 20) -> list[Finding]:
    """At most so many findings of a kind, and how many more there were; a thousand alike tell no more."""
    counts: Counter[str] = Counter()
    kept = []
    for one in findings:
        counts[one.code] += 1
        if counts[one.code] <= most:
            kept.append(one)
    return kept + [finding(code, f"And {n - most:,} more like this.") for code, n in counts.items() if n > most]


def finding(code: str, detail: str = "", *, file: str | None = None, line: int | None = None) -> Finding:
    """A finding with the catalogue's sentence, and a detail behind it."""
    title = CODES[code].title
    return Finding(code, f"{title} {detail[:_MAX_DETAIL]}".strip(), file, line)
