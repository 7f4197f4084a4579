"""``courseyard package simulate``: a course's sequencing without a browser, for authors and programs."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from courseyard.content.importer import check_package
from courseyard.content.manifest import read_manifest
from courseyard.sequencing import REQUESTS, Outcome, Tree, build_tree, explain, why_not_complete
from courseyard.sequencing.simulation import Simulation

_HELP = """Type a request: start, resumeAll, continue, previous, exit, exitAll, abandon, abandonAll, suspendAll,
choice TARGET or jump TARGET; report {"completion": "completed", "success": "passed", "scaled": 0.8}; toc; quit."""


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
        for line in sys.stdin:
            if line.strip():
                print(json.dumps(run_case(json.loads(line))), flush=True)
        return
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


def run_case(case: Mapping[str, Any]) -> dict[str, Any]:
    """One case of the conformance vectors: its id, and an outcome per navigation step."""
    document = read_manifest(str(case["manifest_xml"]).encode()).document
    if document is None:
        return {"id": case.get("id"), "error": "the manifest cannot be read"}
    simulation = Simulation(build_tree(document))
    outcomes = [simulation.outcome_as_json(outcome) for outcome in run_steps(simulation, case["steps"])]
    return {"id": case.get("id"), "outcomes": outcomes}


def run_steps(simulation: Simulation, steps: Iterable[Mapping[str, Any]]) -> Iterator[Outcome]:
    """Carry out steps; one outcome for each that navigates."""
    for step in steps:
        if "report" in step:
            simulation.report(step["report"])
        else:
            yield simulation.navigate(str(step["nav"]), step.get("target"))


def _document(file: Path) -> dict[str, Any]:
    if zipfile.is_zipfile(file):
        return check_package(file).document
    document = read_manifest(file.read_bytes()).document
    if document is None:
        raise typer.BadParameter(f"{file} is neither a package nor a manifest that can be read")
    return document


def _steps(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            step = json.loads(line)
        except ValueError as error:
            raise typer.BadParameter(f"line {number} of the script is no JSON: {error}") from error
        if not isinstance(step, dict) or not ("nav" in step or "report" in step):
            raise typer.BadParameter(f'line {number} of the script has neither "nav" nor "report"')
        yield step


def _interactive(simulation: Simulation, *, explain_steps: bool) -> None:
    print(_HELP)
    while True:
        try:
            words = input("> ").split(None, 1)
        except EOFError:
            return
        if not words:
            continue
        if words[0] == "quit":
            return
        if words[0] == "toc":
            _print_toc(simulation)
        elif words[0] == "report":
            _report(simulation, words[1] if len(words) > 1 else "{}")
        elif words[0] in REQUESTS:
            outcome = simulation.navigate(words[0], words[1].strip() if len(words) > 1 else None)
            print(_line(outcome, simulation.tree))
            if explain_steps:
                _explain(simulation, outcome)
        else:
            print(_HELP)


def _report(simulation: Simulation, text: str) -> None:
    try:
        values = json.loads(text)
    except ValueError as error:
        print(f"That is no JSON: {error}")
        return
    if isinstance(values, dict):
        simulation.report(values)


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
