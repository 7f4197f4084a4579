"""The navigation request process NB.2.1 (SN 4.4): is the request allowed, and what must be done for it?"""

from __future__ import annotations

from dataclasses import dataclass

from courseyard.sequencing.work import SequencingError, Work


@dataclass(frozen=True, slots=True)
class Requests:
    """What a navigation request asks of the other processes."""

    termination: str | None
    sequencing: str
    target: int | None = None


def navigation_request_nb_2_1(work: Work, request: str, target: str | None) -> Requests:
    """NB.2.1: the termination and sequencing requests, or a ``SequencingError`` with the reason for a refusal."""
    if request == "start":
        return _start(work)
    if request == "resumeAll":
        return _resume_all(work)
    if request == "continue":
        return _continue(work)
    if request == "previous":
        return _previous(work)
    if request == "choice":
        return _choice(work, target)
    if request == "jump":
        return _jump(work, target)
    if request in ("exit", "abandon"):
        return _leave(work, request)
    if request in ("exitAll", "abandonAll", "suspendAll"):
        return _leave_all(work, request)
    if request in ("forward", "backward"):
        raise SequencingError("NB.2.1-7")  # in the book's list, and without a meaning
    raise SequencingError("NB.2.1-13")


def _start(work: Work) -> Requests:
    if work.current is not None:
        raise SequencingError("NB.2.1-1")
    return Requests(None, "start")


def _resume_all(work: Work) -> Requests:
    if work.current is not None:
        raise SequencingError("NB.2.1-1")
    if work.suspended is None:
        raise SequencingError("NB.2.1-3")
    return Requests(None, "resumeAll")


def _exit_if_active(work: Work) -> str | None:
    return "exit" if work.current is not None and work.tracks[work.current].active else None


def _continue(work: Work) -> Requests:
    if work.current is None:
        raise SequencingError("NB.2.1-2")
    parent = work.activities[work.current].parent
    if parent < 0 or not work.activities[parent].flow:
        raise SequencingError("NB.2.1-4")
    return Requests(_exit_if_active(work), "continue")


def _previous(work: Work) -> Requests:
    if work.current is None:
        raise SequencingError("NB.2.1-2")
    parent = work.activities[work.current].parent
    if parent < 0:
        raise SequencingError("NB.2.1-6")
    if not work.activities[parent].flow or work.activities[parent].forward_only:
        raise SequencingError("NB.2.1-5")
    return Requests(_exit_if_active(work), "previous")


def _choice(work: Work, target: str | None) -> Requests:
    index = None if target is None else work.tree.by_id.get(target)
    if index is None:
        raise SequencingError("NB.2.1-11")
    parent = work.activities[index].parent
    if parent >= 0 and not work.activities[parent].choice:
        raise SequencingError("NB.2.1-10")
    if work.current is None:
        return Requests(None, "choice", index)
    _may_be_left(work, index)
    return Requests(_exit_if_active(work), "choice", index)


def _may_be_left(work: Work, target: int) -> None:
    """NB.2.1 step 7.1.1.2: no active activity between the current one and the common ancestor forbids to leave it."""
    at = work.current
    # The learner leaves the current activity even where the choice is the same one again.
    common = -1 if at is None else work.tree.common_ancestor(at, target)
    if at is None or common == at:
        common = -1 if at is None else work.activities[at].parent
    while at is not None and at != common:
        if work.tracks[at].active and not work.activities[at].choice_exit:
            raise SequencingError("NB.2.1-8")
        at = work.activities[at].parent


def _jump(work: Work, target: str | None) -> Requests:
    # Jump is new in the 4th Edition.
    if work.tree.edition != "4th":
        raise SequencingError("NB.2.1-13")
    index = None if target is None else work.tree.by_id.get(target)
    if index is None or not work.is_available(index):
        raise SequencingError("NB.2.1-11")
    if work.current is None:
        raise SequencingError("NB.2.1-2")
    return Requests(_exit_if_active(work), "jump", index)


def _leave(work: Work, request: str) -> Requests:
    if work.current is None:
        raise SequencingError("NB.2.1-2")
    if not work.tracks[work.current].active:
        raise SequencingError("NB.2.1-12")
    return Requests(request, "exit")


def _leave_all(work: Work, request: str) -> Requests:
    if work.current is None:
        raise SequencingError("NB.2.1-2")
    return Requests(request, "exit")
