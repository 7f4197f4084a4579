"""The overall sequencing process OP.1 (SN 4.2): from a navigation request to a delivery."""

from __future__ import annotations

from courseyard.sequencing.delivery_db import content_delivery_environment_db_2, delivery_request_db_1_1
from courseyard.sequencing.navigation_nb import Requests, navigation_request_nb_2_1
from courseyard.sequencing.requests_sb import sequencing_request_sb_2_12
from courseyard.sequencing.termination_tb import termination_request_tb_2_3
from courseyard.sequencing.transfer import transfer
from courseyard.sequencing.values import Outcome, Report, Result
from courseyard.sequencing.work import SequencingError, Work

_DISCARDING = frozenset({"abandon", "abandonAll"})


def overall_sequencing_op_1(work: Work, request: str, target: str | None, report: Report | None) -> Outcome:
    """OP.1: carry out a navigation request on a working copy. Never raises."""
    if report is not None and report.initialized and request not in _DISCARDING:
        transfer(work, report)
    try:
        asked = navigation_request_nb_2_1(work, request, target)
    except SequencingError as error:
        work.note("NB.2.1", work.current, "refused", detail=error.code)
        return _outcome(work, "rejected", exception=error.code)
    try:
        return _carry_out(work, asked)
    except SequencingError as error:
        work.note("OP.1", work.current, "failed", detail=error.code)
        if request == "exit":
            # The learner has left, as asked; what a post-condition rule wanted afterwards could not be had.
            return _outcome(work, "none", exception=error.code)
        return _outcome(work, "blocked", exception=error.code)


def _carry_out(work: Work, asked: Requests) -> Outcome:
    sequencing, target = asked.sequencing, asked.target
    if asked.termination is not None:
        instead = termination_request_tb_2_3(work, asked.termination)
        if instead is not None:
            work.note("TB.2.3", work.current, "goes on with", detail=instead)
            sequencing, target = instead, None
    if sequencing == "retry" and work.current == 0:
        work.forget_course_globals()
    found = sequencing_request_sb_2_12(work, sequencing, target)
    if found.end_session:
        return _end_session(work)
    if found.deliver is None:
        return _outcome(work, "none")
    delivery_request_db_1_1(work, found.deliver)
    resumed = content_delivery_environment_db_2(work, found.deliver)
    return _outcome(work, "delivered", delivered=found.deliver, resumed=resumed)


def _end_session(work: Work) -> Outcome:
    work.note("OP.1", None, "session over")
    work.current = None
    if not work.tracks[0].suspended:
        work.forget_course_globals()
    return _outcome(work, "ended")


def _outcome(
    work: Work, result: Result, *, delivered: int | None = None, resumed: bool = False, exception: str | None = None
) -> Outcome:
    state = work.state()
    return Outcome(
        state=state,
        globals_=work.learner_globals(),
        result=result,
        delivered=None if delivered is None else work.activities[delivered].id,
        current=state.current,
        suspended_activity=state.suspended,
        end_session=result == "ended",
        exception=exception,
        cmi_attempt=None if delivered is None else work.tracks[delivered].attempts,
        resumed=resumed,
        trace=tuple(work.trace or ()),
    )
