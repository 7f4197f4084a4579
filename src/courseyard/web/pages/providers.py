"""Pages of partner providers: the overview, setting one up, trying it, and what it does. For administrators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from courseyard.errors import (
    CourseyardError,
    CredentialsKeyError,
    InvalidInputError,
    PartnerRefusedError,
    RunStandsError,
)
from courseyard.partners import kinds
from courseyard.partners.connector import Connector, Stream
from courseyard.partners.fields import TARGETS
from courseyard.partners.providers import IDENTITY_RULES, REFRESH, STATES, Draft, Provider, Settings, state_of
from courseyard.web.context import require_person, services
from courseyard.web.pages import forms, standing_runs
from courseyard.web.pages.credentials import admin
from courseyard.web.pages.rendering import back, page
from courseyard.web.pages.sync_log import with_waiting

SCHEDULES = {
    "": "By hand only",
    "15": "Every 15 minutes",
    "60": "Every hour",
    "240": "Every 4 hours",
    "720": "Twice a day",
    "1440": "Once a day",
    "10080": "Once a week",
}
STALE_AFTER = {
    "60": "1 hour",
    "360": "6 hours",
    "1440": "1 day",
    "2880": "2 days",
    "10080": "1 week",
    "43200": "30 days",
}
STREAMS = {
    Stream.CATALOGUE: "Courses",
    Stream.ENROLMENTS: "Enrolments",
    Stream.PROGRESS: "Progress",
    Stream.CREDENTIALS: "Credentials",
}
_RECENT_RUNS = 8
# As it is entered at partners as the address for redirects.
CONNECTED = "/partners/connected"
# Set up on a page of its own, with a preview.
_APART = ("columns",)


async def show_list(request: Request) -> Response:
    """How all partners are, those with trouble first."""
    caller = await require_person(request)
    caller.require_staff()
    providers = [row | {"state": state_of(row)} for row in await services(request).hub.providers.all()]
    return page(
        request,
        "partners.html",
        providers=providers,
        alerts=[row for row in providers if row["state"] in ("failing", "stale")],
        kinds=kinds.kinds(),
        states=STATES,
    )


async def show_new(request: Request) -> Response:
    """The kinds to choose from, then the form of the chosen one."""
    await admin(request)
    kind = _asked_kind(request)
    if kind is None:
        return page(request, "provider_kinds.html", kinds=kinds.kinds(), streams=STREAMS, provider=None)
    return _form(request, kind, _fresh(kind))


async def add(request: Request) -> Response:
    """Add a provider."""
    await admin(request)
    form = await request.form()
    kind = kinds.kind_named(forms.text(form, "kind"))
    values = _entered(form, kind)
    try:
        provider_id = await services(request).hub.providers.save(_draft(form, kind, values, None))
    except CourseyardError as error:
        return _form(request, kind, values, error=error)
    return back(f"/partners/providers/{provider_id}", "provider-added")


async def show(request: Request) -> Response:
    """One provider: how it stands, and what can be done with it."""
    await admin(request)
    return await _show(request)


async def show_state(request: Request) -> Response:
    """The part of the page that changes while a run is on."""
    await admin(request)
    provider = await services(request).hub.providers.get(forms.path_id(request))
    return page(request, "provider_state.html", provider=provider, **await _standing(request, provider))


async def show_settings(request: Request) -> Response:
    """The form with what stands; for one that was entered by hand, the kinds first."""
    await admin(request)
    provider = await services(request).hub.providers.get(forms.path_id(request))
    kind = provider.connector if provider.kind else _asked_kind(request)
    if kind is None:
        return page(request, "provider_kinds.html", kinds=kinds.kinds(), streams=STREAMS, provider=provider)
    return _form(request, kind, _standing_values(provider, kind), provider)


async def change(request: Request) -> Response:
    """Save the settings."""
    await admin(request)
    svc, form = services(request), await request.form()
    provider = await svc.hub.providers.get(forms.path_id(request))
    kind = provider.connector if provider.kind else kinds.kind_named(forms.text(form, "kind"))
    values = _entered(form, kind)
    try:
        await svc.hub.providers.save(_draft(form, kind, values, provider), provider.id)
    except CourseyardError as error:
        return _form(request, kind, values, provider, error)
    return back(f"/partners/providers/{provider.id}", "saved" if provider.kind else "provider-added")


async def check(request: Request) -> Response:
    """Try the connection; what was found stays on the page."""
    await admin(request)
    provider_id = forms.path_id(request)
    try:
        await services(request).hub.providers.check(provider_id)
    except CourseyardError as error:
        return await _show(request, error)
    return back(f"/partners/providers/{provider_id}", "checked")


async def sync(request: Request) -> Response:
    """Put a run into the queue: a sync, a dry run, or a check for drift."""
    caller = await admin(request)
    provider_id, form = forms.path_id(request), await request.form()
    how = forms.text(form, "how")
    how = how if how in ("dry", "drift") else "sync"
    chosen = [stream for stream in Stream if stream.value in form.getlist("streams")]
    path, hub = f"/partners/providers/{provider_id}", services(request).hub
    try:
        if not chosen and how != "drift":
            raise InvalidInputError("Nothing is chosen to fetch.", hint="Tick what you want to fetch.")
        await hub.runs.start(
            provider_id,
            [] if how == "drift" else chosen,
            drift=how == "drift",
            dry_run=how == "dry",
            requested_by=caller.profile_id,
        )
    except RunStandsError as standing:
        return standing_runs.led_to(path, standing, how)
    except CourseyardError as error:
        return await _show(request, error)
    return back(path, "run-started")


async def connect(request: Request) -> Response:
    """Say what letting this server in means, with the link to the partner."""
    caller = await admin(request)
    hub, provider_id = services(request).hub, forms.path_id(request)
    try:
        address = await hub.consents.begin(provider_id, caller.profile_id)
    except CourseyardError as error:
        return await _show(request, error)
    provider = await hub.providers.get(provider_id)
    return page(
        request, "provider_connect.html", provider=provider, address=address, redirect_url=hub.consents.redirect_url
    )


async def connected(request: Request) -> Response:
    """Where the partner sends people back to, with its consent or a refusal."""
    caller = await admin(request)
    hub, told = services(request).hub, request.query_params
    provider_id = await hub.consents.end(told.get("state", ""), caller.profile_id)
    try:
        if "error" in told:
            reason = (told.get("error_description") or told["error"])[:300]
            raise PartnerRefusedError(
                f"The partner says: {reason}.", hint="Connect once more, as an administrator there."
            )
        await hub.consents.keep(provider_id, told.get("code", ""))
    except CourseyardError as error:
        return await _show(request, error, provider_id)
    return back(f"/partners/providers/{provider_id}", "connected")


async def pause(request: Request) -> Response:
    """Stop the schedule."""
    return await _set_paused(request, paused=True)


async def resume(request: Request) -> Response:
    """Go on with the schedule."""
    return await _set_paused(request, paused=False)


async def ask_delete(request: Request) -> Response:
    """Say what would be lost."""
    await admin(request)
    hub, provider_id = services(request).hub, forms.path_id(request)
    provider = await hub.providers.get(provider_id)
    return page(
        request, "provider_delete.html", provider=provider, belongings=await hub.providers.belongings(provider_id)
    )


async def delete(request: Request) -> Response:
    """Delete it with all that came from it."""
    await admin(request)
    await services(request).hub.providers.delete(forms.path_id(request))
    return back("/partners", "provider-deleted")


async def _set_paused(request: Request, *, paused: bool) -> Response:
    await admin(request)
    provider_id = forms.path_id(request)
    await services(request).hub.providers.set_paused(provider_id, paused)
    return back(f"/partners/providers/{provider_id}", "paused" if paused else "resumed")


async def _show(request: Request, error: CourseyardError | None = None, provider_id: str | None = None) -> Response:
    hub = services(request).hub
    provider = await hub.providers.get(provider_id or forms.path_id(request))
    kind = kinds.kinds().get(provider.kind or "")
    return page(
        request,
        "provider.html",
        error.status if error else 200,
        provider=provider,
        kind=kind,
        streams=STREAMS,
        reads_files=kind is not None and any(option.name == "source" for option in kind.options),
        reads_columns=kind is not None and any(option.name == "columns" for option in kind.options),
        consents=kind is not None and kind.consent is not None and bool(provider.options.get("client_id")),
        connected=_is_connected(request, provider),
        inbound_url=hub.providers.inbound_url(provider.id) if kind and kind.capabilities.receives else None,
        error=error,
        standing=await standing_runs.told(request, provider.id),
        **await _standing(request, provider),
    )


def _is_connected(request: Request, provider: Provider) -> bool:
    try:
        return REFRESH in services(request).hub.providers.stored_secrets(provider)
    except CredentialsKeyError:
        return False


async def _standing(request: Request, provider: Provider) -> dict[str, Any]:
    """How a provider stands now: its numbers, its runs, and how fresh its data are."""
    svc = services(request)
    row = next((row for row in await svc.hub.providers.all() if row["id"] == provider.id), None)
    kind = kinds.kinds().get(provider.kind or "")
    working = await svc.hub.runs.working(provider.id)
    running = await with_waiting(request, [working] if working else [])
    runs = await svc.db.all(
        "sync.log", provider_id=provider.id, status=None, sync_type=None, limit=_RECENT_RUNS, offset=0
    )
    cursors = {cursor["stream"]: cursor for cursor in await svc.db.all("partners.cursors", provider_id=provider.id)}
    return {
        "row": row,
        "state": state_of(row) if row else "not-set-up",
        "states": STATES,
        "running": running[0] if running else None,
        "runs": await with_waiting(request, runs),
        "freshness": [
            (label, cursors.get(stream.value))
            for stream, label in STREAMS.items()
            if kind and stream in kind.capabilities.streams
        ],
    }


# The form


def _asked_kind(request: Request) -> type[Connector] | None:
    asked = request.query_params.get("kind")
    return kinds.kind_named(asked) if asked else None


def _form(
    request: Request,
    kind: type[Connector],
    values: Mapping[str, Any],
    provider: Provider | None = None,
    error: CourseyardError | None = None,
) -> Response:
    stored: set[str] = set()
    if provider is not None and provider.kind == kind.kind:
        try:
            stored = services(request).hub.providers.stored_secrets(provider)
        except CredentialsKeyError as lost:
            error = error or lost
    extra = {of: names for of, names in kind.extra_fields.items() if names}
    return page(
        request,
        "provider_form.html",
        error.status if error else 200,
        kind=kind,
        provider=provider,
        values=values,
        options=[option for option in kind.options if option.name not in _APART],
        stored=stored,
        schedules=_with(SCHEDULES, values["schedule_minutes"]),
        stale_after=_with(STALE_AFTER, values["stale_after_minutes"]),
        rules=IDENTITY_RULES,
        targets=TARGETS if extra else {},
        extra_fields=sorted({name for names in extra.values() for name in names}),
        error=error,
    )


def _with(choices: Mapping[str, str], value: str) -> dict[str, str]:
    """The choices, with one for a value that was set elsewhere."""
    return dict(choices) if value in choices else {**choices, value: f"{value} minutes"}


def _fresh(kind: type[Connector]) -> dict[str, Any]:
    chosen = Settings(import_rule="choose" if kind.capabilities.streams else "all")
    return _values(kind.title, None, None, True, {o.name: o.default for o in kind.options}, chosen)


def _standing_values(provider: Provider, kind: type[Connector]) -> dict[str, Any]:
    if provider.kind is None:
        fresh = _fresh(kind)
        return {**fresh, "name": provider.name, "website_url": provider.website_url or "",
                "support_email": provider.support_email or "", "active": provider.active}  # fmt: skip
    return _values(
        provider.name,
        provider.website_url,
        provider.support_email,
        provider.active,
        provider.options,
        provider.settings,
    )


def _values(
    name: str, website_url: str | None, support_email: str | None, active: bool, options: Mapping[str, Any],
    chosen: Settings,
) -> dict[str, Any]:  # fmt: skip
    """What the form shows."""
    return {
        "name": name,
        "website_url": website_url or "",
        "support_email": support_email or "",
        "active": active,
        "options": options,
        "schedule_minutes": str(chosen.schedule_minutes or ""),
        "requests_per_minute": str(chosen.requests_per_minute),
        "identity_rules": list(chosen.identity_rules),
        "unknown_people": chosen.unknown_people,
        "import_rule": chosen.import_rule,
        "stale_after_minutes": str(chosen.stale_after_minutes),
        "keep_changes_days": str(chosen.keep_changes_days),
        "field_mapping": chosen.field_mapping,
        "remove": [],
    }


def _entered(form: FormData, kind: type[Connector]) -> dict[str, Any]:
    """What was typed, to be shown again after a mistake; never a secret."""
    texts = ("name", "website_url", "support_email", "schedule_minutes", "requests_per_minute", "unknown_people")
    more = ("import_rule", "stale_after_minutes", "keep_changes_days")
    return {
        **{name: forms.text(form, name) for name in (*texts, *more)},
        "active": forms.ticked(form, "active"),
        "options": {
            option.name: forms.ticked(form, f"option.{option.name}")
            if option.kind == "flag"
            else forms.text(form, f"option.{option.name}")
            for option in kind.options
            if option.kind != "secret" and option.name not in _APART
        },
        "identity_rules": list(dict.fromkeys(str(rule) for rule in form.getlist("identity_rules") if rule)),
        "field_mapping": {target: found for target in TARGETS if (found := forms.text(form, f"field.{target}"))},
        "remove": [str(name) for name in form.getlist("remove")],
    }


def _draft(form: FormData, kind: type[Connector], values: Mapping[str, Any], standing: Provider | None) -> Draft:
    kept = standing.options if standing and standing.kind == kind.kind else {}
    secrets: dict[str, str | None] = {
        option.name: forms.text(form, f"option.{option.name}") for option in kind.options if option.kind == "secret"
    }
    # What was typed takes the place of the stored one, and is not removed with it.
    secrets |= {name: None for name in values["remove"] if secrets.get(name) == ""}

    def number(name: str, label: str) -> int:
        found = forms.whole_number(form, name, label)
        if found is None:
            raise InvalidInputError(f"{label} is missing.", hint="Type a number.")
        return found

    return Draft(
        kind.kind,
        values["name"],
        {**kept, **values["options"], **secrets},
        Settings(
            schedule_minutes=forms.whole_number(form, "schedule_minutes", "Schedule"),
            paused=bool(standing and standing.settings.paused),
            requests_per_minute=number("requests_per_minute", "Requests a minute"),
            field_mapping=values["field_mapping"],
            identity_rules=tuple(values["identity_rules"]),
            unknown_people=values["unknown_people"],
            import_rule=values["import_rule"],
            stale_after_minutes=number("stale_after_minutes", "Stale after"),
            keep_changes_days=number("keep_changes_days", "Keep undo for"),
        ),
        values["website_url"] or None,
        values["support_email"] or None,
        values["active"],
    )


routes = [
    Route("/partners", show_list, methods=["GET"]),
    Route("/partners/providers/new", show_new, methods=["GET"]),
    Route("/partners/providers/new", add, methods=["POST"]),
    Route("/partners/providers/{id}", show, methods=["GET"]),
    Route("/partners/providers/{id}/state", show_state, methods=["GET"]),
    Route("/partners/providers/{id}/settings", show_settings, methods=["GET"]),
    Route("/partners/providers/{id}/settings", change, methods=["POST"]),
    Route("/partners/providers/{id}/check", check, methods=["POST"]),
    Route("/partners/providers/{id}/connect", connect, methods=["POST"]),
    Route(CONNECTED, connected, methods=["GET"]),
    Route("/partners/providers/{id}/sync", sync, methods=["POST"]),
    Route("/partners/providers/{id}/pause", pause, methods=["POST"]),
    Route("/partners/providers/{id}/resume", resume, methods=["POST"]),
    Route("/partners/providers/{id}/delete", ask_delete, methods=["GET"]),
    Route("/partners/providers/{id}/delete", delete, methods=["POST"]),
]
