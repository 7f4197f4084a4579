"""The values that go into the engine and come out of it: plain data, never changed by the engine.

``State`` is what one learner has done in one course; ``state_to_json`` and ``state_from_json`` are lossless. Global
objectives are plain JSON too: ``{target: {"satisfied": bool, "measure": float, "completion": bool,
"progress": float, "raw": float, "min": float, "max": float}}``, where an absent key is "unknown". Those of a
course whose objectives are not global to the system live inside its state, so they never meet another course.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Globals = Mapping[str, Mapping[str, Any]]
"""Global objectives of one learner."""

Result = Literal["delivered", "ended", "none", "rejected", "blocked"]
"""``ended``: the sequencing session is over. ``none``: accepted, nothing delivered, the session goes on. ``rejected``:
refused before anything ended. ``blocked``: the attempt has usually ended, but nothing could be delivered."""

REQUESTS = (
    "start", "resumeAll", "continue", "previous", "choice", "jump",
    "exit", "exitAll", "abandon", "abandonAll", "suspendAll",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """What the run-time data of a SCO say when it terminates (RTE 4.2); None = the SCO never set the element.

    Values of an earlier session of the same attempt count as set, because a resumed attempt continues its data.
    ``completion`` and ``success`` are the SCO's own words; thresholds and passing scores are applied by the engine.
    ``objectives`` holds every entry of ``cmi.objectives`` by its id, also those the LMS put there at launch: those of
    ``success``, ``scaled``, ``completion``, ``progress``, ``raw``, ``min``, ``max`` that have a value.
    ``exit`` is ``cmi.exit``; ``suspend`` and ``logout`` suspend the activity. ``session_time`` is in seconds.
    """

    initialized: bool = True
    completion: str | None = None
    success: str | None = None
    scaled: float | None = None
    raw: float | None = None
    min: float | None = None
    max: float | None = None
    progress_measure: float | None = None
    objectives: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    exit: str | None = None
    session_time: float | None = None


class ObjectiveTrack:
    """Progress on one objective: None is unknown. Completion and progress of the primary one are the activity's."""

    __slots__ = ("completion", "max", "measure", "min", "progress", "raw", "satisfied")

    def __init__(self) -> None:
        self.satisfied: bool | None = None
        self.measure: float | None = None
        self.raw: float | None = None
        self.min: float | None = None
        self.max: float | None = None
        self.completion: bool | None = None
        self.progress: float | None = None

    def copy(self) -> ObjectiveTrack:
        """An independent copy."""
        made = ObjectiveTrack()
        made.satisfied, made.measure, made.completion = self.satisfied, self.measure, self.completion
        made.raw, made.min, made.max, made.progress = self.raw, self.min, self.max, self.progress
        return made

    def to_list(self) -> list[Any]:
        """The shortest list that says it; nothing known is an empty one."""
        values = [self.satisfied, self.measure, self.completion, self.progress, self.raw, self.min, self.max]
        while values and values[-1] is None:
            values.pop()
        return values

    @classmethod
    def from_list(cls, values: list[Any]) -> ObjectiveTrack:
        """The reverse of ``to_list``."""
        made = cls()
        for name, value in zip(_OBJECTIVE_FIELDS, values, strict=False):
            setattr(made, name, value)
        return made


_OBJECTIVE_FIELDS = ("satisfied", "measure", "completion", "progress", "raw", "min", "max")
_ACTIVE, _SUSPENDED, _COMPLETION_SET, _SUCCESS_SET, _OLD_OBJECTIVES, _OLD_PROGRESS = 1, 2, 4, 8, 16, 32


class Track:
    """Tracking of one activity (S&N 4.2): its attempts, and the progress of the latest one.

    ``completion_set`` and ``success_set``: the content spoke in this attempt, so the LMS does not fill in.
    ``old_objectives`` and ``old_progress``: recorded before the parent's present attempt began.
    ``order``: positions of the children that take part, in their order (None: all, as in the manifest);
    ``draws`` counts how often that was decided.
    """

    __slots__ = (
        "active", "attempts", "completion_set", "draws", "objectives", "old_objectives",
        "old_progress", "order", "success_set", "suspended",
    )  # fmt: skip

    def __init__(self) -> None:
        self.attempts = 0
        self.active = False
        self.suspended = False
        self.completion_set = False
        self.success_set = False
        self.old_objectives = False
        self.old_progress = False
        self.objectives: dict[int, ObjectiveTrack] = {}
        self.order: tuple[int, ...] | None = None
        self.draws = 0

    def copy(self) -> Track:
        """An independent copy."""
        made = Track.__new__(Track)
        made.attempts, made.active, made.suspended = self.attempts, self.active, self.suspended
        made.completion_set, made.success_set = self.completion_set, self.success_set
        made.old_objectives, made.old_progress = self.old_objectives, self.old_progress
        made.objectives = {key: value.copy() for key, value in self.objectives.items()}
        made.order, made.draws = self.order, self.draws
        return made

    def to_list(self) -> list[Any]:
        """``[attempts, flags, objectives, order, draws]`` without what is default at the end."""
        flags = (
            self.active * _ACTIVE
            | self.suspended * _SUSPENDED
            | self.completion_set * _COMPLETION_SET
            | self.success_set * _SUCCESS_SET
            | self.old_objectives * _OLD_OBJECTIVES
            | self.old_progress * _OLD_PROGRESS
        )
        if self.order is not None or self.draws:
            order = None if self.order is None else list(self.order)
            return [self.attempts, flags, self._objective_lists(), order, self.draws]
        if self.objectives:
            return [self.attempts, flags, self._objective_lists()]
        return [self.attempts, flags]

    def _objective_lists(self) -> list[list[Any]]:
        return [[key, *value.to_list()] for key, value in self.objectives.items()]

    @classmethod
    def from_list(cls, values: list[Any]) -> Track:
        """The reverse of ``to_list``."""
        made = cls()
        flags = values[1]
        made.attempts = values[0]
        if flags:
            made.active = bool(flags & _ACTIVE)
            made.suspended = bool(flags & _SUSPENDED)
            made.completion_set = bool(flags & _COMPLETION_SET)
            made.success_set = bool(flags & _SUCCESS_SET)
            made.old_objectives = bool(flags & _OLD_OBJECTIVES)
            made.old_progress = bool(flags & _OLD_PROGRESS)
        if len(values) > 2:
            made.objectives = {entry[0]: ObjectiveTrack.from_list(entry[1:]) for entry in values[2]}
        if len(values) > 3:
            made.order = None if values[3] is None else tuple(values[3])
            made.draws = values[4]
        return made


@dataclass(frozen=True, slots=True)
class State:
    """One learner's way through one course. Activities that nothing happened to are absent from ``tracks``.

    ``current`` and ``suspended`` are activity identifiers; ``current`` is None while no session runs.
    ``course_globals`` are the global objectives of a course that keeps them to itself.
    """

    seed: int
    current: str | None = None
    suspended: str | None = None
    tracks: Mapping[str, Track] = field(default_factory=dict)
    course_globals: Globals = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and state_to_json(self) == state_to_json(other)

    __hash__ = None  # type: ignore[assignment]  # holds dictionaries


def state_to_json(state: State) -> dict[str, Any]:
    """The state as plain JSON data."""
    made: dict[str, Any] = {"v": 1, "seed": state.seed}
    if state.current is not None:
        made["current"] = state.current
    if state.suspended is not None:
        made["suspended"] = state.suspended
    if state.tracks:
        made["tracks"] = {key: track.to_list() for key, track in state.tracks.items()}
    if state.course_globals:
        made["globals"] = {key: dict(value) for key, value in state.course_globals.items()}
    return made


def state_from_json(data: Mapping[str, Any]) -> State:
    """The reverse of ``state_to_json``."""
    tracks = {key: Track.from_list(values) for key, values in data.get("tracks", {}).items()}
    return State(data["seed"], data.get("current"), data.get("suspended"), tracks, data.get("globals", {}))


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a trace: a process of the book at an activity, what it found, and the rule (by its
    number in the manifest) that decided."""

    process: str
    activity: str | None
    finding: str
    rule: int | None = None
    detail: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain data without empty parts."""
        made: dict[str, Any] = {"process": self.process, "activity": self.activity, "finding": self.finding}
        if self.rule is not None:
            made["rule"] = self.rule
        if self.detail is not None:
            made["detail"] = self.detail
        return made


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a navigation request did.

    ``globals_`` are the learner's, to be stored for every course; those that a course keeps to itself are in ``state``.
    ``delivered`` is the activity to open now, with ``cmi_attempt``: the number that, with the activity, keys the
    run-time data (a new number is a new, empty set). ``exception`` is the book's code of the process that failed.
    """

    state: State
    globals_: Globals
    result: Result
    delivered: str | None = None
    current: str | None = None
    suspended_activity: str | None = None
    end_session: bool = False
    exception: str | None = None
    cmi_attempt: int | None = None
    resumed: bool = False
    trace: tuple[Step, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the request did what was asked."""
        return self.result not in ("rejected", "blocked")


@dataclass(frozen=True, slots=True)
class Valid:
    """Which requests would succeed now; what the player's buttons and ``adl.nav.request_valid`` say."""

    start: bool = False
    resume_all: bool = False
    continue_: bool = False
    previous: bool = False
    exit: bool = False
    exit_all: bool = False
    abandon: bool = False
    abandon_all: bool = False
    suspend_all: bool = False
    choice: tuple[str, ...] = ()
    jump: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """By the names of the requests."""
        return {
            "start": self.start, "resumeAll": self.resume_all, "continue": self.continue_, "previous": self.previous,
            "exit": self.exit, "exitAll": self.exit_all, "abandon": self.abandon, "abandonAll": self.abandon_all,
            "suspendAll": self.suspend_all, "choice": list(self.choice), "jump": list(self.jump),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class TocItem:
    """One line of the table of contents, in the order of the tree. Items that must not be seen are not in it.

    ``enabled`` says that choosing it now would deliver something. ``depth`` shrinks below an invisible item.
    ``completion``: completed, incomplete or unknown; ``success``: passed, failed or unknown.
    """

    id: str
    title: str
    depth: int
    enabled: bool
    selectable: bool
    visible: bool
    current: bool
    completion: str
    success: str
