"""A course without a browser: SCOs that say what a script tells them, and outcomes in plain JSON.

The words are those of the conformance vectors, so that other programs can compare. Run-time data are kept as the
run-time does: per activity and attempt, with ``cmi.objectives`` filled at launch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from courseyard.sequencing.lookahead import (
    choice_delivers,
    is_allowed,
    table_of_contents,
    valid_requests,
)
from courseyard.sequencing.overall_op import overall_sequencing_op_1
from courseyard.sequencing.selection_sr import draw_first_orders
from courseyard.sequencing.status import statuses
from courseyard.sequencing.transfer import initial_entries
from courseyard.sequencing.tree import Tree
from courseyard.sequencing.values import Globals, Outcome, Report, State, TocItem
from courseyard.sequencing.work import Work


class Simulation:
    """One learner's session after session on one course."""

    def __init__(self, tree: Tree, *, seed: int = 0, globals_: Globals | None = None, trace: bool = False) -> None:
        """Begin at the beginning."""
        self.tree = tree
        self.trace = trace
        self.globals: Globals = globals_ or {}
        work = Work(tree, State(seed), {})
        draw_first_orders(work)
        self.state = work.state()
        self._data: dict[tuple[str, int], dict[str, Any]] = {}
        self._running: tuple[str, int] | None = None
        self._reported = False

    @property
    def is_running(self) -> bool:
        """Whether something is open that can report."""
        return self._running is not None

    def report(self, values: Mapping[str, Any]) -> None:
        """The running SCO sets values and terminates; what it set earlier in the same attempt stays."""
        if self._running is None:
            return
        self._reported = True
        data = self._data[self._running]
        # cmi.exit and the session time belong to a session, not to the attempt.
        data["exit"] = None
        for key, value in values.items():
            if key == "objectives":
                for name, told in value.items():
                    data["objectives"].setdefault(name, {}).update(told)
            else:
                data[key] = value

    def navigate(self, request: str, target: str | None = None) -> Outcome:
        """Carry out a request, with what the running SCO has reported."""
        report = self._report_of(self._running) if self._reported and self._running is not None else None
        work = Work(self.tree, self.state, self.globals, trace=self.trace)
        outcome = overall_sequencing_op_1(work, request, target, report)
        self.state, self.globals = outcome.state, outcome.globals_
        if outcome.result != "rejected":
            self._running, self._reported = None, False
        if outcome.delivered is not None and outcome.cmi_attempt is not None:
            self._launch(outcome.delivered, outcome.cmi_attempt)
        return outcome

    def _launch(self, activity: str, attempt: int) -> None:
        self._running = (activity, attempt)
        if self._running not in self._data:
            entries = initial_entries(Work(self.tree, self.state, self.globals), self.tree.by_id[activity])
            objectives = {e["id"]: {k: v for k, v in e.items() if k != "id"} for e in entries}
            self._data[self._running] = {"objectives": objectives}

    def _report_of(self, running: tuple[str, int]) -> Report:
        data = self._data[running]
        return Report(
            completion=data.get("completion"),
            success=data.get("success"),
            exit=data.get("exit"),
            objectives=data["objectives"],
            scaled=data.get("scaled"),
            raw=data.get("raw"),
            min=data.get("min"),
            max=data.get("max"),
            progress_measure=data.get("progress_measure"),
        )

    # -- outcomes as data -----------------------------------------------------------------------------------------

    def outcome_as_json(self, outcome: Outcome) -> dict[str, Any]:
        """An outcome in the words of the conformance vectors."""
        work = Work(self.tree, self.state, self.globals)
        made: dict[str, Any] = {
            "result": outcome.result,
            "ok": outcome.ok,
            "delivered": outcome.delivered,
            "end_session": outcome.end_session,
            "current": outcome.current,
            "suspended_activity": outcome.suspended_activity,
        }
        if outcome.cmi_attempt is not None:
            made["cmi_attempt"] = outcome.cmi_attempt
        if outcome.exception is not None:
            made["exception"] = outcome.exception
        made["valid"] = self._valid(work)
        made["toc"] = [
            {"id": i.id, "depth": i.depth, "enabled": i.enabled, "selectable": i.selectable, "visible": i.visible,
             "current": i.current}
            for i in table_of_contents(work)
        ]  # fmt: skip
        made["state"] = {name: _status_words(status) for name, status in statuses(work).items()}
        made["globals"] = {target: _global_words(work.globals.get(target, {})) for target in self.tree.targets}
        return made

    def outcome_toc(self) -> list[TocItem]:
        """The table of contents as it stands."""
        return table_of_contents(Work(self.tree, self.state, self.globals))

    def _valid(self, work: Work) -> dict[str, Any]:
        valid = valid_requests(work).as_json()
        valid["nb21_previous"] = is_allowed(work, "previous")
        valid["nb21_choice"] = [a.id for a in work.activities if is_allowed(work, "choice", a.id)]
        valid["choice_dry"] = [a.id for a in work.activities if choice_delivers(work, a.id)]
        return valid


def _word(value: bool | None, yes: str, no: str) -> str:
    return "unknown" if value is None else yes if value else no


def _status_words(status: Mapping[str, Any]) -> dict[str, Any]:
    made = {**status}
    made["completion"] = _word(status["completion"], "completed", "incomplete")
    made["satisfied"] = _word(status["satisfied"], "satisfied", "notSatisfied")
    objectives = made.pop("objectives")
    if objectives:
        made["objectives"] = {
            name: {
                "satisfied": _word(known["satisfied"], "satisfied", "notSatisfied"),
                "measure": known["measure"],
                "completion": _word(known["completion"], "completed", "incomplete"),
            }
            for name, known in objectives.items()
        }
    return made


def _global_words(known: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "satisfied": _word(known.get("satisfied"), "satisfied", "notSatisfied"),
        "measure": known.get("measure"),
        "completion": _word(known.get("completion"), "completed", "incomplete"),
        "progress_measure": known.get("progress"),
        "raw": known.get("raw"),
        "min": known.get("min"),
        "max": known.get("max"),
    }
