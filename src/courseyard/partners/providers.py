"""Providers: how each partner is set up, with its credentials sealed, and the connector that speaks to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec

from courseyard.db import Database
from courseyard.errors import InvalidInputError, NotFoundError, PartnerError
from courseyard.limits import DEFAULT_PARTNER_REQUESTS_PER_MINUTE, FAILING_AFTER_RUNS
from courseyard.partners import fields
from courseyard.partners.client import PartnerClient
from courseyard.partners.connector import Check, Config, Connector
from courseyard.partners.kinds import kind_named
from courseyard.partners.sealing import Sealing

IDENTITY_RULES: dict[str, str] = {
    "external_id": "The partner's account id is our identifier of the person",
    "sis_id": "The partner keeps our identifier of the person (SIS id)",
    "email": "The same e-mail address",
}

# The secret that a partner grants by consent, and the options that it was granted for: another Canvas gets none of it.
REFRESH = "refresh_token"
_CONSENTED_FOR = ("base_url", "client_id")

# How a provider stands, the worst first.
STATES: dict[str, str] = {
    "failing": "Failing",
    "stale": "Stale",
    "not-set-up": "Not set up",
    "off": "Off",
    "paused": "Paused",
    "running": "Running",
    "ok": "OK",
}


def state_of(row: Mapping[str, Any]) -> str:
    """The one of ``STATES`` that matters most of a row of ``Providers.all``."""
    if row["kind"] is None:
        return "not-set-up"
    if not row["active"]:
        return "off"
    if row["failures_in_a_row"] >= FAILING_AFTER_RUNS:
        return "failing"
    if row["stale_since"]:
        return "stale"
    if row["run_status"] == "running":
        return "running"
    return "paused" if row["paused"] else "ok"


@dataclass(frozen=True, slots=True)
class Settings:
    """What an administrator chooses for a provider, beside the options of its kind.

    ``schedule_minutes``: None = by hand only. ``unknown_people``: ``wait`` for a person to decide, or ``make`` them.
    ``import_rule``: new courses wait to be chosen (``choose``) or come in by themselves (``all``).
    """

    schedule_minutes: int | None = 60
    paused: bool = False
    requests_per_minute: int = DEFAULT_PARTNER_REQUESTS_PER_MINUTE
    field_mapping: Mapping[str, str] = field(default_factory=dict)
    identity_rules: tuple[str, ...] = tuple(IDENTITY_RULES)
    unknown_people: str = "wait"
    import_rule: str = "choose"
    stale_after_minutes: int = 2 * 24 * 60
    keep_changes_days: int = 30


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as it stands. ``kind`` is None for one that was entered by hand and never set up here."""

    id: str
    name: str
    kind: str | None
    active: bool
    website_url: str | None
    support_email: str | None
    options: Mapping[str, Any]
    settings: Settings
    row: Mapping[str, Any] = field(repr=False)

    @property
    def connector(self) -> type[Connector]:
        """The connector's class.

        Raises:
            InvalidInputError: the provider was never set up.
            NotFoundError: this release does not know its kind.
        """
        if self.kind is None:
            raise InvalidInputError(f"'{self.name}' is not set up.", hint="Choose its kind in the provider's settings.")
        return kind_named(self.kind)


@dataclass(frozen=True, slots=True)
class Draft:
    """What is saved: the public row, the options with new secrets, and the settings.

    A secret that is left empty stays as it is; one that is None is removed.
    """

    kind: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    settings: Settings = field(default_factory=Settings)
    website_url: str | None = None
    support_email: str | None = None
    active: bool = True


class Providers:
    """Reads, saves and opens providers."""

    def __init__(
        self,
        db: Database,
        http: httpx.AsyncClient,
        sealing: Sealing,
        *,
        inbound_url: str,
        upload_area: str,
        partner_folder: str = "",
    ) -> None:
        """``inbound_url``: where partners push to, the provider's id is put behind it; ``upload_area``: where uploaded
        files lie, a folder or an S3 address, a provider's own below it; ``partner_folder``: the one folder of this
        server below which files may be read.
        """
        self._db = db
        self._http = http
        self._sealing = sealing
        self._inbound_url = inbound_url
        self._upload_area = upload_area
        self._partner_folder = partner_folder

    async def all(self) -> list[dict[str, Any]]:
        """Every provider with its state, for the overview."""
        return await self._db.all("partners.providers")

    async def get(self, provider_id: str) -> Provider:
        """One provider.

        Raises:
            NotFoundError: there is none.
        """
        row = await self._db.one("partners.provider", provider_id=provider_id)
        if row is None:
            raise NotFoundError("There is no such provider.")
        chosen = Settings()
        if row["kind"] is not None:
            names = Settings.__dataclass_fields__
            chosen = Settings(
                **{name: row[name] for name in names if name != "identity_rules"},
                identity_rules=tuple(row["identity_rules"]),
            )
        return Provider(
            row["id"], row["name"], row["kind"], row["active"], row["website_url"], row["support_email"],
            row["options"] or {}, chosen, row,
        )  # fmt: skip

    async def save(self, draft: Draft, provider_id: str | None = None) -> str:
        """Add or change a provider; its id.

        Raises:
            InvalidInputError: something is missing or cannot be.
            NotFoundError: no such provider, or no such kind.
        """
        kind = kind_named(draft.kind)
        standing = await self.get(provider_id) if provider_id else None
        known = self._sealing.open(standing.row["secrets"]) if standing and standing.kind == draft.kind else {}
        options, secrets = _options(kind, draft.options, known)
        if REFRESH in known and standing and all(options.get(o) == standing.options.get(o) for o in _CONSENTED_FOR):
            secrets[REFRESH] = known[REFRESH]
        _check(draft)
        async with self._db.transaction() as tx:
            row = await tx.one(
                "partners.save_provider",
                provider_id=provider_id,
                kind=draft.kind,
                row={
                    "provider_name": draft.name.strip(),
                    "website_url": draft.website_url,
                    "support_email": draft.support_email,
                    "active": draft.active,
                },
            )
            found = str(row["id"]) if row else ""
            chosen = draft.settings
            await tx.run(
                "partners.save_settings",
                provider_id=found,
                kind=draft.kind,
                options=options,
                secrets=self._sealing.seal(secrets),
                schedule_minutes=chosen.schedule_minutes,
                paused=chosen.paused,
                requests_per_minute=chosen.requests_per_minute,
                field_mapping=fields.checked(chosen.field_mapping),
                identity_rules=list(chosen.identity_rules),
                unknown_people=chosen.unknown_people,
                import_rule=chosen.import_rule,
                stale_after_minutes=chosen.stale_after_minutes,
                keep_changes_days=chosen.keep_changes_days,
            )
        return found

    async def set_paused(self, provider_id: str, paused: bool) -> None:
        """Stop or go on with what is scheduled; what is asked for by hand still runs."""
        if await self._db.run("partners.set_paused", provider_id=provider_id, paused=paused) == 0:
            raise NotFoundError("There is no such provider.")

    async def belongings(self, provider_id: str) -> dict[str, int]:
        """How many records of which sort would go with a provider."""
        return await self._db.one("partners.belongings", provider_id=provider_id) or {}

    def stored_secrets(self, provider: Provider) -> set[str]:
        """The names of the secrets that are kept for a provider; never what they are.

        Raises:
            CredentialsKeyError: its credentials cannot be decrypted.
        """
        return set(self._sealing.open(provider.row["secrets"]))

    async def delete(self, provider_id: str) -> None:
        """Delete a provider with all that came from it; nothing happens at the partner."""
        if await self._db.run("partners.delete_provider", provider_id=provider_id) == 0:
            raise NotFoundError("There is no such provider.")

    async def check(self, provider_id: str) -> list[Check]:
        """Try the connection and keep what was found."""
        provider = await self.get(provider_id)
        connector = self.open(provider)
        try:
            found = await connector.check()
        except PartnerError as error:
            found = [Check("failed", error.detail, error.advice)]
        await self._db.run("partners.keep_check", provider_id=provider_id, result=msgspec.to_builtins(found))
        return found

    def open(self, provider: Provider) -> Connector:
        """The connector of a provider, ready to call.

        Raises:
            CredentialsKeyError: its credentials cannot be decrypted.
        """
        kind = provider.connector
        secrets = self._sealing.open(provider.row["secrets"])
        values = dict(provider.options) | secrets
        values |= {"upload_location": self.upload_location(provider.id), "partner_folder": self._partner_folder}
        config = Config(provider.id, values, self.inbound_url(provider.id))
        client = PartnerClient(
            self._http,
            config.text("base_url"),
            requests_per_minute=provider.settings.requests_per_minute,
            secrets=secrets.values(),
        )
        return kind(config, client)

    def inbound_url(self, provider_id: str) -> str:
        """Where this partner pushes to."""
        return f"{self._inbound_url}/{provider_id}"

    def upload_location(self, provider_id: str) -> str:
        """Where files that are uploaded for this provider lie."""
        return f"{self._upload_area}/{provider_id}"

    async def seal_anew(self) -> int:
        """After a new key was put in front: seal everything with it that a key opens; how many were.

        Two at once do no harm. What no key opens stays as it is: the provider's own runs tell of it.
        """
        done = 0
        for row in await self._db.all("partners.secrets"):
            if sealed := self._sealing.anew(row["secrets"]):
                done += await self._db.run(
                    "partners.keep_secrets", provider_id=row["provider_id"], was=row["secrets"], secrets=sealed
                )
        return done


def _options(
    kind: type[Connector], given: Mapping[str, Any], known: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    options: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    for option in kind.options:
        value = given.get(option.name)
        value = value.strip() if isinstance(value, str) else value
        if option.kind == "secret":
            removed = option.name in given and value is None
            secrets[option.name] = "" if removed else str(value or known.get(option.name, ""))
            filled = bool(secrets[option.name])
            if removed and option.required:
                raise InvalidInputError(
                    f"{option.label} is needed, so it cannot be removed.", hint="Put another one in its place."
                )
        elif option.kind == "flag":
            options[option.name] = bool(value)
            filled = True
        else:
            options[option.name] = value if value not in (None, "") else option.default
            filled = options[option.name] not in (None, "")
        if option.required and not filled:
            raise InvalidInputError(f"{option.label} is missing.", hint=option.help or "Fill it in and save again.")
        if option.kind == "url" and filled and not str(options[option.name]).startswith(("https://", "http://")):
            raise InvalidInputError(f"{option.label} is no web address.", hint="Begin it with https:// (or http://).")
        if option.kind == "choice" and filled and str(options[option.name]) not in option.choices:
            raise InvalidInputError(f"{option.label}: '{options[option.name]}' is not among the choices.")
        if option.kind == "number" and filled and not str(options[option.name]).isdecimal():
            raise InvalidInputError(f"{option.label} is no whole number.", hint="Type digits only.")
    # What a page sets up beside the form (the column mapping of files) is kept as it is.
    options |= {name: value for name, value in given.items() if name.startswith("mapping") and isinstance(value, dict)}
    return options, secrets


def _check(draft: Draft) -> None:
    chosen = draft.settings
    if not draft.name.strip():
        raise InvalidInputError("The provider has no name.", hint="Give it the name that people know it by.")
    if set(chosen.identity_rules) - set(IDENTITY_RULES):
        raise InvalidInputError("There is no such identity rule.", hint=f"Choose of {', '.join(IDENTITY_RULES)}.")
    limits = {
        "schedule_minutes": (chosen.schedule_minutes, 5, 43_200, "The schedule", "minutes"),
        "requests_per_minute": (chosen.requests_per_minute, 1, 6_000, "The rate", "requests a minute"),
        "stale_after_minutes": (chosen.stale_after_minutes, 10, 525_600, "Stale after", "minutes"),
        "keep_changes_days": (chosen.keep_changes_days, 0, 3_650, "Undo", "days"),
    }
    for value, low, high, label, unit in limits.values():
        if value is not None and not low <= value <= high:
            raise InvalidInputError(f"{label}: {value} is not from {low} to {high} {unit}.", hint="Choose one between.")
    if chosen.unknown_people not in ("wait", "make") or chosen.import_rule not in ("choose", "all"):
        raise InvalidInputError("There is no such choice.")
