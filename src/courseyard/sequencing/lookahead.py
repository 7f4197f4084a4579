"""Which requests would succeed now: the processes themselves, run without carrying anything out.

The running attempt is not ended for this: what its SCO will report is not known yet.
"""

from __future__ import annotations

from courseyard.sequencing.choice_sb import Stops, choice_candidate
from courseyard.sequencing.delivery_db import delivery_request_db_1_1
from courseyard.sequencing.flow_sb import BACKWARD, FORWARD, flow_sb_2_3
from courseyard.sequencing.navigation_nb import navigation_request_nb_2_1
from courseyard.sequencing.tree import Activity
from courseyard.sequencing.utility_up import check_activity_up_5, sequencing_rules_check_up_2
from courseyard.sequencing.values import TocItem, Valid
from courseyard.sequencing.work import SequencingError, Work


def valid_requests(work: Work) -> Valid:
    """Every request at once. Continue is valid on the last activity too: it ends the session."""
    stops: Stops = {}
    return Valid(
        # With something suspended a start is allowed and would give it up; what is offered is to go on with it.
        start=work.suspended is None and start_delivers(work),
        resume_all=is_allowed(work, "resumeAll"),
        continue_=is_allowed(work, "continue"),
        previous=previous_delivers(work),
        exit=is_allowed(work, "exit"),
        exit_all=is_allowed(work, "exitAll"),
        abandon=is_allowed(work, "abandon"),
        abandon_all=is_allowed(work, "abandonAll"),
        suspend_all=is_allowed(work, "suspendAll"),
        choice=tuple(a.id for a in work.activities if choice_delivers(work, a.id, stops)),
        jump=jump_targets(work),
    )


def is_allowed(work: Work, request: str, target: str | None = None) -> bool:
    """Whether NB.2.1 would accept a request."""
    try:
        navigation_request_nb_2_1(work, request, target)
    except SequencingError:
        return False
    return True


def start_delivers(work: Work) -> bool:
    """Whether a new session would begin by itself."""
    if not is_allowed(work, "start"):
        return False
    if work.activities[0].is_leaf:
        return _may_be_delivered(work, 0)
    flowed = flow_sb_2_3(work, 0, FORWARD, consider_children=True)
    return flowed.deliverable and _may_be_delivered(work, flowed.activity)


def previous_delivers(work: Work) -> bool:
    """Whether going back would deliver something."""
    if work.current is None or not is_allowed(work, "previous"):
        return False
    flowed = flow_sb_2_3(work, work.current, BACKWARD, consider_children=False)
    return flowed.deliverable and _may_be_delivered(work, flowed.activity)


def _may_be_delivered(work: Work, index: int) -> bool:
    try:
        delivery_request_db_1_1(work, index)
    except SequencingError:
        return False
    return True


def choice_delivers(work: Work, target: str, stops: Stops | None = None) -> bool:
    """Whether choosing an activity would deliver something: NB.2.1, SB.2.9 and DB.1.1 in a row."""
    try:
        asked = navigation_request_nb_2_1(work, "choice", target)
        found, _ = choice_candidate(work, asked.target, stops)
    except SequencingError:
        return False
    return found is not None and _may_be_delivered(work, found)


def jump_targets(work: Work) -> tuple[str, ...]:
    """The leaves that a jump could open."""
    if work.tree.edition != "4th":
        return ()
    return tuple(
        a.id
        for a in work.activities
        if a.is_leaf and work.is_available(a.index) and not check_activity_up_5(work, a.index)
    )


def table_of_contents(work: Work) -> list[TocItem]:
    """What the learner may see, in the order of this attempt; what is hidden from choice takes its branch with it."""
    found: list[TocItem] = []
    stops: Stops = {}
    stack = [(0, 0)]
    while stack:
        index, depth = stack.pop()
        activity = work.activities[index]
        if activity.hidden_rules and sequencing_rules_check_up_2(work, index, activity.hidden_rules):
            continue
        if activity.visible:
            found.append(_toc_item(work, index, depth, stops))
        below = depth + 1 if activity.visible else depth
        stack.extend((child, below) for child in reversed(work.children(index)))
    return found


def _is_offered(work: Work, activity: Activity) -> bool:
    """Whether the control modes offer an activity for choice; the course itself, except while its only part runs."""
    if activity.parent >= 0:
        return work.activities[activity.parent].choice
    runs = work.current is not None and work.tracks[work.current].active
    return activity.choice or len(activity.children) > 1 or not runs


def _toc_item(work: Work, index: int, depth: int, stops: Stops) -> TocItem:
    activity = work.activities[index]
    completed, satisfied = work.completed(index), work.satisfied(index)
    enabled = choice_delivers(work, activity.id, stops)
    return TocItem(
        id=activity.id,
        title=activity.title,
        depth=depth,
        enabled=enabled,
        selectable=_is_offered(work, activity),
        visible=True,
        current=work.current == index,
        completion="unknown" if completed is None else "completed" if completed else "incomplete",
        success="unknown" if satisfied is None else "passed" if satisfied else "failed",
    )
