"""What a connector is: one file in ``connectors/`` that speaks one partner's language and nothing else.

A connector says what it can do, how it is set up, and how a partner's record becomes ours. It never waits, retries,
counts, stores or logs: the client (``client.py``) does the calls with rate limit, retries and time-outs, and the sync
does the paging loop, the cursor, the writing and the log. It keeps no state between calls but what is in the cursor.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal

from courseyard.errors import PartnerCannotError
from courseyard.partners.client import PartnerClient
from courseyard.partners.records import Enrolment, Record, User

# Where to go on: plain JSON that only the connector understands. Kept in the database between pages, so that a run
# that was broken off goes on from there.
Cursor = dict[str, Any]


class Stream(StrEnum):
    """What can be fetched, in the order in which a full sync fetches it."""

    CATALOGUE = "catalogue"
    ENROLMENTS = "enrolments"
    PROGRESS = "progress"
    CREDENTIALS = "credentials"


Pull = Literal["incremental", "full"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a partner of this kind can do.

    ``streams``: what can be fetched, and whether the partner can be asked for what changed since (``incremental``) or
    always tells everything (``full``; the sync then finds out what changed, and what is gone).
    ``accounts``: accounts can be made there. ``receives``: the partner may push (webhook).
    """

    streams: Mapping[Stream, Pull] = field(default_factory=dict)
    enrol: bool = False
    withdraw: bool = False
    accounts: bool = False
    launch: bool = False
    receives: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """One thing to set up. ``secret`` ones are encrypted and never shown again.

    ``lines``: a text of several lines. ``choices``: value to label, for kind ``choice``. ``ours``: a secret that nobody
    hands out, so that the page offers to make one.
    """

    name: str
    label: str
    kind: Literal["text", "url", "secret", "choice", "number", "flag", "lines"] = "text"
    required: bool = True
    help: str = ""
    default: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Consent:
    """That an administrator of the partner may let us in there instead of copying a token: RFC 6749, section 4.1.

    Paths are below ``base_url``. The options ``client_id``, ``client_secret`` and ``scopes`` hold what the partner gave
    out for this server; what it grants is kept as the secret ``refresh_token``.
    """

    authorize_path: str
    token_path: str


@dataclass(frozen=True, slots=True)
class Config:
    """A provider as it was set up: all values by the names of the options, secrets in the clear. Never log it.

    ``provider_id`` is ours; ``inbound_url`` is where the partner may push to.
    """

    provider_id: str
    values: Mapping[str, Any] = field(repr=False)
    inbound_url: str = ""

    def text(self, name: str) -> str:
        """A value as text; empty when it is not set."""
        return str(self.values.get(name) or "").strip()

    def flag(self, name: str) -> bool:
        """Whether a flag is set."""
        return bool(self.values.get(name))


@dataclass(frozen=True, slots=True)
class Scope:
    """What the sync wants to know about. ``courses``: external ids of the courses that were imported and still stand,
    sorted; a partner that can only be asked course by course is asked for these. ``since``: the watermark of the last
    run of this stream that came to its end, None for everything.
    """

    courses: Sequence[str] = ()
    since: Cursor | None = None
    now: datetime | None = None

    def after(self, course: str | None) -> str | None:
        """The course that follows, None for the first and after the last; imports may change them between pages."""
        place = 0 if course is None else bisect_right(self.courses, course)
        return self.courses[place] if place < len(self.courses) else None


@dataclass(frozen=True, slots=True)
class Page:
    """One step of a stream. ``next`` is None on the last one, which carries the ``watermark`` for the next run.

    ``data_at``: how fresh these data are at the partner, where it says so. ``rejected``: records that could not be
    understood, as the partner sent them, with the reason; they are kept and shown, and never stop the run.
    ``complete``: on the last page of a full listing, so that what was not in it counts as gone.
    """

    records: Sequence[Record]
    next: Cursor | None = None
    watermark: Cursor | None = None
    data_at: datetime | None = None
    total: int | None = None
    rejected: Sequence[tuple[Any, str]] = ()
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that "test connection" found. ``what`` in the user's words, ``detail`` what to do."""

    state: Literal["ok", "warning", "failed"]
    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of ours whom a partner is asked about.

    ``external_id``: the account at the partner, where one is known from earlier. ``own_id``: the organisation's own
    identifier of the person.
    """

    profile_id: str
    email: str | None
    name: str | None
    external_id: str | None = None
    own_id: str | None = None

    @property
    def sis_id(self) -> str:
        """What a partner keeps as our identifier of the person: the organisation's own, or else ours."""
        return self.own_id or self.profile_id


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request that a partner sent to us, as it came: names of headers in lower case, body unparsed."""

    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    content_type: str = "application/json"
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Received:
    """What a delivery told. ``delivery_id``: the partner's own key of it, so that a repeat is noticed."""

    delivery_id: str | None
    records: Sequence[Record]
    rejected: Sequence[tuple[Any, str]] = ()
    # What the sender wants to read, where its protocol says so (an LRS answers with statement ids).
    answer: Any = None


class Connector(ABC):
    """One partner of one kind, as it was set up."""

    kind: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    options: ClassVar[tuple[Option, ...]]
    capabilities: ClassVar[Capabilities]
    consent: ClassVar[Consent | None] = None
    # Names in ``extra`` that are worth offering for the field mapping, per record kind.
    extra_fields: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def __init__(self, config: Config, client: PartnerClient) -> None:
        """``client`` is made for this provider: rate, time-outs and retries are in it."""
        self.config = config
        self.client = client

    @abstractmethod
    async def check(self) -> list[Check]:
        """Try the connection: what works, and what these credentials may not do. Changes nothing at the partner.

        Raises:
            PartnerError: nothing works at all; the message says why.
        """

    async def fetch(self, stream: Stream, cursor: Cursor | None, scope: Scope) -> Page:
        """One page of a stream; ``cursor`` is None for the first.

        Raises:
            PartnerError: the partner does not answer, or not as it should.
        """
        raise PartnerCannotError(f"{self.title} has no {stream}.")

    async def find_users(self, person: Person) -> list[User]:
        """Accounts at the partner that may be this person's: none, one, or several that a person must choose from."""
        raise PartnerCannotError(f"{self.title} cannot look for accounts.")

    async def standing_user(self, person: Person) -> User | None:
        """The one account that this person has at the partner; None where one can be made.

        Raises:
            PartnerCannotError: there are several, or there is no e-mail address to make one with.
        """
        found = await self.find_users(person)
        if len(found) > 1:
            raise PartnerCannotError(
                f"{self.title} has {len(found)} accounts with the address {person.email}.", hint="Choose one of them."
            )
        if not found and not person.email:
            raise PartnerCannotError(
                f"{self.title} makes accounts only for people with an e-mail address.",
                hint="Enter the person's address.",
            )
        return found[0] if found else None

    async def make_user(self, person: Person) -> User:
        """Make an account for this person, or return the one that was made before."""
        raise PartnerCannotError(f"{self.title} cannot make accounts.")

    async def enrol(self, user: User, course: str) -> Enrolment:
        """Enrol an account in a course. Called again after a crash, it returns what stands, never a second one."""
        raise PartnerCannotError(f"{self.title} cannot enrol.")

    async def withdraw(self, enrolment: str, user: User, course: str) -> None:
        """End an enrolment at the partner; nothing happens if it has ended."""
        raise PartnerCannotError(f"{self.title} cannot end an enrolment.")

    async def launch_url(self, enrolment: str, user: User, course: str, return_url: str | None) -> str:
        """The address that opens the course at the partner, signed in where the partner has single sign-on."""
        raise PartnerCannotError(f"{self.title} has no launch link.")

    async def prepare(self, delivery: Delivery) -> None:  # noqa: B027  # most need nothing
        """Fetch what is needed to check this delivery, such as the sender's published keys. Called before ``receive``.

        Raises:
            PartnerError: it cannot be fetched; the sender should try again later.
        """

    def receive(self, delivery: Delivery) -> Received:
        """Check that a delivery is the partner's, and read it.

        Raises:
            BadDeliveryError: the signature is missing, wrong or too old, or the body is not what it should be.
        """
        raise PartnerCannotError(f"{self.title} sends nothing.")
