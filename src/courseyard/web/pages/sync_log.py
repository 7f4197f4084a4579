"""Pages of the sync log: what each run did, live while it works, and taking it back. For administrators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from courseyard.errors import ConflictError, CourseyardError
from courseyard.limits import DRY_RUN_CHANGES_SHOWN, PAGE_SIZE
from courseyard.partners.batch import LISTED
from courseyard.partners.connector import Stream
from courseyard.web.context import services
from courseyard.web.pages import forms, wording
from courseyard.web.pages.credentials import admin
from courseyard.web.pages.rendering import back, page

STATUSES = ("running", "succeeded", "partial", "failed", "cancelled")
TYPES = (
    "full", "catalogue", "enrolments", "progress", "credentials", "drift", "webhook", "import", "replay", "undo",
)  # fmt: skip
KINDS = {"course": "Courses", "enrolment": "Enrolments", "module": "Module progress", "credential": "Credentials"}
OUTCOMES = {
    "created": "added",
    "updated": "changed",
    "unchanged": "as before",
    "older": "older than what stands",
    "skipped": "left aside, because their course is not imported or their account is left aside",
    "gone": "gone at the partner",
    "failed": "could not be written and wait",
}
# Of some kinds more can be said.
_OUTCOMES_OF = {
    ("course", "skipped"): "not imported yet",
    ("credential", "skipped"): "left aside, because their account is",
}
TABLES = {
    "partner_courses": "Course",
    "partner_lms_enrollments": "Enrolment",
    "external_module_progress": "Module",
    "partner_credentials": "Credential",
}
# What people call the columns; names that are not here are told as they are.
COLUMNS = {
    "active": "Open",
    "certificate_url": "Certificate address",
    "completed_at": "Completed",
    "course_code": "Code",
    "course_name": "Title",
    "course_url": "Address",
    "credential_name": "Name",
    "credential_number": "Number",
    "credential_type": "Type",
    "duration_hours": "Hours",
    "enrolled_at": "Enrolled",
    "enrollment_link": "Address",
    "expiration_date": "Expires",
    "external_account_id": "Account at the partner",
    "external_certificate_id": "Certificate at the partner",
    "external_course_id": "Key at the partner",
    "external_credential_id": "Key at the partner",
    "external_enrollment_id": "Key at the partner",
    "gone_at": "Gone at the partner",
    "is_active": "Open",
    "issued_date": "Issued",
    "last_accessed_at": "Last active",
    "module_id": "Key at the partner",
    "module_name": "Title",
    "progress_percentage": "Progress",
    "revoked_at": "Revoked",
    "started_at": "Started",
    "time_spent_seconds": "Time spent",
    "verification_url": "Verification address",
}
# Our words for states that read otherwise on the pages.
_STATES = {"withdrawn": "Ended"}
# Keys and stamps of our own, which say nothing to a reader.
_UNTOLD = frozenset(
    {
        "id", "created_at", "updated_at", "provider_id", "partner_id", "student_id", "user_id", "course_id",
        "partner_enrollment_id", "metadata", "data_at",
    }
)  # fmt: skip
_FETCHED = {
    Stream.CATALOGUE: "courses",
    Stream.ENROLMENTS: "enrolments",
    Stream.PROGRESS: "progress",
    Stream.CREDENTIALS: "credentials",
}
_CHANGES_SHOWN = 25


async def show_log(request: Request) -> Response:
    """All runs, with filters."""
    await admin(request)
    svc = services(request)
    status, sync_type = request.query_params.get("status"), request.query_params.get("type")
    chosen = {
        "provider_id": forms.query_id(request, "provider"),
        "status": status if status in STATUSES else None,
        "sync_type": sync_type if sync_type in TYPES else None,
    }
    rows = await svc.db.all("sync.log", **chosen, limit=PAGE_SIZE, offset=forms.offset_of(request))
    rows = await with_waiting(request, rows)
    return page(
        request,
        "sync_log.html",
        runs=rows,
        total=rows[0]["total"] if rows else 0,
        providers=await svc.hub.providers.all(),
        chosen=chosen,
        statuses=STATUSES,
        types=TYPES,
        page_number=forms.page_of(request),
        page_size=PAGE_SIZE,
    )


async def with_waiting(request: Request, runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Runs with what waits of each now (``waiting``): their own counts say how often something could not be written."""
    found = await services(request).db.all("waiting.of_runs", run_ids=[run["id"] for run in runs])
    waiting: Counter[str] = Counter()
    for row in found:
        waiting[row["run_id"]] += row["n"]
    return [{**run, "waiting": waiting[run["id"]]} for run in runs]


async def show_run(request: Request) -> Response:
    """One run."""
    await admin(request)
    return await _run(request, "sync_run.html")


async def show_state(request: Request) -> Response:
    """The part that changes while the run works."""
    await admin(request)
    return await _run(request, "sync_run_state.html")


async def cancel(request: Request) -> Response:
    """Ask the run to stop."""
    await admin(request)
    run_id = forms.path_id(request)
    try:
        await services(request).hub.runs.cancel(run_id)
    except CourseyardError as error:
        return await _run(request, "sync_run.html", error)
    return back(f"/partners/log/{run_id}", "cancelling")


async def show_undo(request: Request) -> Response:
    """Say what an undo would do, and ask."""
    await admin(request)
    runs, run_id = services(request).hub.runs, forms.path_id(request)
    run = await runs.run(run_id)
    if not _can_be_undone(run):
        return await _run(request, "sync_run.html", ConflictError("There is nothing of this run that could be undone."))
    try:
        outcome = await runs.would_undo(run_id)
    except CourseyardError as error:
        return await _run(request, "sync_run.html", error)
    return page(request, "sync_undo.html", run=run, outcome=outcome)


async def undo(request: Request) -> Response:
    """Take back what the run wrote."""
    caller = await admin(request)
    run_id = forms.path_id(request)
    try:
        outcome = await services(request).hub.runs.undo(run_id, caller.profile_id)
    except CourseyardError as error:
        return await _run(request, "sync_run.html", error)
    return back(f"/partners/log/{outcome['run_id']}", "undone")


async def _run(request: Request, template: str, error: CourseyardError | None = None) -> Response:
    svc, run_id = services(request), forms.path_id(request)
    run = await svc.hub.runs.run(run_id)
    told = run["sync_data"] or {}
    written = await svc.db.all(
        "sync.changes", run_id=run_id, limit=_CHANGES_SHOWN, offset=(forms.page_of(request) - 1) * _CHANGES_SHOWN
    )
    waiting = await svc.db.all(
        "partners.failures", provider_id=run["provider_id"], open=True, code=None, run_id=run_id, limit=10, offset=0
    )
    waits = {row["kind"]: row for row in await svc.db.all("waiting.of_runs", run_ids=[run_id])}
    running = run["status"] == "running"
    queue = await svc.hub.runs.queue(run_id) if running else {"ahead": 0, "next_try_at": None}
    return page(
        request,
        template,
        error.status if error else 200,
        run=run,
        can_be_undone=_can_be_undone(run),
        told=told,
        running=running,
        phase=_phase(run, told, queue),
        next_try_at=queue["next_try_at"],
        fetched=_fetched(run),
        counts=_counts(run, waits),
        problems=told.get("problems") or run["problems"] or [],
        preview_limit=DRY_RUN_CHANGES_SHOWN,
        preview=[_difference(change) for change in told.get("preview") or []],
        changes=[_difference(change) for change in written],
        changes_total=written[0]["total"] if written else 0,
        changes_shown=_CHANGES_SHOWN,
        page_number=forms.page_of(request),
        waiting=waiting,
        waiting_total=waiting[0]["total"] if waiting else 0,
        error=error,
    )


def _can_be_undone(run: Mapping[str, Any]) -> bool:
    """Whether a run is over and rows that it wrote are remembered."""
    return run["status"] != "running" and run["undone_at"] is None and run["changes"] > 0


def _phase(run: Mapping[str, Any], told: Mapping[str, Any], queue: Mapping[str, Any]) -> str:
    """In a sentence, what a run is at."""
    if run["cancel_requested"]:
        return "Stopping after the records that are being written."
    if queue["next_try_at"]:
        return f"Waiting to try again, because: {told.get('waiting_because') or 'the database was away.'}"
    if not run["begun"] and queue["ahead"]:
        return f"In the queue: {queue['ahead']} run{' comes' if queue['ahead'] == 1 else 's come'} first."
    if not run["begun"]:
        return "In the queue: it begins as soon as a background worker is free."
    if run["mode"] == "webhook":
        return "Writing what the partner pushed."
    if run["stream"] in LISTED:
        return f"Fetching {_FETCHED[Stream(run['stream'])]}."
    return "Trying again what waited."


def _fetched(run: Mapping[str, Any]) -> int | None:
    """How much of the total of its present stream a run has; None where the partner names no total."""
    if not run["total"] or run["stream"] not in LISTED:
        return None
    counts: Mapping[str, int] = (run["counts"] or {}).get(LISTED[Stream(run["stream"])], {})
    return min(sum(n for name, n in counts.items() if name not in ("created", "updated")), int(run["total"]))


def _counts(run: Mapping[str, Any], waits: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, list[tuple[str, int]]]]:
    """Per kind, what became of its records; ``waits``: how many of them wait now."""
    counts: Mapping[str, Mapping[str, int]] = run["counts"] or {}
    return [
        (label, _outcomes(kind, counts.get(kind, {}), None if run["dry_run"] else waits.get(kind, {})))
        for kind, label in KINDS.items()
        if kind in counts or kind in waits
    ]


def _outcomes(kind: str, counts: Mapping[str, int], waits: Mapping[str, Any] | None) -> list[tuple[str, int]]:
    """What became of the records of a kind, in words. "Written" is told by what it was: added, changed, or neither.

    ``waits``: how many of them wait now; None in a dry run, after which nothing does.
    """
    shown = dict(counts)
    same = shown.pop("write", 0) - shown.get("created", 0) - shown.get("updated", 0)
    shown["unchanged"] = shown.get("unchanged", 0) + max(same, 0)
    words = {name: _OUTCOMES_OF.get((kind, name), words) for name, words in OUTCOMES.items()}
    if waits is None:
        words["failed"] = "would wait"
        return [(told, shown[name]) for name, told in words.items() if shown.get(name)]
    shown["unread"], words["unread"] = waits.get("unread", 0), "refused or not understood, and wait"
    tries, waiting = shown.get("failed", 0), waits.get("n", 0) - shown["unread"]
    if tries != waiting:
        now = f"{waiting} wait{'s' if waiting == 1 else ''} now" if waiting else "none waits now"
        words["failed"] = f"{'try' if tries == 1 else 'tries'} in vain ({now})"
    return [(told, shown[name]) for name, told in words.items() if shown.get(name)]


def _difference(change: Mapping[str, Any]) -> dict[str, Any]:
    """A change as people read it: only the fields that differ."""
    before, after = _flat(change["before"] or {}), _flat(change["after"] or {})
    names = [
        name for name in dict.fromkeys((*after, *before)) if name not in _UNTOLD and before.get(name) != after.get(name)
    ]
    fields = [(_label(name), _value(name, before.get(name)), _value(name, after.get(name))) for name in names]
    if change.get("person_before") and any(before.get(name) != after.get(name) for name in ("student_id", "user_id")):
        fields.insert(0, ("Person", _person(change, "_before"), _person(change, "")))
    return {
        "table": TABLES.get(change["table_name"], wording.label(change["table_name"])),
        "title": _title(change, after),
        "is_new": change["before"] is None,
        "fields": fields,
    }


def _person(change: Mapping[str, Any], when: str) -> str:
    """A person by name and e-mail: two accounts of one person are called the same."""
    told = [change.get(f"person{when}"), change.get(f"email{when}")]
    return ", ".join(dict.fromkeys(str(part) for part in told if part)) or "–"


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with what its ``metadata`` holds beside its own columns: marks like ``gone_at`` stand only there. Of what
    the partner tells beside the fields that we know (``partner``), each is a field of its own.
    """
    more = row.get("metadata")
    told = {**more, **row} if isinstance(more, dict) else dict(row)
    if isinstance(told.get("partner"), dict):
        told |= {f"partner.{name}": value for name, value in told.pop("partner").items()}
    return {name: value for name, value in told.items() if value not in (None, {}, [])}


def _title(change: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """What a row is about: the thing, and whose it is."""
    thing = row.get("course_name") or row.get("module_name") or row.get("credential_name") or change.get("course")
    told = [str(part) for part in (thing, change.get("person")) if part]
    return ", ".join(told) or str(change["row_id"])


def _label(name: str) -> str:
    if name.startswith("partner."):
        return f"{wording.label(name.removeprefix('partner.'))} at the partner"
    return COLUMNS.get(name, wording.label(name))


def _value(name: str, value: Any) -> str:
    if value is None:
        return "–"
    match name:
        case "status":
            return _STATES.get(str(value).lower(), wording.state(str(value)))
        case "progress_percentage" | "score" if isinstance(value, int | float):
            return f"{wording.number(value)} %"
        case "time_spent_seconds" if isinstance(value, int | float):
            return wording.duration(value)
    return wording.plain(value)


routes = [
    Route("/partners/log", show_log, methods=["GET"]),
    Route("/partners/log/{id}", show_run, methods=["GET"]),
    Route("/partners/log/{id}/state", show_state, methods=["GET"]),
    Route("/partners/log/{id}/cancel", cancel, methods=["POST"]),
    Route("/partners/log/{id}/undo", show_undo, methods=["GET"]),
    Route("/partners/log/{id}/undo", undo, methods=["POST"]),
]
