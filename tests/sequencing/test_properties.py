"""Random courses, random requests: the engine never raises, never changes what came in, and its state survives JSON."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from courseyard.sequencing import (
    REQUESTS,
    Report,
    build_tree,
    look_ahead,
    navigate,
    new_state,
    state_from_json,
    state_to_json,
    toc,
)

_spec = importlib.util.spec_from_file_location("courses", Path(__file__).with_name("courses.py"))
courses = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(courses)

CONDITIONS = ["always", "satisfied", "objectiveStatusKnown", "completed", "attempted", "attemptLimitExceeded", "odd"]
conditions = st.fixed_dictionaries({"condition": st.sampled_from(CONDITIONS), "not": st.booleans()})


def rules(*actions):
    one = st.fixed_dictionaries(
        {
            "action": st.sampled_from(actions),
            "combination": st.sampled_from(["all", "any"]),
            "conditions": st.lists(conditions, max_size=2),
        }
    )
    return st.lists(one, max_size=2)


sequencing = st.fixed_dictionaries(
    {
        "control_mode": st.dictionaries(
            st.sampled_from(["choice", "choice_exit", "flow", "forward_only"]), st.booleans(), max_size=4
        ),
        "constrained_choice": st.dictionaries(
            st.sampled_from(["prevent_activation", "constrain_choice"]), st.booleans()
        ),
        "rules": st.fixed_dictionaries(
            {
                "pre": rules("skip", "disabled", "hiddenFromChoice", "stopForwardTraversal"),
                "exit": rules("exit"),
                "post": rules("retry", "retryAll", "continue", "previous", "exitParent", "exitAll"),
            }
        ),
        "randomization": st.just({})
        | st.just(
            {
                "selection_timing": "onEachNewAttempt",
                "select_count": 1,
                "randomization_timing": "once",
                "reorder_children": True,
            }
        ),
    }
)


def number_items(item, counter):
    counter[0] += 1
    item["identifier"] = item["title"] = f"i{counter[0]}"
    for part in item.get("children", []):
        number_items(part, counter)


items = st.recursive(
    st.fixed_dictionaries({"sequencing": sequencing}),
    lambda inner: st.fixed_dictionaries(
        {"sequencing": sequencing, "children": st.lists(inner, min_size=1, max_size=3)}
    ),
    max_leaves=8,
)
reports = st.none() | st.builds(
    Report,
    completion=st.sampled_from([None, "completed", "incomplete", "unknown"]),
    success=st.sampled_from([None, "passed", "failed", "unknown"]),
    scaled=st.none() | st.floats(-1, 1),
    exit=st.sampled_from([None, "", "suspend", "normal"]),
)
steps = st.lists(st.tuples(st.sampled_from([*REQUESTS, "nonsense"]), st.integers(0, 9), reports), max_size=12)


@settings(max_examples=150, deadline=None)
@given(items, steps)
def test_no_request_raises_loops_or_changes_its_input(root, walk):
    number_items(root, [0])
    tree = build_tree({"edition": "4th", "organizations": [root], "default_organization": root["identifier"]})
    state, globals_ = new_state(tree, seed=7), {}
    for request, target, report in walk:
        before = json.dumps(state_to_json(state))
        outcome = navigate(tree, state, request, f"i{target}", report=report, now=courses.NOW, globals_=globals_)
        look_ahead(tree, state, globals_, courses.NOW)
        toc(tree, state, globals_, courses.NOW)
        assert json.dumps(state_to_json(state)) == before
        kept = json.loads(json.dumps(state_to_json(outcome.state)))
        assert state_to_json(state_from_json(kept)) == kept
        # A state that was stored goes on as one that was not.
        again = navigate(
            tree,
            state_from_json(json.loads(before)),
            request,
            f"i{target}",
            report=report,
            now=courses.NOW,
            globals_=globals_,
        )
        assert state_to_json(again.state) == kept
        state, globals_ = outcome.state, outcome.globals_


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4))
def test_to_suspend_and_resume_is_as_if_one_had_not_left(place):
    document = courses.course(*(courses.leaf(f"l{n}") for n in range(5)))
    stayed, left = courses.Learner(document), courses.Learner(document)
    for learner in (stayed, left):
        learner("start")
        for _ in range(place - 1):
            learner("continue", completion="completed", success="passed")
    left("suspendAll", exit="suspend")
    left("resumeAll")
    for learner in (stayed, left):
        learner("continue", completion="completed", success="passed", exit="normal")
    assert state_to_json(left.state) == state_to_json(stayed.state)


def test_a_deep_tree_is_no_problem():
    item = {"identifier": "leaf", "title": "leaf", "href": "a"}
    for n in range(3000):
        item = {"identifier": f"c{n}", "title": "c", "children": [item], "sequencing": {"control_mode": {"flow": True}}}
    tree = build_tree({"edition": "4th", "organizations": [item], "default_organization": item["identifier"]})
    outcome = navigate(tree, new_state(tree, seed=1), "start", now=courses.NOW, globals_={})
    assert outcome.delivered == "leaf"
