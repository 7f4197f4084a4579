"""Walking the tree: SB.2.1 to SB.2.4 (SN 4.8.5). Loops instead of the book's recursion, so that no tree is too deep."""

from __future__ import annotations

from dataclasses import dataclass

from courseyard.sequencing.utility_up import (
    check_activity_up_5,
    end_attempt_up_4,
    sequencing_rules_check_up_2,
    terminate_descendent_attempts_up_3,
)
from courseyard.sequencing.work import Work

FORWARD, BACKWARD = True, False


@dataclass(frozen=True, slots=True)
class Traversed:
    """The next activity of a traversal and the direction in which it was reached; or why there is none."""

    next: int | None
    forward: bool = FORWARD
    end_session: bool = False
    exception: str | None = None


@dataclass(frozen=True, slots=True)
class Flowed:
    """Where flow came to rest, and whether that may be delivered."""

    activity: int
    deliverable: bool
    end_session: bool = False
    exception: str | None = None


def flow_tree_traversal_sb_2_1(
    work: Work, index: int, forward: bool, consider_children: bool, previous_forward: bool | None = None
) -> Traversed:
    """SB.2.1: one step through the tree in a direction."""
    reversed_ = False
    parent = work.activities[index].parent
    if previous_forward is BACKWARD and parent >= 0 and work.sibling(index, 1) is None:
        # Step 2: a cluster that only goes forward was entered backward; having skipped through it, go on backward.
        forward, index, reversed_ = BACKWARD, work.children(parent)[0], True
    if consider_children and not work.activities[index].is_leaf:
        return _enter(work, index, forward)
    return _next(work, index) if forward else _previous(work, index, reversed_)


def _enter(work: Work, index: int, forward: bool) -> Traversed:
    if not forward and index == 0:
        return Traversed(None, exception="SB.2.1-3")
    children = work.children(index)
    if not children:
        return Traversed(None, exception="SB.2.1-2")
    if forward or work.activities[index].forward_only:
        return Traversed(children[0], FORWARD)
    return Traversed(children[-1], BACKWARD)


def _next(work: Work, index: int) -> Traversed:
    at = index
    while work.activities[at].parent >= 0:
        following = work.sibling(at, 1)
        if following is not None:
            return Traversed(following, FORWARD)
        at = work.activities[at].parent
    # Step 3.1. The attempts end where the session does (``walk_off``), so that a look-ahead changes nothing.
    return Traversed(None, end_session=True)


def walk_off(work: Work) -> None:
    """SB.2.1 step 3.1: the learner went past the last activity, which ends every attempt."""
    terminate_descendent_attempts_up_3(work, 0)
    end_attempt_up_4(work, 0)


def _previous(work: Work, index: int, reversed_: bool) -> Traversed:
    at = index
    while True:
        parent = work.activities[at].parent
        if parent < 0:
            return Traversed(None, exception="SB.2.1-3")
        if not reversed_ and work.activities[parent].forward_only:
            return Traversed(None, exception="SB.2.1-4")
        before = work.sibling(at, -1)
        if before is not None:
            return Traversed(before, BACKWARD)
        at, reversed_ = parent, False


def flow_activity_traversal_sb_2_2(
    work: Work, index: int, forward: bool, previous_forward: bool | None = None
) -> Flowed:
    """SB.2.2: from an activity on to one that can be delivered: over what is skipped, into clusters."""
    for _ in range(4 * len(work.activities) + 4):
        activity = work.activities[index]
        if activity.parent >= 0 and not work.activities[activity.parent].flow:
            return Flowed(index, deliverable=False, exception="SB.2.2-1")
        if activity.skip_rules and sequencing_rules_check_up_2(work, index, activity.skip_rules):
            step = flow_tree_traversal_sb_2_1(work, index, forward, False, previous_forward)
            if step.next is None:
                return Flowed(index, False, step.end_session, step.exception)
            if previous_forward is BACKWARD and step.forward is BACKWARD:
                previous_forward = None
            forward = step.forward
            index = step.next
            continue
        if check_activity_up_5(work, index):
            return Flowed(index, deliverable=False, exception="SB.2.2-2")
        if activity.is_leaf:
            return Flowed(index, deliverable=True)
        step = flow_tree_traversal_sb_2_1(work, index, forward, True)
        if step.next is None:
            return Flowed(index, False, step.end_session, step.exception)
        previous_forward = BACKWARD if not forward and step.forward else None
        forward, index = step.forward, step.next
    # Skipping back and forth in a cluster that only goes forward: every activity was seen, none can be delivered.
    return Flowed(index, deliverable=False, exception="SB.2.2-2")


def flow_sb_2_3(work: Work, index: int, forward: bool, consider_children: bool) -> Flowed:
    """SB.2.3: the activity to deliver when one flows on from an activity."""
    step = flow_tree_traversal_sb_2_1(work, index, forward, consider_children)
    if step.next is None:
        return Flowed(index, False, step.end_session, step.exception)
    return flow_activity_traversal_sb_2_2(work, step.next, step.forward)


def choice_activity_traversal_sb_2_4(work: Work, index: int, forward: bool) -> str | None:
    """SB.2.4: the exception code that keeps a choice from passing an activity, or None."""
    activity = work.activities[index]
    if forward:
        stopped = activity.stop_rules and sequencing_rules_check_up_2(work, index, activity.stop_rules)
        return "SB.2.4-1" if stopped else None
    if activity.parent < 0:
        return "SB.2.4-3"
    return "SB.2.4-2" if work.activities[activity.parent].forward_only else None
