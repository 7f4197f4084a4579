"""What the REST interface takes and gives about partners: providers, their syncs, and what these leave behind."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from courseyard.web.api.schemas import TEXT, WHOLE, Answer, Body, Email, Id, LongText, Shown, Title

StreamName = Literal["catalogue", "enrolments", "progress", "credentials"]
RunStatus = Literal["running", "succeeded", "partial", "failed", "cancelled"]
CatalogueState = Literal["new", "changed", "imported", "gone"]
OptionValue = Annotated[str, Field(max_length=100_000, pattern=TEXT)] | bool | None
Key = Annotated[str, Field(min_length=1, max_length=1_000, pattern=TEXT)]
Address = Annotated[str, Field(max_length=2_000, pattern=r"^https?://[^\x00-\x20]+$")]
Event = Annotated[str, Field(pattern=r"^(\*|(enrollment|course|credential|provider)(\.[a-z_]{1,50})?)$")]


class OptionAnswer(Answer):
    """One thing to set up for a kind of partner."""

    name: str
    label: str
    kind: str = Field(description="text, url, secret, choice, number, flag or lines.")
    required: bool
    help: str
    default: str
    choices: dict[str, str]
    ours: bool = Field(description="A secret that nobody hands out: choose one.")


class KindAnswer(Answer):
    """A kind of partner that this server can talk to."""

    kind: str
    title: str
    summary: str
    streams: dict[str, str] = Field(description="What can be fetched, and whether 'incremental' or 'full'.")
    can: list[str] = Field(description="Of enrol, withdraw, accounts, launch, receives.")
    options: list[OptionAnswer]


class SettingsBody(Body):
    """How a provider is treated; what is left out stays, or takes its default."""

    schedule_minutes: Annotated[int, Field(ge=5, le=43_200), WHOLE] | None = Field(
        default=None, description="Minutes between two syncs; null = by hand only."
    )
    paused: bool | None = None
    requests_per_minute: Annotated[int, Field(ge=1, le=6_000), WHOLE] | None = None
    field_mapping: dict[str, Key] | None = None
    identity_rules: list[Literal["external_id", "sis_id", "email"]] | None = None
    unknown_people: Literal["wait", "make"] | None = None
    import_rule: Literal["choose", "all"] | None = None
    stale_after_minutes: Annotated[int, Field(ge=10, le=525_600), WHOLE] | None = None
    keep_changes_days: Annotated[int, Field(ge=0, le=3_650), WHOLE] | None = None


class ProviderRequest(Body):
    """A partner to add."""

    kind: Key
    name: Title
    options: dict[str, OptionValue] = Field(default_factory=dict, description="By the kind's options; secrets too.")
    settings: SettingsBody = Field(default_factory=SettingsBody)
    website_url: Address | None = None
    support_email: Email | None = None


class ProviderChange(Body):
    """What to change of a provider. A secret that is left out or empty stays."""

    name: Title | None = None
    options: dict[str, OptionValue] | None = Field(
        default=None, description="By the kind's options; null removes an optional secret, and sets others back."
    )
    settings: SettingsBody | None = None
    website_url: Address | None = None
    support_email: Email | None = None
    active: bool | None = None


class SettingsAnswer(Shown):
    """How a provider is treated."""

    schedule_minutes: int | None
    paused: bool
    requests_per_minute: int
    field_mapping: dict[str, str]
    identity_rules: list[str]
    unknown_people: str
    import_rule: str
    stale_after_minutes: int
    keep_changes_days: int


class ProviderAnswer(Answer):
    """A partner as it is set up; never its secrets."""

    id: str
    name: str
    kind: str | None = Field(description="Null for one that was entered by hand and never set up.")
    active: bool
    website_url: str | None
    support_email: str | None
    options: dict[str, Any]
    secrets: list[str] = Field(description="Names of the secrets that are stored.")
    settings: SettingsAnswer
    inbound_url: str | None = Field(description="Where this partner may push to.")


class ProviderRow(Shown):
    """A partner in the list, with how it stands."""

    id: str
    name: str
    kind: str | None
    active: bool
    paused: bool | None
    failures_in_a_row: int | None
    failing_since: datetime | None
    stale_since: datetime | None
    data_at: datetime | None = Field(description="How fresh the newest data are.")
    run_id: str | None
    run_status: str | None
    courses: int
    enrolments: int
    waiting_people: int
    open_failures: int
    failed_requests: int = Field(description="Enrolments and withdrawals that could not be made at the partner.")


class CheckAnswer(Answer):
    """One thing that a test of the connection found."""

    state: str = Field(description="ok, warning or failed.")
    what: str
    detail: str


class SyncRequest(Body):
    """What to fetch."""

    streams: list[StreamName] = Field(default_factory=list, description="Empty: all that the partner has.")
    dry_run: bool = False
    drift: bool = Field(default=False, description="Compare everything, as if nothing had been fetched before.")


class RunAnswer(Shown):
    """One run: its row of lms_sync_log and what is known beside it."""

    id: str
    provider_id: str
    provider_name: str | None
    sync_type: str
    status: str
    dry_run: bool | None
    records_processed: int | None
    records_failed: int | None
    error_message: str | None
    started_at: datetime | None
    completed_at: datetime | None
    undone_at: datetime | None


class RunDetail(RunAnswer):
    """One run with its counts and problems."""

    stream: str | None = Field(description="What is being fetched now.")
    total: int | None
    counts: dict[str, dict[str, int]] | None
    problems: list[dict[str, Any]] | None
    changes: int
    preview: list[dict[str, Any]] = Field(description="Of a dry run: rows before and after, the first of them.")


class UndoneTable(Answer):
    """What an undo makes of the rows of one table."""

    table: str
    deleted: int = Field(description="Rows that the run made.")
    restored: int = Field(description="Rows that are as they were before it.")
    kept: int


class KeptRows(Answer):
    """Why rows of one table are kept. A row that several kinds of rows refer to counts for each of them."""

    table: str
    because: Literal["changed", "deleted", "lost", "referred"] = Field(
        description="Somebody changed or deleted them since; what they referred to before is gone; or rows refer to "
        "them that the run did not make or that are kept."
    )
    referrer: str | None = Field(description="The table of the rows that refer to them, with its schema.")
    rows: int
    referring: int = Field(description="How many rows refer to them.")


class UndoPreview(Answer):
    """What an undo does."""

    restored: int
    kept: int = Field(description="Rows that are left as they are; ``reasons`` tells why.")
    tables: list[UndoneTable]
    reasons: list[KeptRows]


class UndoAnswer(UndoPreview):
    """What an undo did."""

    run_id: str = Field(description="The undo's own line in the log.")


class CatalogueRow(Shown):
    """A course of the partner beside what was imported."""

    external_id: str
    state: str
    course_id: str | None
    title: str | None
    code: str | None
    category: str | None
    duration_hours: float | None
    url: str | None
    active: bool
    seen_at: datetime
    gone_at: datetime | None


class ImportRequest(Body):
    """Which courses to bring in: these keys, or all that match the filter."""

    keys: Annotated[list[Key], Field(min_length=1, max_length=10_000)] | None = None
    state: CatalogueState | None = None
    category: Key | None = None
    search: Annotated[str, Field(max_length=200, pattern=TEXT)] | None = None


class AccountRow(Shown):
    """An account at the partner."""

    external_id: str
    email: str | None
    name: str | None
    sis_id: str | None
    rule: str | None
    profile_id: str | None = None
    records: int | None = Field(default=None, description="How many records a decision lets follow.")
    candidates: list[dict[str, Any]] | None = None


class Decision(Body):
    """Who an account is."""

    external_id: Key
    profile_id: Id | None = Field(description="Null: nobody here; its records are left aside.")


class WaitingRow(Shown):
    """A record that could not be written, as it came."""

    id: int
    kind: str
    external_id: str
    person: str | None
    code: str
    reason: str
    tries: int
    first_at: datetime
    last_at: datetime
    record: dict[str, Any]


class DropRequest(Body):
    """Which waiting records to let go."""

    ids: (
        Annotated[list[Annotated[int, Field(ge=1, le=2**53), WHOLE]], Field(min_length=1, max_length=10_000)] | None
    ) = None
    code: Key | None = Field(default=None, description="All of this reason; with neither, all.")


class RunStarted(Answer):
    """A run was put into the queue."""

    run_id: str


class Dropped(Answer):
    """How many records were let go."""

    dropped: int


class EndpointRequest(Body):
    """A receiver of webhooks."""

    url: Address
    events: Annotated[list[Event], Field(min_length=1, max_length=50)] = Field(default_factory=lambda: ["*"])
    description: LongText = ""


class EndpointChange(Body):
    """What to change of a receiver."""

    url: Address | None = None
    events: Annotated[list[Event], Field(min_length=1, max_length=50)] | None = None
    description: LongText | None = None
    active: bool | None = None


class EndpointAnswer(Shown):
    """A receiver; its secret is shown once, when it is made."""

    id: str
    url: str
    events: list[str]
    description: str
    active: bool
    failing_since: datetime | None
    disabled_because: str | None
    created_at: datetime


class EndpointMade(EndpointAnswer):
    """A receiver that was just made."""

    secret: str = Field(description="Shown only now.")


class EndpointTested(Answer):
    """What came of a test event."""

    outcome: str


class CredentialRequest(Body):
    """A credential to enter."""

    profile_id: Id
    provider_id: Id
    credential_name: Title
    credential_type: Key | None = None
    credential_number: Key | None = None
    issued_date: Annotated[date | None, Field(strict=False)] = None
    expiration_date: Annotated[date | None, Field(strict=False)] = None
    verification_url: Address | None = None
    certificate_url: Address | None = None


class CredentialAnswer(Shown):
    """A credential that a partner issued."""

    id: str
    user_id: str
    provider_id: str
    provider_name: str | None
    person_name: str | None
    person_email: str | None
    credential_name: str
    credential_type: str | None
    credential_number: str | None
    external_credential_id: str | None
    issued_date: date | None
    expiration_date: date | None
    verification_url: str | None
    certificate_url: str | None
    state: str = Field(description="valid, expiring, expired or revoked.")
    check_state: str | None = Field(description="Whether the verification address answers.")
    checked_at: datetime | None
