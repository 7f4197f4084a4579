"""SCORM 2004 sequencing and navigation: value in, value out. No I/O, no clock, no randomness of its own.

One module per family of the book's processes, each process a function named for it, with its number.
"""

from courseyard.sequencing.values import (
    REQUESTS,
    Globals,
    InitialObjective,
    ObjectiveReport,
    Outcome,
    Report,
    State,
    Step,
    TocItem,
    Valid,
    state_from_json,
    state_to_json,
)

__all__ = [
    "REQUESTS",
    "Globals",
    "InitialObjective",
    "ObjectiveReport",
    "Outcome",
    "Report",
    "State",
    "Step",
    "TocItem",
    "Valid",
    "state_from_json",
    "state_to_json",
]
