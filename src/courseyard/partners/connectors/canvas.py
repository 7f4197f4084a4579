"""Canvas, by its REST interface, and its Live Events, which say at once what REST tells later.

Which of Canvas's facts become what: ``canvas_records`` and ``canvas_progress``; how it is asked: ``canvas_api``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec
from joserfc.jwk import KeySet

from courseyard.errors import BadDeliveryError, PartnerError, PartnerRefusedError
from courseyard.limits import JWKS_LIFETIME, JWKS_MIN_INTERVAL
from courseyard.partners import canvas_progress, canvas_records, reading
from courseyard.partners.canvas_api import ROWS, CanvasApi, only_here
from courseyard.partners.client import Authorise, PartnerClient
from courseyard.partners.connector import (
    Capabilities,
    Check,
    Config,
    Connector,
    Consent,
    Cursor,
    Delivery,
    Option,
    Page,
    Person,
    Received,
    Scope,
    Stream,
)
from courseyard.partners.live_events import is_from, is_signed, key_id, read_keys, told, unsigned, verified
from courseyard.partners.oauth import bearer, granted
from courseyard.partners.records import Enrolment, Record, User
from courseyard.partners.refused import ROSTER, Refused

# Two calls a person, more for modules of more than a hundred items.
_PEOPLE_A_PAGE = 3
# Canvas notes an activity up to ten minutes late, and works out grades in the background.
_OVERLAP = timedelta(minutes=20)

_RIGHTS = (
    ("read_roster", "enrolments", "See the list of users"),
    ("view_all_grades", "progress and scores", "Grades: view all grades"),
    ("read_sis", "people's SIS ids", "SIS data: read"),
    ("manage_user_logins", "new accounts", "Users: manage login details"),
    ("add_student_to_course", "enrolling", "Users: add students to courses"),
    ("remove_student_from_course", "ending enrolments", "Users: remove students from courses"),
)

_CONSENT = Consent("login/oauth2/auth", "login/oauth2/token")


class Canvas(Connector):
    """An account of a Canvas, or all of it."""

    kind: ClassVar[str] = "canvas"
    title: ClassVar[str] = "Canvas"
    summary: ClassVar[str] = "Courses, enrolments, module progress and grades of a Canvas account, and its Live Events."
    options: ClassVar[tuple[Option, ...]] = (
        Option("base_url", "Address of Canvas", kind="url", help="Such as https://school.instructure.com."),
        Option(
            "token",
            "Access token",
            kind="secret",
            required=False,
            help="Of an administrator made for this: Account, Settings, New access token. Each token has a quota of "
            "its own, so use this one for nothing else. Not needed with a developer key, below.",
        ),
        Option(
            "client_id",
            "Developer key: client id",
            required=False,
            help="Where tokens are not given out: Admin, Developer Keys, an API key with this server's address for "
            "redirects, which stands in the guide to Canvas. Save, then connect on the partner's page.",
        ),
        Option("client_secret", "Developer key: secret", kind="secret", required=False),
        Option(
            "scopes",
            "Developer key: scopes",
            kind="lines",
            required=False,
            help="One a line, only where the key enforces scopes; the guide to Canvas lists what is needed.",
        ),
        Option(
            "account_id",
            "Account",
            required=False,
            default="self",
            help="The number of the account whose courses are wanted, as in the address of its page; sis_account_id:… "
            "works too. Without it, the whole Canvas.",
        ),
        Option(
            "events_secret",
            "Secret for Live Events",
            kind="secret",
            required=False,
            help="Any long word. Enter the address for Live Events in Canvas (Data Services, HTTPS, format Canvas) "
            "with ?key= and this word behind it. Needed where payloads are not signed.",
            ours=True,
        ),
        Option(
            "jwks_url",
            "Keys of signed Live Events",
            kind="url",
            required=False,
            default="https://8axpcl50e4.execute-api.us-east-1.amazonaws.com/main/jwks",
            help="Where the keys are published with which Canvas signs payloads; the page of the data stream in Canvas "
            "links to it.",
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        streams={Stream.CATALOGUE: "full", Stream.ENROLMENTS: "full", Stream.PROGRESS: "incremental"},
        enrol=True,
        withdraw=True,
        accounts=True,
        launch=True,
        receives=True,
    )
    consent: ClassVar[Consent | None] = _CONSENT
    extra_fields: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "course": ("sis_course_id", "term", "account", "start_at", "end_at", "workflow_state"),
        "enrolment": ("current_score", "final_score", "final_grade", "total_activity_time", "login_id", "state"),
        "module": ("module", "type", "requirement", "raw", "min", "max", "grade", "late", "excused", "attempt"),
    }

    # Published keys by the address that they are from, with the time of asking: the same for all providers.
    _published: ClassVar[dict[str, tuple[datetime, KeySet]]] = {}

    def __init__(self, config: Config, client: PartnerClient) -> None:
        """See ``Connector``."""
        super().__init__(config, client.authorised_by(_way_in(config)))
        self._api = CanvasApi(self.client)
        self._account = f"accounts/{reading.segment(config.text('account_id') or 'self')}"

    async def check(self) -> list[Check]:
        """See ``Connector``."""
        me = (await self._api.get("users/self")).object()
        found = [Check("ok", f"Signed in as {reading.text(me.get('name')) or 'a user without a name'}.")]
        try:
            account = (await self._api.get(self._account)).object()
            await self._api.get(f"{self._account}/courses", [("per_page", "1")])
        except PartnerError as error:
            only_here(error)
            return [
                *found,
                Check(
                    "failed",
                    f"This user does not see the account or its courses: {error.detail}",
                    "Make the user an administrator of the account, with the right to read its course list.",
                ),
            ]
        found.append(Check("ok", f"The courses of {reading.text(account.get('name')) or 'the account'} can be read."))
        try:
            names = [("permissions[]", right) for right, _, _ in _RIGHTS]
            rights = (await self._api.get(f"{self._account}/permissions", names)).object()
        except PartnerError as error:
            only_here(error)
            return [*found, Check("warning", "Canvas does not tell which rights this user has.", error.detail)]
        for right, purpose, name in _RIGHTS:
            if reading.flag(rights.get(right)) is not True:
                found.append(
                    Check("warning", f"No right to {purpose}.", f"Allow “{name}” for the user's role ({right}).")
                )
        return found

    async def fetch(self, stream: Stream, cursor: Cursor | None, scope: Scope) -> Page:
        """See ``Connector``."""
        match stream:
            case Stream.CATALOGUE:
                return await self._catalogue(cursor)
            case Stream.ENROLMENTS:
                return await self._enrolments(cursor, scope)
            case Stream.PROGRESS:
                return await self._progress(cursor, scope)
            case Stream.CREDENTIALS:
                return await super().fetch(stream, cursor, scope)

    async def _catalogue(self, cursor: Cursor | None) -> Page:
        query = [ROWS, *(("include[]", name) for name in ("term", "account", "concluded"))]
        answer = await self._api.get(f"{self._account}/courses", query, link=cursor["next"] if cursor else None)
        records, rejected = reading.understood(
            answer.array(), lambda row: [canvas_records.course_of(row, self.client.base_url)], "a course"
        )
        following = answer.next_link()
        return Page(
            records, next={"next": following} if following else None, rejected=rejected, complete=following is None
        )

    async def _enrolments(self, cursor: Cursor | None, scope: Scope) -> Page:
        course = cursor["course"] if cursor else scope.after(None)
        if course is None:
            return Page([], complete=True)
        whole = cursor["whole"] if cursor else True
        records: list[Enrolment] = []
        rejected: list[tuple[Any, str]] = []
        following = None
        try:
            answer = await self._api.roster(course, cursor["next"] if cursor else None, canvas_records.STATES)
            following = answer.next_link()
            records, rejected = reading.understood(
                answer.array(), lambda row: [canvas_records.enrolment_of(course, row)], "a person"
            )
        except PartnerError as error:
            only_here(error)
            # A course that is no more has no enrolments; one that may not be read has those that stand.
            if not error.extra.get("gone"):
                whole = False
                rejected.append(({"course": course}, error.detail))
        at = course if following else scope.after(course)
        place = {"course": at, "next": following, "whole": whole} if at else None
        return Page(records, next=place, rejected=rejected, complete=place is None and whole)

    async def _progress(self, cursor: Cursor | None, scope: Scope) -> Page:
        """Course by course: whose work was graded since, then the roster, then those of it whose activity moved or
        whose work was graded or who were refused in the last run, a few a page.
        """
        course = cursor["course"] if cursor else scope.after(None)
        if course is None:
            return Page([], watermark=scope.since)
        refused = Refused(scope.since)
        place: Cursor = {"refused": []} | (cursor or _start(course, refused))
        since = reading.moment(refused.since(course, place["step"]))
        records: list[Record] = []
        rejected: list[tuple[Any, str]] = []
        following: Cursor | None = None
        try:
            if place["todo"]:
                records, rejected = await self._ask(course, place["todo"][:_PEOPLE_A_PAGE])
                for person, _ in rejected:
                    place["refused"] = refused.with_person(place["refused"], course, person["user"])
                rest = place["todo"][_PEOPLE_A_PAGE:]
                following = place | {"todo": rest} if rest or place["next"] else None
            elif place["step"] == "graded" and since is not None:
                following = await self._graded(course, place, since)
            else:
                answer = await self._api.roster(course, place["next"], ("active", "completed"))
                anyway = {*place["graded"], *refused.people(course)}
                todo = [p for row in answer.array() if (p := canvas_progress.to_ask(row, since, anyway))]
                link = answer.next_link()
                place = place | {"step": ROSTER, "started": place["started"] or reading.iso(answer.told_at())}
                following = place | {"next": link, "todo": todo} if link or todo else None
        except PartnerError as error:
            only_here(error)
            if not error.extra.get("gone"):
                place["refused"] = refused.with_list(place["refused"], course, place["step"])
            if place["step"] == "graded":
                following = place | {"step": ROSTER, "next": None}
            elif not error.extra.get("gone"):
                rejected.append(({"course": course}, error.detail))
        if following is None:
            another = scope.after(course)
            if another is None:
                # Of a site that tells no time, everything is asked again.
                started = reading.moment(place["started"])
                mark = refused.mark(reading.iso(started - _OVERLAP) if started else None, place["refused"])
                return Page(records, watermark=mark, rejected=rejected)
            following = _start(another, refused) | {name: place[name] for name in ("started", "refused")}
        return Page(records, next=following, rejected=rejected)

    async def _graded(self, course: str, place: Cursor, since: datetime) -> Cursor:
        """The place that follows, with those whose work was graded."""
        answer = await self._api.graded(course, place["next"], since)
        people = {reading.text(reading.field(row, "user_id")) for row in answer.array()}
        link = answer.next_link()
        return place | {
            "step": "graded" if link else ROSTER,
            "next": link,
            "graded": sorted({*place["graded"], *(p for p in people if p)}),
            "started": place["started"] or reading.iso(answer.told_at()),
        }

    async def _ask(self, course: str, people: list[Any]) -> tuple[list[Record], list[tuple[Any, str]]]:
        """How far these people are, and who may not be asked about."""
        records: list[Record] = []
        rejected: list[tuple[Any, str]] = []
        for person in people:
            user = person["user"]["external_id"]
            try:
                items = await self._api.items(course, user)
                submissions = canvas_progress.by_item(await self._api.submissions(course, user))
            except PartnerError as error:
                only_here(error)
                rejected.append(({"course": course, "user": user}, error.detail))
            else:
                records += canvas_progress.progress_of(course, person, items, submissions)
        return records, rejected

    async def find_users(self, person: Person) -> list[User]:
        """See ``Connector``. By Canvas's id, then by our identifier as SIS id, then by e-mail or login."""
        direct = [person.external_id] if person.external_id else []
        for identifier in (*direct, f"sis_user_id:{person.sis_id}"):
            row = await self._api.get_if_there(f"users/{reading.segment(identifier)}")
            if row is not None:
                return [canvas_records.account_of(row)]
        # Canvas looks for three characters or more.
        if not person.email or len(person.email) < 3:
            return []
        query = [("search_term", person.email), ("include[]", "email"), ROWS]
        wanted = person.email.lower()
        return [
            canvas_records.account_of(row)
            for row in await self._api.whole(f"{self._account}/users", query)
            if wanted in {str(reading.field(row, name) or "").lower() for name in ("email", "login_id")}
        ]

    async def make_user(self, person: Person) -> User:
        """See ``Connector``. Canvas mails an invitation to set a password."""
        standing = await self.standing_user(person)
        if standing:
            return standing
        address = str(person.email)
        account = {
            "user": {"name": person.name or address, "terms_of_use": True},
            "pseudonym": {
                "unique_id": address,
                "sis_user_id": person.sis_id,
                "send_confirmation": True,
            },
            "communication_channel": {"type": "email", "address": address},
        }
        answer = await self._api.send("POST", f"{self._account}/users", account)
        return msgspec.structs.replace(canvas_records.account_of(answer.object()), email=address, sis_id=person.sis_id)

    async def enrol(self, user: User, course: str) -> Enrolment:
        """See ``Connector``."""
        standing = await self._api.standing(user.external_id, course)
        if not standing:
            standing = [await self._api.enrol(user.external_id, course)]
        enrolment = canvas_records.enrolment_of(course, {"id": user.external_id, "enrollments": standing}, user)
        return msgspec.structs.replace(enrolment, status=enrolment.status or "active")

    async def withdraw(self, enrolment: str, user: User, course: str) -> None:
        """See ``Connector``. The enrolments are made inactive, which keeps the person's work; Canvas's other end,
        concluding, is also how a course is finished, and could be taken for a completion.
        """
        for one in await self._api.standing(user.external_id, course):
            if identifier := reading.text(reading.field(one, "id")):
                await self._api.inactivate(identifier, course)

    async def launch_url(self, enrolment: str, user: User, course: str, return_url: str | None) -> str:
        """See ``Connector``. The course's page; who is not signed in to Canvas signs in first."""
        return canvas_records.course_url(self.client.base_url, course)

    async def prepare(self, delivery: Delivery) -> None:
        """See ``Connector``. Fetches the published keys, if the delivery is signed by one that is not known."""
        url = self.config.text("jwks_url")
        if not url or not is_signed(delivery.body):
            return
        asked, keys = self._published.get(url, (None, KeySet([])))
        wanted = key_id(delivery.body)
        known = any(key.kid == wanted for key in keys)
        if asked is None or delivery.received_at - asked > (JWKS_LIFETIME if known else JWKS_MIN_INTERVAL):
            answer = await self.client.request("GET", url, elsewhere=True)
            self._published[url] = (delivery.received_at, read_keys(answer.json()))

    def receive(self, delivery: Delivery) -> Received:
        """See ``Connector``. Live Events of the format "Canvas", as a signed JWT or with the secret in the address."""
        event = self._opened(delivery)
        metadata, body = (reading.field(event, name) for name in ("metadata", "body"))
        if not isinstance(metadata, dict) or not isinstance(body, dict):
            raise BadDeliveryError(
                "This is no Live Event of the format Canvas.", hint="Choose the format Canvas, not Caliper, in Canvas."
            )
        identifier = hashlib.sha256(json.dumps([metadata, body], sort_keys=True).encode()).hexdigest()
        try:
            return Received(identifier, list(told(metadata, body)))
        except ValueError as error:
            return Received(identifier, [], [(event, f"This event cannot be used: {error}.")])

    def _opened(self, delivery: Delivery) -> Any:
        secret = self.config.text("events_secret")
        given = delivery.query.get("key", "")
        knows = bool(secret) and hmac.compare_digest(secret.encode(), given.encode())
        if secret and not knows:
            raise BadDeliveryError(
                "The secret in the address is missing or wrong.",
                hint="Enter the address in Canvas with ?key= and the secret of the provider's settings.",
            )
        if is_signed(delivery.body):
            _, keys = self._published.get(self.config.text("jwks_url"), (None, KeySet([])))
            event = verified(delivery.body, keys, delivery.received_at)
            host = urlsplit(self.client.base_url).hostname or ""
            if not knows and not is_from(reading.field(event, "metadata"), host):
                raise BadDeliveryError(
                    "This event is signed, but not from this Canvas.",
                    hint="Where Canvas has an address of its own, set a secret in the provider's settings.",
                )
            return event
        if not knows:
            raise BadDeliveryError(
                "This delivery is not signed, and no secret is set.",
                hint="Choose “Sign payload” in Canvas, or set a secret in the provider's settings.",
            )
        return unsigned(delivery.body)


def _start(course: str, refused: Refused) -> Cursor:
    """At the start of a course: its roster where everybody is to be asked about, else whose work was graded."""
    step = ROSTER if refused.since(course) is None else "graded"
    return {"course": course, "step": step, "next": None, "graded": [], "todo": [], "started": None}


def _way_in(config: Config) -> Authorise:
    if refresh_token := config.text("refresh_token"):
        client = (config.text("client_id"), config.text("client_secret"))
        return granted(_CONSENT.token_path, *client, refresh_token)
    if token := config.text("token"):
        return bearer(token)

    async def none(_client: PartnerClient, _renew: bool) -> Mapping[str, str]:
        raise PartnerRefusedError(
            "There is no way into Canvas yet: neither an access token nor somebody's consent.",
            hint="Enter an access token in the settings; or a developer key, and connect on the partner's page.",
        )

    return none
