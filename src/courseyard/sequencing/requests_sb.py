"""The sequencing request processes SB.2.5 to SB.2.13, but for choice (SN 4.8.6)."""

from __future__ import annotations

from dataclasses import dataclass

from courseyard.sequencing.choice_sb import choice_sb_2_9
from courseyard.sequencing.flow_sb import BACKWARD, FORWARD, Flowed, flow_sb_2_3, walk_off
from courseyard.sequencing.work import SequencingError, Work


@dataclass(frozen=True, slots=True)
class Sequenced:
    """What a sequencing request identified: an activity to deliver, the end of the session, or nothing."""

    deliver: int | None = None
    end_session: bool = False


def sequencing_request_sb_2_12(work: Work, request: str, target: int | None) -> Sequenced:
    """SB.2.12: hand a sequencing request to its process."""
    if request == "start":
        return start_sb_2_5(work)
    if request == "resumeAll":
        return resume_all_sb_2_6(work)
    if request == "continue":
        return continue_sb_2_7(work)
    if request == "previous":
        return previous_sb_2_8(work)
    if request == "choice":
        return Sequenced(choice_sb_2_9(work, target))
    if request == "retry":
        return retry_sb_2_10(work)
    if request == "exit":
        return exit_sb_2_11(work)
    if request == "jump":
        return jump_sb_2_13(work, target)
    raise SequencingError("SB.2.12-1")


def _delivered(work: Work, flowed: Flowed, otherwise: str) -> Sequenced:
    if flowed.deliverable:
        return Sequenced(flowed.activity)
    if flowed.end_session:
        walk_off(work)
        return Sequenced(end_session=True)
    raise SequencingError(flowed.exception or otherwise)


def start_sb_2_5(work: Work) -> Sequenced:
    """SB.2.5: the first activity of a new session."""
    if work.current is not None:
        raise SequencingError("SB.2.5-1")
    if work.activities[0].is_leaf:
        return Sequenced(0)
    return _delivered(work, flow_sb_2_3(work, 0, FORWARD, consider_children=True), "SB.2.5-2")


def resume_all_sb_2_6(work: Work) -> Sequenced:
    """SB.2.6: back to the suspended activity."""
    if work.current is not None:
        raise SequencingError("SB.2.6-1")
    if work.suspended is None:
        raise SequencingError("SB.2.6-2")
    return Sequenced(work.suspended)


def _may_flow(work: Work, process: str) -> int:
    current = work.current
    if current is None:
        raise SequencingError(f"{process}-1")
    parent = work.activities[current].parent
    if parent >= 0 and not work.activities[parent].flow:
        raise SequencingError(f"{process}-2")
    return current


def continue_sb_2_7(work: Work) -> Sequenced:
    """SB.2.7: flow forward from the current activity."""
    current = _may_flow(work, "SB.2.7")
    return _delivered(work, flow_sb_2_3(work, current, FORWARD, consider_children=False), "SB.2.7-2")


def previous_sb_2_8(work: Work) -> Sequenced:
    """SB.2.8: flow backward from the current activity."""
    current = _may_flow(work, "SB.2.8")
    return _delivered(work, flow_sb_2_3(work, current, BACKWARD, consider_children=False), "SB.2.8-2")


def retry_sb_2_10(work: Work) -> Sequenced:
    """SB.2.10: the current activity again."""
    current = work.current
    if current is None:
        raise SequencingError("SB.2.10-1")
    if work.tracks[current].active or work.tracks[current].suspended:
        raise SequencingError("SB.2.10-2")
    if work.activities[current].is_leaf:
        return Sequenced(current)
    flowed = flow_sb_2_3(work, current, FORWARD, consider_children=True)
    if flowed.deliverable:
        return Sequenced(flowed.activity)
    raise SequencingError("SB.2.10-3")


def exit_sb_2_11(work: Work) -> Sequenced:
    """SB.2.11: the session ends if it is the root that was left."""
    current = work.current
    if current is None:
        raise SequencingError("SB.2.11-1")
    if work.tracks[current].active:
        raise SequencingError("SB.2.11-2")
    return Sequenced(end_session=current == 0)


def jump_sb_2_13(work: Work, target: int | None) -> Sequenced:
    """SB.2.13: the target itself, whatever lies between."""
    if work.current is None:
        raise SequencingError("SB.2.13-1")
    return Sequenced(target)
