"""Selection and randomisation: SR.1 and SR.2 (SN 4.7). The book's random numbers come from the attempt's seed.

The order that a cluster's next attempt will use is drawn before that attempt begins (at first, and whenever an attempt
has ended): traversals that lead into the cluster, and every look-ahead, must already see it.
"""

from __future__ import annotations

import random

from courseyard.sequencing.work import Work


def draw_first_orders(work: Work) -> None:
    """SR.1 and SR.2 for the first attempt of every cluster that asks for them, once or on each new attempt."""
    for activity in work.activities:
        if activity.arranged:
            _draw(work, activity.index, ("once", "onEachNewAttempt"))


def draw_next_order(work: Work, index: int) -> None:
    """SR.1 and SR.2 for the attempt after the one that has just ended."""
    activity = work.activities[index]
    if not activity.arranged or work.tracks[index].active or work.tracks[index].suspended:
        return
    if "onEachNewAttempt" in (activity.selection_timing, activity.randomization_timing):
        _draw(work, index, ("onEachNewAttempt",))


def _draw(work: Work, index: int, timings: tuple[str, ...]) -> None:
    track = work.writable(index)
    track.draws += 1
    # A string seeds the generator the same on every machine and every version of Python.
    rng = random.Random(f"{work.seed}/{work.activities[index].id}/{track.draws}")  # noqa: S311  # not a secret
    if work.activities[index].selection_timing in timings:
        select_children_sr_1(work, index, rng)
    if work.activities[index].randomization_timing in timings:
        randomize_children_sr_2(work, index, rng)


def select_children_sr_1(work: Work, index: int, rng: random.Random) -> None:
    """SR.1: some of the children, in the manifest's order."""
    activity = work.activities[index]
    count = activity.select_count
    if count is None:
        return
    every = range(len(activity.children))
    work.writable(index).order = tuple(sorted(rng.sample(every, min(count, len(every)))))
    work.note("SR.1", index, "selected", detail=str(min(count, len(every))))


def randomize_children_sr_2(work: Work, index: int, rng: random.Random) -> None:
    """SR.2: the available children in a new order."""
    activity = work.activities[index]
    if not activity.reorder_children:
        return
    track = work.writable(index)
    places = list(range(len(activity.children))) if track.order is None else list(track.order)
    rng.shuffle(places)
    track.order = tuple(places)
    work.note("SR.2", index, "reordered")
