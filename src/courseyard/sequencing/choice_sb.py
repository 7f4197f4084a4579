"""The choice sequencing request process SB.2.9 with SB.2.9.1 and SB.2.9.2 (SN 4.8.6.7)."""

from __future__ import annotations

from courseyard.sequencing.flow_sb import BACKWARD, FORWARD, choice_activity_traversal_sb_2_4, flow_sb_2_3
from courseyard.sequencing.utility_up import (
    end_attempt_up_4,
    sequencing_rules_check_up_2,
    terminate_descendent_attempts_up_3,
)
from courseyard.sequencing.work import SequencingError, Work

# What a look-ahead at many targets from one place need not find out again: see ``_first_stop``.
Stops = dict[int, tuple[int, str | None]]


def choice_sb_2_9(work: Work, target: int | None) -> int:
    """SB.2.9: the activity to deliver for a choice. Where nothing can be, the target becomes the current activity."""
    found, failed = choice_candidate(work, target)
    if found is not None:
        return found
    # Without a session nothing was left, and none begins: there is still no current activity.
    if failed is not None and work.current is not None:
        # SB.2.9-9: the learner went to a cluster that has nothing to show, and is there now.
        common, target_ = failed
        terminate_descendent_attempts_up_3(work, common)
        end_attempt_up_4(work, common)
        work.current = target_
    raise SequencingError("SB.2.9-9")


def choice_candidate(
    work: Work, target: int | None, stops: Stops | None = None
) -> tuple[int | None, tuple[int, int] | None]:
    """SB.2.9 as far as it changes nothing: the activity to deliver, or else common ancestor and target.

    ``stops`` is kept by a caller that asks for many targets while nothing changes.
    """
    if target is None:
        raise SequencingError("SB.2.9-1")
    _is_shown(work, target)
    common = 0 if work.current is None else work.tree.common_ancestor(work.current, target)
    _is_reachable(work, target, common, {} if stops is None else stops)
    if work.activities[target].is_leaf:
        return target, None
    flowed = flow_sb_2_3(work, target, FORWARD, consider_children=True)
    if flowed.deliverable:
        return flowed.activity, None
    return None, (common, target)


def _is_shown(work: Work, target: int) -> None:
    for index in work.tree.path(target):
        activity = work.activities[index]
        if not work.is_available(index):
            raise SequencingError("SB.2.9-2")
        if activity.hidden_rules and sequencing_rules_check_up_2(work, index, activity.hidden_rules):
            raise SequencingError("SB.2.9-3")
    parent = work.activities[target].parent
    if parent >= 0 and not work.activities[parent].choice:
        raise SequencingError("SB.2.9-4")


def _is_reachable(work: Work, target: int, common: int, stops: Stops) -> None:
    current = work.current
    if current == target:
        return
    if current is None or current == common:
        _down(work, common, target, forward=True)
    elif target == common:
        for index in _up(work, current, common):
            if _keeps(work, index):
                raise SequencingError("SB.2.9-7")
    elif work.activities[current].parent == work.activities[target].parent:
        _along(work, current, target, stops)
    else:
        _across(work, current, target, common)


def _keeps(work: Work, index: int) -> bool:
    """Whether an activity forbids that a choice leads out of it; one that is over forbids nothing."""
    return work.tracks[index].active and not work.activities[index].choice_exit


def _along(work: Work, current: int, target: int, stops: Stops) -> None:
    """Steps 6 (b): from sibling to sibling; the target itself need not be passed."""
    if work.position(target) < work.position(current):
        # SB.2.4 asks every one of them the same: whether their parent only goes forward.
        code = choice_activity_traversal_sb_2_4(work, current, BACKWARD)
    else:
        if current not in stops:
            stops[current] = _first_stop(work, current)
        place, code = stops[current]
        if work.position(target) <= place:
            return
    if code is not None:
        raise SequencingError(code)


def _first_stop(work: Work, current: int) -> tuple[int, str | None]:
    """The place of the first sibling, from the current one on, that no choice may pass, and why."""
    siblings = work.children(work.activities[current].parent)
    for place in range(work.position(current), len(siblings)):
        code = choice_activity_traversal_sb_2_4(work, siblings[place], FORWARD)
        if code is not None:
            return place, code
    return len(siblings), None


def _across(work: Work, current: int, target: int, common: int) -> None:
    """Steps 6 (e): up to the common ancestor and down on another branch."""
    constrained: int | None = None
    for index in _up(work, current, common):
        if _keeps(work, index):
            raise SequencingError("SB.2.9-7")
        # What is over constrains nothing, as it keeps nobody; nor does a leaf, which leads nowhere.
        if constrained is None and work.tracks[index].active and work.activities[index].children:
            constrained = index if work.activities[index].constrain_choice else None
    if constrained is not None:
        considered = choice_flow_sb_2_9_1(work, constrained, work.is_before(constrained, target))
        inside = considered <= target < work.activities[considered].end
        if not inside and target != constrained:
            raise SequencingError("SB.2.9-8")
    _down(work, common, target, forward=work.is_before(current, target))


def _up(work: Work, start: int, end: int) -> list[int]:
    """From an activity up to an ancestor, which is not included."""
    found, at = [], start
    while at != end:
        found.append(at)
        at = work.activities[at].parent
    return found


def _down(work: Work, common: int, target: int, *, forward: bool) -> None:
    """From the common ancestor down to the target, which is not included."""
    for index in reversed(_up(work, work.activities[target].parent, work.activities[common].parent)):
        if forward:
            code = choice_activity_traversal_sb_2_4(work, index, FORWARD)
            if code is not None:
                raise SequencingError(code)
        if index != common and work.activities[index].prevent_activation and not work.tracks[index].active:
            raise SequencingError("SB.2.9-6")


def choice_flow_sb_2_9_1(work: Work, index: int, forward: bool) -> int:
    """SB.2.9.1: the logically next activity that a constrained choice may reach."""
    found = choice_flow_tree_traversal_sb_2_9_2(work, index, forward)
    return index if found is None else found


def choice_flow_tree_traversal_sb_2_9_2(work: Work, index: int, forward: bool) -> int | None:
    """SB.2.9.2: the next sibling in a direction, of the activity or of the nearest ancestor that has one."""
    at = index
    while work.activities[at].parent >= 0:
        found = work.sibling(at, 1 if forward else -1)
        if found is not None:
            return found
        at = work.activities[at].parent
    return None
