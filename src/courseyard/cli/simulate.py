"""``courseyard package simulate``: a course's sequencing without a browser, for authors and programs."""

from __future__ import annotations

import json
import shlex
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from courseyard.content.findings import Finding
from courseyard.content.importer import check_package
from courseyard.content.manifest import read_manifest
from courseyard.sequencing import REQUESTS, Outcome, Tree, build_tree, explain, why_not_complete
from courseyard.sequencing.simulation import Simulation

_HELP = """Type a request: start, resumeAll, continue, previous, exit, exitAll, abandon, abandonAll, suspendAll,
choice TARGET or jump TARGET.
What the open part reports before it is left: report completion=completed success=passed scaled=0.8
  (also raw, min, max, progress_measure, exit), or as JSON: report {"objectives": {"ID": {"success": "passed"}}}
toc shows the table of contents, why what keeps the course from being complete, quit ends."""


class _Objective(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    success: Literal["passed", "failed", "unknown"] | None = None
    completion: Literal["completed", "incomplete", "not attempted", "unknown"] | None = None
    scaled: Annotated[float, msgspec.Meta(ge=-1, le=1)] | None = None
    raw: float | None = None
    min: float | None = None
    max: float | None = None


class _ObjectiveReport(_Objective, forbid_unknown_fields=True, omit_defaults=True):
    progress: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None


class _Report(_Objective, forbid_unknown_fields=True, omit_defaults=True):
    """What a SCO says, in the words of the data model."""

    progress_measure: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    objectives: dict[str, _ObjectiveReport] = {}
    exit: Literal["time-out", "suspend", "logout", "normal", ""] | None = None
    session_time: str | float | None = None


class _Step(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A request, or what the open part reports before the next one."""

    nav: str | None = None
    target: str | None = None
    report: _Report | None = None

    def __post_init__(self) -> None:
        if (self.nav is None) == (self.report is None):
            raise ValueError('either "nav" or "report" is needed')


class _Case(msgspec.Struct):
    """A whole case, as the conformance vectors have it; what more they hold is not looked at."""

    manifest_xml: str
    steps: list[_Step]
    id: Any = None


def simulate(
    file: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, readable=True, help="A package (.zip) or a manifest.")
    ] = None,
    script: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help='Steps, one JSON object a line: {"nav": "start"}.')
    ] = None,
    explain_steps: Annotated[bool, typer.Option("--explain", help="Say why, in words.")] = False,
    seed: Annotated[int, typer.Option(help="Decides selection and random order.")] = 0,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Read whole cases (id, manifest_xml, steps) from standard input.")
    ] = False,
) -> None:
    """Run a course's sequencing without a browser: from a script, by hand, or many cases from standard input."""
    if jsonl:
        raise typer.Exit(_run_cases(sys.stdin))
    if file is None:
        raise typer.BadParameter("name a package or a manifest, or use --jsonl")
    simulation = Simulation(build_tree(_document(file)), seed=seed, trace=explain_steps)
    if script is None:
        _interactive(simulation, explain_steps=explain_steps)
        return
    for outcome in run_steps(simulation, _steps(script.read_text("utf-8").splitlines())):
        if explain_steps:
            _explain(simulation, outcome)
        else:
            print(json.dumps(simulation.outcome_as_json(outcome)), flush=True)


def _run_cases(lines: Iterable[str]) -> int:
    """Cases in, outcomes out, a line each. A line that cannot be used is answered with the reason; others go on."""
    failed = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            answer = run_case(msgspec.json.decode(line, type=_Case))
        except msgspec.MsgspecError as error:
            answer = {"line": number, "error": str(error)}
        failed = failed or "error" in answer
        print(json.dumps(answer), flush=True)
    return int(failed)


def run_case(case: _Case) -> dict[str, Any]:
    """One case of the conformance vectors: its id, and an outcome per navigation step."""
    reading = read_manifest(case.manifest_xml.encode())
    if reading.document is None:
        return {"id": case.id, "error": f"the manifest cannot be read: {_reasons(reading.findings)}"}
    simulation = Simulation(build_tree(reading.document))
    outcomes = [simulation.outcome_as_json(outcome) for outcome in run_steps(simulation, case.steps)]
    return {"id": case.id, "outcomes": outcomes}


def run_steps(simulation: Simulation, steps: Iterable[_Step]) -> Iterator[Outcome]:
    """Carry out steps; one outcome for each that navigates."""
    for step in steps:
        if step.report is not None:
            simulation.report(msgspec.to_builtins(step.report))
        elif step.nav is not None:
            yield simulation.navigate(step.nav, step.target)


def _document(file: Path) -> dict[str, Any]:
    if zipfile.is_zipfile(file):
        return check_package(file).document
    reading = read_manifest(file.read_bytes())
    if reading.document is None:
        raise typer.BadParameter(
            f"{file} is neither a package nor a manifest that can be read: {_reasons(reading.findings)}"
        )
    return reading.document


def _reasons(findings: Iterable[Finding]) -> str:
    return " ".join(finding.message for finding in findings if finding.severity == "error") or "it holds nothing"


def _steps(lines: Iterable[str]) -> Iterator[_Step]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            step = msgspec.json.decode(line, type=_Step)
        except msgspec.ValidationError as error:
            raise typer.BadParameter(f"line {number} of the script: {error}") from error
        except msgspec.DecodeError as error:
            raise typer.BadParameter(f"line {number} of the script is no JSON: {error}") from error
        if step.nav is not None and step.nav not in REQUESTS:
            raise typer.BadParameter(f"line {number} of the script: there is no request '{step.nav}'")
        yield step


def _interactive(simulation: Simulation, *, explain_steps: bool) -> None:
    print(_HELP)
    while True:
        try:
            word, _, rest = input("> ").strip().partition(" ")
        except EOFError:
            return
        if word == "quit":
            return
        if word:
            _by_hand(simulation, word, rest.strip(), explain_steps=explain_steps)


def _by_hand(simulation: Simulation, word: str, rest: str, *, explain_steps: bool) -> None:
    if word == "toc":
        _print_toc(simulation)
    elif word == "why":
        for sentence in why_not_complete(simulation.tree, simulation.state, simulation.globals):
            print(f"  {sentence}")
    elif word == "report":
        _report(simulation, rest)
    elif word == "help":
        print(_HELP)
    elif word not in REQUESTS:
        print(f"There is no request '{word}'; type help.")
    elif word in {"choice", "jump"} and not rest:
        print(f"{word} what? Name an activity; toc shows them.")
    else:
        outcome = simulation.navigate(word, rest or None)
        if explain_steps:
            _explain(simulation, outcome)
        else:
            print(_line(outcome, simulation.tree))


def _report(simulation: Simulation, text: str) -> None:
    """Take a report, as words or as JSON, and say what is wrong with it."""
    if not simulation.is_running:
        print("Nothing is open that could report.")
        return
    try:
        if text.startswith("{"):
            told = msgspec.json.decode(text, type=_Report)
        else:
            pairs = dict(word.split("=", 1) for word in shlex.split(text))
            told = msgspec.convert(pairs, _Report, strict=False)
    except msgspec.MsgspecError as error:
        print(f"That is no report: {error}.")
    except ValueError:
        print("That is no report: say name=value, for instance completion=completed.")
    else:
        simulation.report(msgspec.to_builtins(told))


def _explain(simulation: Simulation, outcome: Outcome) -> None:
    for sentence in (
        _line(outcome, simulation.tree),
        *explain(outcome, simulation.tree),
        *why_not_complete(simulation.tree, simulation.state, simulation.globals),
    ):
        print(f"  {sentence}")


def _line(outcome: Outcome, tree: Tree) -> str:
    if outcome.delivered is not None:
        return f"{outcome.result}: {tree.activities[tree.by_id[outcome.delivered]].title} ({outcome.delivered})"
    return outcome.result + (f" ({outcome.exception})" if outcome.exception else "")


def _print_toc(simulation: Simulation) -> None:
    for item in simulation.outcome_toc():
        mark = ">" if item.current else " "
        print(f"{mark} {'  ' * item.depth}{item.title} ({item.id}){'' if item.enabled else ' - cannot be chosen now'}")
