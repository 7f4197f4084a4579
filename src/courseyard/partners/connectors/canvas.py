"""Canvas, by its REST interface, and its Live Events, which say at once what REST tells later.

A person in a course is one enrolment here (``course:user``), though Canvas has one a section. Its modules are the
module items that have a completion requirement; of a course without any, the assignments.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec
from joserfc.jwk import KeySet

from courseyard.errors import (
    BadDeliveryError,
    PartnerAnswerError,
    PartnerError,
    PartnerRefusedError,
)
from courseyard.limits import JWKS_LIFETIME, JWKS_MIN_INTERVAL
from courseyard.partners import reading
from courseyard.partners.client import Answer, PartnerClient
from courseyard.partners.connector import (
    Capabilities,
    Check,
    Config,
    Connector,
    Cursor,
    Delivery,
    Option,
    Page,
    Person,
    Received,
    Scope,
    Stream,
)
from courseyard.partners.live_events import ENDED, is_from, is_signed, key_id, read_keys, told, unsigned, verified
from courseyard.partners.oauth import bearer
from courseyard.partners.records import Course, Enrolment, EnrolmentStatus, ModuleProgress, ModuleStatus, Record, User

_ROWS = 100
# Two calls a person, more for modules of more than a hundred items.
_PEOPLE_A_PAGE = 3
# Canvas notes an activity up to ten minutes late, and works out grades in the background.
_OVERLAP = timedelta(minutes=20)

_STATES = ("active", "invited", "completed", "inactive", "rejected")
_GRADED = {"graded", "complete"}

_RIGHTS = (
    ("read_roster", "enrolments", "See the list of users"),
    ("view_all_grades", "progress and scores", "Grades: view all grades"),
    ("read_sis", "people's SIS ids", "SIS data: read"),
    ("manage_user_logins", "new accounts", "Users: manage login details"),
    ("add_student_to_course", "enrolling", "Users: add students to courses"),
    ("remove_student_from_course", "ending enrolments", "Users: remove students from courses"),
)


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
            help="Of an administrator made for this: Account, Settings, New access token. Each token has a quota of "
            "its own, so use this one for nothing else.",
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
    extra_fields: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "course": ("sis_course_id", "term", "account", "start_at", "end_at", "workflow_state"),
        "enrolment": ("current_score", "final_score", "final_grade", "total_activity_time", "login_id", "state"),
        "module": ("module", "type", "requirement", "raw", "min", "max", "grade", "late", "excused", "attempt"),
    }

    # Published keys by the address that they are from, with the time of asking: the same for all providers.
    _published: ClassVar[dict[str, tuple[datetime, KeySet]]] = {}

    def __init__(self, config: Config, client: PartnerClient) -> None:
        """See ``Connector``."""
        super().__init__(config, client.authorised_by(bearer(config.text("token"))))
        self._account = reading.segment(config.text("account_id") or "self")

    async def check(self) -> list[Check]:
        """See ``Connector``."""
        me = (await self._get("users/self")).object()
        found = [Check("ok", f"Signed in as {reading.text(me.get('name')) or 'a user without a name'}.")]
        try:
            account = (await self._get(f"accounts/{self._account}")).object()
            await self._get(f"accounts/{self._account}/courses", [("per_page", "1")])
        except PartnerError as error:
            _only_here(error)
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
            rights = (await self._get(f"accounts/{self._account}/permissions", names)).object()
        except PartnerError as error:
            _only_here(error)
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
        query = [("per_page", str(_ROWS)), *(("include[]", name) for name in ("term", "account", "concluded"))]
        answer = await self._get(cursor["next"] if cursor else f"accounts/{self._account}/courses", query, cursor)
        records: list[Record] = []
        rejected: list[tuple[Any, str]] = []
        for found in answer.array():
            try:
                records.append(self._course(found))
            except (ValueError, AttributeError) as error:
                rejected.append((found, f"This is not a course: {error}."))
        following = answer.next_link()
        return Page(
            records, next={"next": following} if following else None, rejected=rejected, complete=following is None
        )

    def _course(self, found: Any) -> Course:
        identifier = reading.key(found.get("id"))
        state = reading.text(found.get("workflow_state"))
        account = reading.text(reading.field(found.get("account"), "name"))
        return Course(
            external_id=identifier,
            title=reading.text(found.get("name")) or reading.text(found.get("course_code")) or identifier,
            code=reading.text(found.get("course_code")),
            description=reading.without_tags(found.get("public_description")),
            category=account,
            url=self._course_url(identifier),
            active=state in ("available", None) and reading.flag(found.get("concluded")) is not True,
            extra=reading.plain(
                sis_course_id=found.get("sis_course_id"),
                term=reading.field(found.get("term"), "name"),
                account=account,
                start_at=found.get("start_at"),
                end_at=found.get("end_at"),
                workflow_state=state,
            ),
        )

    async def _enrolments(self, cursor: Cursor | None, scope: Scope) -> Page:
        course = cursor["course"] if cursor else scope.after(None)
        if course is None:
            return Page([], complete=True)
        whole = cursor["whole"] if cursor else True
        records: list[Record] = []
        rejected: list[tuple[Any, str]] = []
        following = None
        try:
            answer = await self._roster(course, cursor["next"] if cursor else None, _STATES)
            following = answer.next_link()
            for row in answer.array():
                try:
                    records.append(_listed(course, row))
                except ValueError as error:
                    rejected.append((row, f"This is not a person: {error}."))
        except PartnerError as error:
            _only_here(error)
            # A course that is no more has no enrolments; one that may not be read has those that stand.
            if not error.extra.get("gone"):
                whole = False
                rejected.append(({"course": course}, error.detail))
        at = course if following else scope.after(course)
        place = {"course": at, "next": following, "whole": whole} if at else None
        return Page(records, next=place, rejected=rejected, complete=place is None and whole)

    async def _progress(self, cursor: Cursor | None, scope: Scope) -> Page:
        """Course by course: whose work was graded since, then the roster, then those of it whose activity moved or
        whose work was graded, a few a page.
        """
        course = cursor["course"] if cursor else scope.after(None)
        if course is None:
            return Page([], watermark=scope.since)
        place = cursor or _start(course, scope, None)
        since = reading.moment(reading.field(scope.since, "since"))
        records: list[Record] = []
        rejected: list[tuple[Any, str]] = []
        following: Cursor | None = None
        try:
            if place["todo"]:
                rest = place["todo"][_PEOPLE_A_PAGE:]
                for person in place["todo"][:_PEOPLE_A_PAGE]:
                    try:
                        records += await self._person(course, person)
                    except PartnerError as error:
                        _only_here(error)
                        rejected.append(({"course": course, "user": person["user"]["external_id"]}, error.detail))
                following = place | {"todo": rest} if rest or place["next"] else None
            elif place["step"] == "graded" and since is not None:
                answer = await self._graded(course, place["next"], since)
                people = {reading.text(reading.field(row, "user_id")) for row in answer.array()}
                following = place | {
                    "step": "graded" if answer.next_link() else "roster",
                    "next": answer.next_link(),
                    "graded": sorted({*place["graded"], *(p for p in people if p)}),
                    "started": place["started"] or _iso(answer.told_at()),
                }
            else:
                answer = await self._roster(course, place["next"], ("active", "completed"))
                todo = [p for row in answer.array() if (p := _to_ask(row, since, place["graded"]))]
                link = answer.next_link()
                place = place | {"step": "roster", "started": place["started"] or _iso(answer.told_at())}
                following = place | {"next": link, "todo": todo} if link or todo else None
        except PartnerError as error:
            _only_here(error)
            if place["step"] == "graded":
                following = place | {"step": "roster", "next": None}
            elif not error.extra.get("gone"):
                rejected.append(({"course": course}, error.detail))
        if following is None:
            another = scope.after(course)
            if another is None:
                # Of a site that tells no time, everything is asked again.
                started = reading.moment(place["started"])
                mark = {"since": (started - _OVERLAP).isoformat()} if started else scope.since
                return Page(records, watermark=mark, rejected=rejected)
            following = _start(another, scope, place["started"])
        return Page(records, next=following, rejected=rejected)

    async def _person(self, course: str, person: dict[str, Any]) -> list[Record]:
        user = msgspec.convert(person["user"], User)
        accessed = reading.moment(person["activity"])
        enrolment = f"{course}:{user.external_id}"
        items = await self._items(course, user.external_id)
        submissions = await self._submissions(course, user.external_id)
        required = [pair for pair in items if isinstance(reading.field(pair[1], "completion_requirement"), dict)]
        modules = _required(enrolment, required, submissions, accessed)
        if not modules:
            modules = [_of_submission(enrolment, s, accessed) for s in _each_once(submissions)]

        done = bool(required) and all(m.status in ("completed", "passed") for m in modules)
        ended = person["state"] == "completed"
        status: EnrolmentStatus = "completed" if done or (ended and not required) else "active"
        if ended and not done and required:
            # Concluded with something left to do.
            status = "withdrawn"
        latest = reading.latest(*(m.completed_at for m in modules))
        share = 100 * sum(m.status in ("completed", "passed") for m in modules) / len(modules) if modules else None
        return [
            Enrolment(
                external_id=enrolment,
                course=course,
                user=user,
                status=status,
                progress=100.0 if status == "completed" else None if share is None else round(share, 2),
                enrolled_at=reading.moment(person["created"]),
                completed_at=(latest or reading.moment(person["updated"])) if status == "completed" else None,
                data_at=reading.latest(accessed, reading.moment(person["updated"]), *(m.data_at for m in modules)),
                extra=person["extra"],
            ),
            *modules,
        ]

    async def _items(self, course: str, user: str) -> list[tuple[Any, Any]]:
        """Module and item, of all items of the course's modules as this person sees them."""
        query = [("per_page", str(_ROWS)), ("include[]", "items"), ("student_id", user)]
        found: list[tuple[Any, Any]] = []
        for module in await self._all(f"courses/{reading.segment(course)}/modules", query):
            items = reading.field(module, "items")
            if items is None and (identifier := reading.text(reading.field(module, "id"))):
                # Canvas leaves the items of large modules out.
                path = f"courses/{reading.segment(course)}/modules/{reading.segment(identifier)}/items"
                items = await self._all(path, [("per_page", str(_ROWS)), ("student_id", user)])
            found += [(module, item) for item in reading.items(items)]
        return found

    async def _submissions(self, course: str, user: str) -> dict[tuple[str, str], Any]:
        """What this person handed in or was graded for, by the kind and id of the module item that it belongs to."""
        query = [("per_page", str(_ROWS)), ("student_ids[]", user), ("include[]", "assignment")]
        found: dict[tuple[str, str], Any] = {}
        try:
            rows = await self._all(f"courses/{reading.segment(course)}/students/submissions", query)
        except PartnerError as error:
            # Without the right to see grades there is progress without scores.
            _only_here(error)
            return found
        for row in rows:
            assignment = reading.field(row, "assignment")
            for kind, identifier in (
                ("Assignment", reading.field(row, "assignment_id")),
                ("Quiz", reading.field(assignment, "quiz_id")),
                ("Discussion", reading.field(reading.field(assignment, "discussion_topic"), "id")),
            ):
                if identity := reading.text(identifier):
                    found[kind, identity] = row
        return found

    async def _graded(self, course: str, link: str | None, since: datetime) -> Answer:
        query = [
            ("per_page", str(_ROWS)),
            ("student_ids[]", "all"),
            ("workflow_state", "graded"),
            ("graded_since", since.strftime("%Y-%m-%dT%H:%M:%SZ")),
        ]
        return await self._get(link or f"courses/{reading.segment(course)}/students/submissions", query, link)

    async def _roster(self, course: str, link: str | None, states: Sequence[str]) -> Answer:
        query = [
            ("per_page", str(_ROWS)),
            ("enrollment_type[]", "student"),
            *(("enrollment_state[]", state) for state in states),
            ("include[]", "enrollments"),
            ("include[]", "email"),
        ]
        return await self._get(link or f"courses/{reading.segment(course)}/users", query, link)

    async def find_users(self, person: Person) -> list[User]:
        """See ``Connector``. By Canvas's id, then by our identifier as SIS id, then by e-mail or login."""
        direct = [person.external_id] if person.external_id else []
        for identifier in (*direct, f"sis_user_id:{person.sis_id}"):
            answer = await self._get(f"users/{reading.segment(identifier)}", missing=True)
            if answer.status == 200:
                return [_account(answer.object())]
        # Canvas looks for three characters or more.
        if not person.email or len(person.email) < 3:
            return []
        query = [("search_term", person.email), ("include[]", "email"), ("per_page", str(_ROWS))]
        wanted = person.email.lower()
        return [
            _account(row)
            for row in await self._all(f"accounts/{self._account}/users", query)
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
        answer = await self._send("POST", f"accounts/{self._account}/users", account)
        return msgspec.structs.replace(_account(answer.object()), email=address, sis_id=person.sis_id)

    async def enrol(self, user: User, course: str) -> Enrolment:
        """See ``Connector``."""
        standing = await self._standing(user, course, ("active", "invited"))
        if standing:
            return _active(_listed(course, {"id": user.external_id, "enrollments": standing}, user))
        wanted = {"user_id": user.external_id, "type": "StudentEnrollment", "enrollment_state": "active"}
        path = f"courses/{reading.segment(course)}/enrollments"
        made = (await self._send("POST", path, {"enrollment": wanted | {"notify": False}})).object()
        return _active(_listed(course, {"id": user.external_id, "enrollments": [made]}, user))

    async def withdraw(self, enrolment: str, user: User, course: str) -> None:
        """See ``Connector``. The enrolments are made inactive, which keeps the person's work; Canvas's other end,
        concluding, is also how a course is finished, and could be taken for a completion.
        """
        for one in await self._standing(user, course, ("active", "invited")):
            if identifier := reading.text(reading.field(one, "id")):
                path = f"courses/{reading.segment(course)}/enrollments/{reading.segment(identifier)}?task=inactivate"
                await self._send("DELETE", path)

    async def launch_url(self, enrolment: str, user: User, course: str, return_url: str | None) -> str:
        """See ``Connector``. The course's page; who is not signed in to Canvas signs in first."""
        return self._course_url(course)

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

    def _course_url(self, course: str) -> str:
        return f"{self.client.base_url}/courses/{reading.segment(course)}"

    async def _standing(self, user: User, course: str, states: Sequence[str]) -> list[Any]:
        query = [("user_id", user.external_id), ("type[]", "StudentEnrollment"), ("per_page", str(_ROWS))]
        query += [("state[]", state) for state in states]
        return await self._all(f"courses/{reading.segment(course)}/enrollments", query)

    async def _all(self, path: str, query: list[tuple[str, str]]) -> list[Any]:
        """All pages of a list that is short."""
        found: list[Any] = []
        link: str | None = None
        for _ in range(100):
            answer = await self._get(link or path, query, link)
            found += answer.array()
            link = answer.next_link()
            if link is None:
                return found
        raise PartnerAnswerError("Canvas's pages do not end.")

    async def _get(
        self, path: str, query: list[tuple[str, str]] | None = None, link: Any = None, *, missing: bool = False
    ) -> Answer:
        """``link``: the path is the next page's address, which holds the query. ``missing``: nothing there, or nothing
        that this user may see, is an answer.
        """
        answer = await self.client.get(
            path if link else f"api/v1/{path}", params=None if link else query, accept=(400, 401, 403, 404)
        )
        if missing and answer.status in (401, 403, 404) and "www-authenticate" not in answer.headers:
            return answer
        return _accepted(answer)

    async def _send(self, method: str, path: str, content: Any = None) -> Answer:
        return _accepted(
            await self.client.request(method, f"api/v1/{path}", json=content, accept=(400, 401, 403, 404, 422))
        )


def _accepted(answer: Answer) -> Answer:
    """The answer, unless Canvas refused; then its own words.

    Raises:
        PartnerRefusedError, PartnerAnswerError: with ``here`` in ``extra`` where only this call is meant.
    """
    if answer.status < 400:
        return answer
    try:
        said = "; ".join(_messages(answer.json(), 0))[:300]
    except PartnerAnswerError:
        said = ""
    said = said or f"HTTP {answer.status}"
    if answer.status == 401 and "www-authenticate" in answer.headers:
        raise PartnerRefusedError(f"Canvas does not accept the token: {said}.", hint="Make a new token and enter it.")
    if answer.status in (401, 403):
        raise PartnerRefusedError(
            f"Canvas does not allow this: {said}.",
            hint="Give the token's user the rights that 'Test connection' lists.",
            here=True,
        )
    raise PartnerAnswerError(
        f"Canvas says: {said}.",
        hint="Check the account and the course in Canvas.",
        here=True,
        gone=answer.status == 404,
    )


def _messages(found: Any, depth: int) -> Iterator[str]:
    """The messages in Canvas's errors, which it nests in many ways."""
    if depth > 6:
        return
    if isinstance(found, dict):
        if (message := reading.text(found.get("message"))) is not None:
            yield message
            return
        for value in found.values():
            if isinstance(value, dict | list):
                yield from _messages(value, depth + 1)
    elif isinstance(found, list):
        for value in found:
            yield from _messages(value, depth + 1)


def _only_here(error: PartnerError) -> None:
    """Let pass what Canvas refuses for one course or person; raise what holds for every call."""
    if not error.extra.get("here"):
        raise error


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _start(course: str, scope: Scope, started: str | None) -> Cursor:
    step = "roster" if scope.since is None else "graded"
    return {"course": course, "step": step, "next": None, "graded": [], "todo": [], "started": started}


def _user(row: Any) -> User:
    login = reading.text(reading.field(row, "login_id"))
    return User(
        external_id=reading.key(reading.field(row, "id")),
        email=reading.text(reading.field(row, "email")) or (login if login and "@" in login else None),
        name=reading.text(reading.field(row, "name")),
        sis_id=reading.text(reading.field(row, "sis_user_id")),
    )


def _account(row: Any) -> User:
    try:
        return _user(row)
    except ValueError as error:
        raise PartnerAnswerError("Canvas told an account without its id.") from error


def _best(row: Any) -> Any:
    """Of a person's enrolments in the sections of a course the one that counts: the one that is most alive."""
    order = {state: place for place, state in enumerate(_STATES)}
    ones = [e for e in reading.items(reading.field(row, "enrollments")) if isinstance(e, dict)]
    return min(ones, key=lambda e: order.get(str(e.get("enrollment_state")), len(order)), default=None)


def _extra(row: Any, one: Any) -> dict[str, Any]:
    grades = reading.field(one, "grades")
    return reading.plain(
        state=reading.field(one, "enrollment_state"),
        login_id=reading.field(row, "login_id"),
        current_score=reading.field(grades, "current_score"),
        final_score=reading.field(grades, "final_score"),
        final_grade=reading.field(grades, "final_grade"),
        total_activity_time=reading.field(one, "total_activity_time"),
    )


def _listed(course: str, row: Any, user: User | None = None) -> Enrolment:
    """What the roster tells. How far somebody came is the business of progress, which knows more of the same moment:
    what is told here is older.
    """
    user = user or _user(row)
    one = _best(row)
    state = reading.text(reading.field(one, "enrollment_state"))
    updated = reading.moment(reading.field(one, "updated_at"))
    latest = reading.latest(updated, reading.moment(reading.field(one, "last_activity_at")))
    status: EnrolmentStatus | None = "withdrawn" if state in ENDED else "pending" if state == "invited" else None
    return Enrolment(
        external_id=f"{course}:{user.external_id}",
        course=course,
        user=user,
        status=status,
        enrolled_at=reading.moment(reading.field(one, "created_at")),
        data_at=updated if status else latest and latest - timedelta(seconds=1),
        extra=_extra(row, one),
    )


def _active(enrolment: Enrolment) -> Enrolment:
    return msgspec.structs.replace(enrolment, status=enrolment.status or "active")


def _to_ask(row: Any, since: datetime | None, graded: list[str]) -> dict[str, Any] | None:
    """What must be known of a person who is to be asked about; None where nothing moved since."""
    if reading.text(reading.field(row, "id")) is None:
        return None
    one = _best(row)
    user = _user(row)
    updated, activity = (reading.moment(reading.field(one, name)) for name in ("updated_at", "last_activity_at"))
    moved = reading.latest(updated, activity)
    if since is not None and moved is not None and moved < since and user.external_id not in graded:
        return None
    return {
        "user": msgspec.to_builtins(user),
        "state": reading.text(reading.field(one, "enrollment_state")),
        "activity": _iso(activity),
        "updated": _iso(updated),
        "created": reading.text(reading.field(one, "created_at")),
        "extra": _extra(row, one),
    }


def _required(
    enrolment: str, pairs: list[tuple[Any, Any]], submissions: dict[tuple[str, str], Any], accessed: datetime | None
) -> list[ModuleProgress]:
    """The items with a requirement; of a module of which one item is enough, the module."""
    found: dict[str, ModuleProgress] = {}
    for module, item in pairs:
        one = _of_item(enrolment, module, item, submissions, accessed)
        if reading.field(module, "requirement_type") == "one":
            one = _of_module(one, module)
            known = found.get(one.module_id)
            one = known if known and known.status != "not_started" else one
        found[one.module_id] = one
    return list(found.values())


def _of_module(item: ModuleProgress, module: Any) -> ModuleProgress:
    """A module of which one item is enough, with what is known of the item that was chosen."""
    completed = reading.text(reading.field(module, "state")) == "completed"
    return msgspec.structs.replace(
        item,
        module_id=f"module:{reading.text(reading.field(module, 'id')) or '?'}",
        module_name=reading.text(reading.field(module, "name")) or item.module_name,
        status="completed" if completed else "in_progress" if item.status != "not_started" else "not_started",
        progress=100.0 if completed else 0.0,
        completed_at=reading.moment(reading.field(module, "completed_at")) if completed else None,
    )


def _of_item(
    enrolment: str, module: Any, item: Any, submissions: dict[tuple[str, str], Any], accessed: datetime | None
) -> ModuleProgress:
    requirement = item["completion_requirement"]
    kind = reading.text(item.get("type")) or ""
    submission = submissions.get((kind, reading.text(item.get("content_id")) or ""))
    required = reading.text(requirement.get("type"))
    finished = reading.moment(reading.field(module, "completed_at"))
    score, handed_in = _score(submission), reading.moment(reading.field(submission, "submitted_at"))
    status: ModuleStatus = "not_started"
    if reading.flag(requirement.get("completed")) is True:
        status = "passed" if required in ("min_score", "min_percentage") else "completed"
    elif required in ("min_score", "min_percentage") and _is_graded(submission) and score is not None:
        status = "failed"
    elif handed_in or _is_graded(submission):
        status = "in_progress"
    done = status in ("completed", "passed")
    graded = reading.moment(reading.field(submission, "graded_at"))
    return ModuleProgress(
        enrolment=enrolment,
        module_id=_module_id(item, submission),
        module_name=reading.text(item.get("title")) or kind or "Item",
        status=status,
        progress=100.0 if done else 0.0,
        score=score,
        completed_at=(graded if status == "passed" else handed_in) or finished if done else None,
        data_at=reading.latest(accessed, finished, handed_in, graded),
        extra=_points(submission)
        | reading.plain(
            module=reading.field(module, "name"),
            type=kind,
            requirement=required,
            min_score=requirement.get("min_score"),
        ),
    )


def _of_submission(enrolment: str, submission: Any, accessed: datetime | None) -> ModuleProgress:
    assignment = reading.field(submission, "assignment")
    handed_in, graded = (reading.moment(reading.field(submission, n)) for n in ("submitted_at", "graded_at"))
    done = _is_graded(submission)
    return ModuleProgress(
        enrolment=enrolment,
        module_id=_module_id(None, submission),
        module_name=reading.text(reading.field(assignment, "name")),
        status="completed" if done else "in_progress" if handed_in else "not_started",
        progress=100.0 if done else 0.0,
        score=_score(submission),
        completed_at=(handed_in or graded) if done else None,
        data_at=reading.latest(accessed, handed_in, graded),
        extra=_points(submission) | {"type": "Assignment"},
    )


def _module_id(item: Any, submission: Any) -> str:
    """Work that is graded goes by its assignment, which events name too; all else by its place in the module."""
    assignment = reading.text(reading.field(submission, "assignment_id"))
    if assignment is None and reading.field(item, "type") == "Assignment":
        assignment = reading.text(reading.field(item, "content_id"))
    return f"assignment:{assignment}" if assignment else f"item:{reading.text(reading.field(item, 'id')) or '?'}"


def _each_once(submissions: dict[tuple[str, str], Any]) -> list[Any]:
    """The submissions to assignments that students see and that count."""
    return [
        row
        for (kind, _), row in submissions.items()
        if kind == "Assignment"
        and reading.flag(reading.field(reading.field(row, "assignment"), "published")) is not False
        and reading.field(reading.field(row, "assignment"), "grading_type") != "not_graded"
    ]


def _is_graded(submission: Any) -> bool:
    if reading.flag(reading.field(submission, "excused")) is True:
        return True
    return reading.text(reading.field(submission, "workflow_state")) in _GRADED


def _score(submission: Any) -> float | None:
    possible = reading.field(reading.field(submission, "assignment"), "points_possible")
    found = reading.share(reading.field(submission, "score"), 0, possible)
    return None if found is None else round(found, 2)


def _points(submission: Any) -> dict[str, Any]:
    raw = reading.number(reading.field(submission, "score"))
    possible = reading.number(reading.field(reading.field(submission, "assignment"), "points_possible"))
    told = {name: reading.field(submission, name) for name in ("grade", "late", "excused", "attempt")}
    return reading.plain(raw=raw, min=None if raw is None else 0, max=possible, **told)
