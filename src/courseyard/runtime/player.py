"""The player's requests: open, commit, navigate, heartbeat. Keeps nothing between them but courses at hand."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any

import msgspec

from courseyard.db import Database, Queries
from courseyard.errors import (
    CommitGapError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    StaleEpochError,
    UnknownActivityError,
)
from courseyard.limits import (
    COMMIT_GAP_WAIT_SECONDS,
    HEARTBEAT_SECONDS,
    MAX_COMMIT_ELEMENTS,
    MAX_MEASURED_GAP_SECONDS,
    RELAUNCH_LINK_LIFETIME,
)
from courseyard.runtime.attempt import Attempt, Who, load_attempt
from courseyard.runtime.clock import is_late, told
from courseyard.runtime.commits import Judged, Rollup, judge
from courseyard.runtime.courses import Courses
from courseyard.runtime.navigation import request
from courseyard.runtime.opening import open_attempt
from courseyard.runtime.reporting import Request, request_of
from courseyard.runtime.tokens import ContentPrefixes, LaunchLink, PlayerSession, PlayTokens
from courseyard.runtime.views import View, view_of, why_of

REQUESTS = frozenset(
    {"start", "resumeAll", "continue", "previous", "choice", "jump", "exit", "exitAll", "abandon", "abandonAll",
     "suspendAll"}
)  # fmt: skip
_RETRY_SECONDS = 0.1
_MAX_REMARKS = 200


class Commit(msgspec.Struct):
    """What a SCO has set, as the page sends it.

    ``seq`` counts from 1 in each window. ``oldest`` is the lowest one that the page still keeps; everything below
    was acknowledged, or is lost for good.
    """

    attempt: str
    epoch: int
    seq: int
    item: str
    activity_attempt: int
    elements: list[tuple[str, str]]
    terminate: bool = False
    oldest: int = 1
    findings: list[tuple[str, str]] = []


class Place(msgspec.Struct):
    """An activity that a window shows."""

    item: str
    activity_attempt: int


class Navigation(msgspec.Struct, rename={"came_from": "from"}):
    """A navigation request. A SCO's may be left out: what it asked for stands in its data.

    ``came_from``: what the window shows. Where the attempt is elsewhere, the request was carried out before and
    its answer was lost.
    """

    attempt: str
    epoch: int
    request: str | None = None
    target: str | None = None
    source: str = "learner"
    came_from: Place | None = None


class Player:
    """Serves the player page."""

    def __init__(self, db: Database, tokens: PlayTokens, prefixes: ContentPrefixes) -> None:
        """Nothing is loaded yet."""
        self.tokens = tokens
        self._db = db
        self._prefixes = prefixes
        self._courses = Courses()

    async def open(self, launch: str, user_agent: str, now: datetime) -> dict[str, Any]:
        """A launch link becomes a session; the learner stands where they were.

        Raises:
            LaunchLinkError: the link is too old or not ours.
            NotFoundError, PackageInactiveError, PrerequisiteOpenError, PackageNotPlayableError, AttemptsUsedUpError:
                see ``open_attempt``.
        """
        link = self.tokens.read_launch(launch, now)
        async with self._db.transaction() as tx:
            step, who, epoch = await open_attempt(tx, self._courses, link, user_agent, now)
        attempt = step.attempt
        course = attempt.course
        session = PlayerSession(attempt.id, epoch, link.mode)
        return {
            "token": self.tokens.issue_session(session, now),
            "attempt": attempt.id,
            "epoch": epoch,
            "mode": link.mode,
            "standard": course.standard,
            "edition": course.edition,
            "title": who.title or course.title,
            "window": who.window,
            "strict": who.strict,
            "learner": {"id": who.learner_id, "name": who.learner_name},
            "heartbeat_seconds": HEARTBEAT_SECONDS,
            "redirect_url": link.redirect_url,
            "relaunch": self._relaunch(link, now),
            "view": self._view(attempt, now, message=step.message),
        }

    async def commit(self, session: PlayerSession, commit: Commit) -> dict[str, Any]:
        """Write what a SCO has set; harmless if sent again.

        Raises:
            StaleEpochError: a newer window has taken over; the commit is kept aside.
            CommitGapError: an earlier commit of this window has not arrived.
            UnknownActivityError: the activity was not opened in this attempt.
        """
        if commit.seq < 1 or len(commit.elements) > MAX_COMMIT_ELEMENTS:
            raise InvalidInputError(f"A commit has a number from 1 and at most {MAX_COMMIT_ELEMENTS:,} elements.")
        waited = 0.0
        while True:
            judged, row = await self._try_commit(session, commit)
            if row["outcome"] != "gap" or waited >= COMMIT_GAP_WAIT_SECONDS:
                break
            # Two requests of one page may overtake each other: the earlier one is about to come.
            await asyncio.sleep(_RETRY_SECONDS)
            waited += _RETRY_SECONDS
        return _acknowledged(commit, judged, row)

    async def navigate(self, session: PlayerSession, asked: Navigation, now: datetime) -> View:
        """Run a navigation request; a refused one is told in the view's message.

        Raises:
            StaleEpochError: a newer window has taken over.
            InvalidInputError: there is no such request.
        """
        async with self._db.transaction() as tx:
            attempt = await load_attempt(tx, self._courses, session.attempt)
            if attempt.row["epoch"] != session.epoch or asked.epoch != session.epoch:
                raise StaleEpochError
            wanted = None if _was_done(attempt, asked) else _wanted(attempt, asked)
            if wanted is None or not attempt.row["session_open"]:
                return self._view(attempt, now, unchanged=True)
            who = await _who(tx, attempt)
            timed_out = asked.source == "clock"
            message = _closed_by_the_clock(attempt) if timed_out else None
            step = await request(
                tx, self._courses, attempt, who, wanted.name, wanted.target, now=now, timed_out=timed_out
            )
        stays = step.delivery is None and step.attempt.delivered is not None
        return self._view(step.attempt, now, message=message or step.message, unchanged=stays)

    async def heartbeat(self, session: PlayerSession) -> dict[str, Any]:
        """The page is still open: that is learning time.

        Raises:
            StaleEpochError: a newer window has taken over.
        """
        row = await self._db.one(
            "runtime.heartbeat",
            attempt_id=session.attempt,
            epoch=session.epoch,
            max_gap=MAX_MEASURED_GAP_SECONDS,
        )
        if row is None or row["outcome"] == "stale":
            raise StaleEpochError
        return {"ended": True} if row["outcome"] == "ended" else {}

    async def why(self, session: PlayerSession) -> dict[str, Any]:
        """Tree, status of every activity, and what the last requests did and why.

        Raises:
            ForbiddenError: only a preview shows this.
        """
        if session.mode != "preview":
            raise ForbiddenError("Only a preview shows why the course does what it does.")
        async with self._db.transaction() as tx:
            attempt = await load_attempt(tx, self._courses, session.attempt)
            traces = await tx.all("runtime.traces", attempt_id=attempt.id)
        return why_of(attempt, traces)

    async def _try_commit(self, session: PlayerSession, commit: Commit) -> tuple[Judged | None, dict[str, Any]]:
        context = await self._db.one(
            "runtime.commit_context",
            attempt_id=session.attempt,
            epoch=commit.epoch,
            item=commit.item,
            activity_attempt=commit.activity_attempt,
        )
        if context is None or context["last_seq"] is None:
            raise NotFoundError("This attempt was deleted.")
        is_next = commit.seq > context["last_seq"] and commit.epoch == context["epoch"]
        if is_next and context["data"] is None:
            raise UnknownActivityError
        judged = await self._judge(commit, context) if is_next else None
        return judged, await self._write(session, commit, judged)

    async def _judge(self, commit: Commit, context: dict[str, Any]) -> Judged:
        course = await self._courses.get(context["version_id"], self._db)
        shared = context["kind"] == "normal" and course.shares_objectives
        rollup = Rollup(commit.item, context["sequencing"], (context["objectives"] or {}) if shared else {})
        remarks = commit.findings[:_MAX_REMARKS]
        clock = context["sequencing"].get("clocks", {}).get(commit.item)
        if is_late(course.standard, context["data"], clock, context["measured"]):
            # Kept all the same: whoever looks at the attempt sees that the limit was passed.
            remarks = [*remarks, ("cmi.max_time_allowed", "time-over")]
        return judge(
            course,
            context["data"],
            commit.elements,
            strict=context["strict"],
            terminate=commit.terminate,
            rollup=rollup if context["is_current"] else None,
            remarks=remarks,
        )

    async def _write(self, session: PlayerSession, commit: Commit, judged: Judged | None) -> dict[str, Any]:
        # What is no news, or comes from a window that was overtaken, is written down as it came, if at all.
        elements = judged.elements if judged else [(e, v.replace("\0", "�")) for e, v in commit.elements]
        row = await self._db.one(
            "runtime.commit",
            attempt_id=session.attempt,
            epoch=commit.epoch,
            seq=commit.seq,
            oldest=commit.oldest,
            item=commit.item,
            activity_attempt=commit.activity_attempt,
            elements=_json(elements),
            session_seconds=judged.session_seconds if judged else None,
            terminated=commit.terminate,
            summary=_json(judged.standing.summary) if judged and judged.standing else None,
            stores=_json(judged.stores) if judged and judged.stores else None,
            findings=_json(judged.findings) if judged else None,
            max_gap=MAX_MEASURED_GAP_SECONDS,
        )
        if row is None:
            raise NotFoundError("This attempt was deleted.")
        return row

    def _view(self, attempt: Attempt, now: datetime, *, message: str | None = None, unchanged: bool = False) -> View:
        prefix = self._prefixes.sign(attempt.course.version_id, now)
        return view_of(attempt, prefix, now, message=message, unchanged=unchanged)

    def _relaunch(self, link: LaunchLink, now: datetime) -> str:
        """A link of the same kind for this page alone: with it a reload, or a wake from a long sleep, goes on."""
        return self.tokens.issue_launch(link, now, RELAUNCH_LINK_LIFETIME)


def _acknowledged(commit: Commit, judged: Judged | None, row: dict[str, Any]) -> dict[str, Any]:
    if row["outcome"] == "stale":
        raise StaleEpochError
    if row["outcome"] == "gap":
        raise CommitGapError(expected=row["last_seq"] + 1)
    if row["outcome"] == "unknown-activity":
        raise UnknownActivityError
    answer: dict[str, Any] = {"ack": commit.seq}
    if judged is not None and judged.findings:
        answer["findings"] = judged.findings
    if judged is not None and judged.standing is not None:
        answer["marks"] = judged.standing.marks
    if judged is not None and judged.asks is not None:
        answer["then"] = {"request": judged.asks.name, "target": judged.asks.target}
    return answer


def _was_done(attempt: Attempt, asked: Navigation) -> bool:
    place = asked.came_from
    return place is not None and attempt.delivered != (place.item, place.activity_attempt)


def _wanted(attempt: Attempt, asked: Navigation) -> Request | None:
    """The request to run; None when a SCO that has ended asked for nothing: then it stays.

    A page that says that an activity's time is over is believed if the server's clock says so too. SCORM 2004 ends the
    session of a SCO that timed out (RTE 4.2.8); SCORM 1.2 knows no attempts, so only the part is closed.

    Raises:
        InvalidInputError: there is no such request, or it lacks its target.
    """
    if asked.source == "clock":
        if not attempt.is_over_time:
            return None
        return Request("exitAll" if attempt.course.standard == "2004" else "exit")
    if asked.source == "sco" and attempt.delivered is not None:
        left = request_of(attempt.course.standard, attempt.data)
        if left is not None or asked.request in {None, "_none_"}:
            return left
    if asked.request not in REQUESTS:
        raise InvalidInputError(f"There is no navigation request '{asked.request}'.")
    if asked.request in {"choice", "jump"} and not asked.target:
        raise InvalidInputError(f"A {asked.request} needs a target.")
    return Request(asked.request, asked.target)


def _closed_by_the_clock(attempt: Attempt) -> str | None:
    if attempt.time_limit is None or attempt.delivered is None or not attempt.time_limit[0].tells:
        return None
    item = attempt.delivered[0]
    return told(attempt.time_limit[0], attempt.course.items[item].get("title") or item)


async def _who(tx: Queries, attempt: Attempt) -> Who:
    row = await tx.one("runtime.attempt_owner", attempt_id=attempt.id)
    if row is None:
        raise NotFoundError("This attempt was deleted.")
    return Who(**row)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
