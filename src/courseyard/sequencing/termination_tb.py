"""Ending attempts: TB.2.1, TB.2.2 and TB.2.3 (SN 4.5). They may ask for another request."""

from __future__ import annotations

from courseyard.sequencing.rollup_rb import overall_rollup_rb_1_5
from courseyard.sequencing.selection_sr import draw_next_order
from courseyard.sequencing.utility_up import (
    end_attempt_up_4,
    sequencing_rules_check_up_2,
    terminate_descendent_attempts_up_3,
)
from courseyard.sequencing.work import SequencingError, Work


def exit_action_rules_tb_2_1(work: Work, current: int) -> int:
    """TB.2.1: the highest ancestor whose exit rule applies is left. Answers the current activity afterwards."""
    for index in work.tree.path(current)[:-1]:
        rules = work.activities[index].exit_rules
        if rules and sequencing_rules_check_up_2(work, index, rules) is not None:
            terminate_descendent_attempts_up_3(work, index)
            end_attempt_up_4(work, index)
            work.current = index
            work.note("TB.2.1", index, "left by its exit rule")
            return index
    return current


def post_condition_rules_tb_2_2(work: Work, current: int) -> tuple[str | None, str | None]:
    """TB.2.2: the (termination, sequencing) requests that the activity's post-condition rules ask for."""
    if work.tracks[current].suspended:
        return None, None
    action = sequencing_rules_check_up_2(work, current, work.activities[current].post_rules)
    if action in ("retry", "continue", "previous"):
        return None, action
    if action in ("exitParent", "exitAll"):
        return action, None
    if action == "retryAll":
        return "exitAll", "retry"
    return None, None


def termination_request_tb_2_3(work: Work, request: str) -> str | None:
    """TB.2.3: carry out a termination request. Answers a sequencing request that replaces the pending one, or None."""
    current = work.current
    if current is None:
        raise SequencingError("TB.2.3-1")
    if request in ("exit", "abandon") and not work.tracks[current].active:
        raise SequencingError("TB.2.3-2")
    if request == "exit":
        return _exit(work, current)
    if request == "exitAll":
        return _exit_all(work, None)
    if request == "suspendAll":
        return _suspend_all(work, current)
    if request == "abandon":
        _abandon(work, current)
        return None
    if request == "abandonAll":
        return _abandon_all(work, current)
    raise SequencingError("TB.2.3-7")


def _exit(work: Work, current: int) -> str | None:
    end_attempt_up_4(work, current)
    current = exit_action_rules_tb_2_1(work, current)
    while True:
        termination, sequencing = post_condition_rules_tb_2_2(work, current)
        if termination == "exitAll":
            return _exit_all(work, sequencing)
        if termination == "exitParent":
            parent = work.activities[current].parent
            if parent < 0:
                # The book has the exception TB.2.3-4 here; to leave the root's parent is to leave the course.
                work.note("TB.2.3", current, "nothing above the course to leave", detail="TB.2.3-4")
                return "exit"
            current = work.current = parent
            end_attempt_up_4(work, parent)
            continue
        # The end of the root ends the session, unless it is to be tried again.
        if work.activities[current].parent < 0 and sequencing != "retry":
            return "exit"
        return sequencing


def _exit_all(work: Work, sequencing: str | None) -> str:
    if work.current is not None and work.tracks[work.current].active:
        end_attempt_up_4(work, work.current)
    terminate_descendent_attempts_up_3(work, 0)
    end_attempt_up_4(work, 0)
    work.current = 0
    return sequencing or "exit"


def _suspend_all(work: Work, current: int) -> str:
    track = work.tracks[current]
    if track.active or track.suspended:
        overall_rollup_rb_1_5(work, current)
        work.suspended = current
    elif work.activities[current].parent >= 0:
        work.suspended = work.activities[current].parent
    else:
        raise SequencingError("TB.2.3-3")
    for index in work.tree.path(work.suspended):
        track = work.writable(index)
        track.active, track.suspended = False, True
    work.note("TB.2.3", work.suspended, "suspended")
    work.current = 0
    return "exit"


def _abandon(work: Work, index: int) -> None:
    work.writable(index).active = False
    work.note("TB.2.3", index, "abandoned")
    draw_next_order(work, index)


def _abandon_all(work: Work, current: int) -> str:
    for index in work.tree.path(current):
        _abandon(work, index)
    work.current = 0
    return "exit"
