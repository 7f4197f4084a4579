"""Delivery: DB.1.1, DB.2 and DB.2.1 (SN 4.9 and 4.10)."""

from __future__ import annotations

from courseyard.sequencing.utility_up import check_activity_up_5, terminate_descendent_attempts_up_3
from courseyard.sequencing.work import SequencingError, Work


def delivery_request_db_1_1(work: Work, index: int) -> None:
    """DB.1.1: whether the activity and all above it may be delivered; raises ``SequencingError`` if not."""
    if not work.activities[index].is_leaf:
        raise SequencingError("DB.1.1-1")
    for at in work.tree.path(index):
        if check_activity_up_5(work, at):
            raise SequencingError("DB.1.1-3")


def content_delivery_environment_db_2(work: Work, index: int) -> bool:
    """DB.2: begin or resume attempts down to the activity. Answers whether its own attempt is resumed."""
    if work.current is not None and work.tracks[work.current].active:
        raise SequencingError("DB.2-1")
    if index != work.suspended:
        clear_suspended_activity_db_2_1(work, index)
    terminate_descendent_attempts_up_3(work, index)
    resumed = False
    for at in work.tree.path(index):
        track = work.tracks[at]
        if track.active:
            continue
        track = work.writable(at)
        resumed = track.suspended
        if work.activities[at].tracked:
            if track.suspended:
                track.suspended = False
            else:
                work.begin_attempt(at)
        track.active = True
    work.current = index
    work.suspended = None
    work.note("DB.2", index, "resumed" if resumed else "delivered")
    return resumed


def clear_suspended_activity_db_2_1(work: Work, index: int) -> None:
    """DB.2.1: what was suspended elsewhere is given up, up to the common ancestor."""
    suspended = work.suspended
    if suspended is None:
        return
    common = work.tree.common_ancestor(suspended, index)
    at = suspended
    while True:
        activity = work.activities[at]
        if work.tracks[at].suspended and (
            activity.is_leaf or not any(work.tracks[c].suspended for c in work.children(at))
        ):
            work.writable(at).suspended = False
        if at == common:
            break
        at = activity.parent
    work.suspended = None
