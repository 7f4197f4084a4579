"""A learning record store: its statements polled, or pushed to us as to a small one. xAPI 1.0.3 and 2.0.0."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from courseyard.errors import BadDeliveryError, PartnerAnswerError, PartnerError
from courseyard.partners import reading, signatures, statements
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
    Received,
    Scope,
    Stream,
)
from courseyard.partners.oauth import basic
from courseyard.partners.records import Course, Enrolment, Gone, ModuleProgress, Record

_PAGE = 500
# Stores say through when they are consistent, and some say so too early: those seconds are asked for again.
_OVERLAP = timedelta(seconds=60)
# Each statement that is taken back costs two requests.
_VOIDED_PER_PAGE = 3
_THROUGH = "X-Experience-API-Consistent-Through"
_EXPIRED = (400, 404, 410)


class Xapi(Connector):
    """Statements by the time at which they were stored, so that those made offline and sent late are not missed.

    The cursor holds the ``more`` link, the time through which the first answer was consistent (the next watermark), the
    last time seen (from where to go on should the link expire), and statements that were taken back and wait.
    """

    kind = "xapi"
    title = "xAPI learning record store"
    summary = "Statements of an LRS: cmi5 and common verbs become courses, enrolments, progress and badges."
    options: ClassVar = (
        Option("base_url", "xAPI endpoint", "url", help="The address before /statements, as the LRS shows it."),
        Option("username", "Key or user name", help="Of a client of the LRS that may read all statements."),
        Option("password", "Secret or password", "secret"),
        Option(
            "version", "xAPI version", "choice", choices={"1.0.3": "1.0.3", "2.0.0": "2.0.0 (IEEE 9274.1.1)"},
            default="1.0.3",
        ),
        Option(
            "activity",
            "Only about this activity",
            required=False,
            help="An activity's id (IRI): statements about it and about what belongs to it. Without, all are read.",
        ),
        Option(
            "receive_username",
            "User name for pushing",
            required=False,
            help="Where the LRS forwards statements to us: what it signs in with. Both are yours to choose.",
        ),
        Option("receive_password", "Password for pushing", "secret", required=False, ours=True),
    )  # fmt: skip
    capabilities = Capabilities({Stream.CATALOGUE: "incremental", Stream.PROGRESS: "incremental"}, receives=True)
    extra_fields: ClassVar = {"enrolment": ("raw", "min", "max"), "module": ("raw", "min", "max")}

    def __init__(self, config: Config, client: PartnerClient) -> None:
        """Sign in with what the provider's settings say."""
        super().__init__(config, client)
        client.authorised_by(basic(config.text("username"), config.text("password")))

    async def check(self) -> list[Check]:
        """Whether statements may be read, which versions the store speaks, and whether it says how complete it is."""
        answer = await self._get("/statements", {"limit": "1"})
        _result(answer)
        found = [Check("ok", "Statements can be read.")]
        if reading.moment(answer.headers.get(_THROUGH)) is None:
            hint = "Statements that it stores with delay may be missed until the nightly comparison."
            found.append(Check("warning", "The store does not say through when its answers are complete.", hint))
        try:
            about = (await self.client.get("/about", headers=self._headers())).object()
        except PartnerError:
            about = {}
        versions = [text for entry in reading.items(about.get("version")) if (text := reading.text(entry))]
        if versions and not any(version.startswith(self._version()[:2]) for version in versions):
            hint = f"It speaks {', '.join(versions[:10])}; choose one of them in the settings."
            found.append(Check("warning", f"The store does not name version {self._version()}.", hint))
        if self.config.text("receive_username") and self.config.text("receive_password"):
            found.append(Check("ok", "Statements may be pushed to this address.", self.config.inbound_url))
        return found

    async def fetch(self, stream: Stream, cursor: Cursor | None, scope: Scope) -> Page:
        """The courses that statements name, or all that they tell; up to 500 statements, or three that were voided."""
        at: dict[str, Any] = cursor or {
            "more": None,
            "through": None,
            "last": (scope.since or {}).get("since"),
            "voided": [],
        }
        if at["voided"]:
            return await self._voided(at, scope)
        answer = await self._statements(at)
        found, more = _result(answer)
        told = statements.translate(found, known=set(scope.courses))
        through = at["through"] or _moment_text(_through(answer))
        stored = reading.latest(
            reading.moment(at["last"]), *(reading.moment(reading.field(s, "stored")) for s in found)
        )
        following: Cursor = {"more": more, "through": through, "last": _moment_text(stored), "voided": []}
        if stream is Stream.CATALOGUE:
            records: list[Record] = [record for record in told.records if isinstance(record, Course)]
            return self._page(records, following, scope)
        records = [*told.records, *map(statements.taken_back, told.voided)]
        waiting = [[identifier, _moment_text(stored)] for identifier, stored in told.voided]
        return self._page(records, {**following, "voided": waiting}, scope, told.rejected)

    def receive(self, delivery: Delivery) -> Received:
        """Statements as a store is sent them: one or an array; the answer is their ids, in their order."""
        signatures.basic(delivery.headers, self.config.text("receive_username"), self.config.text("receive_password"))
        body = _decoded(delivery)
        listed = body if isinstance(body, list) else [body]
        asked = delivery.query.get("statementId")
        if asked is not None and len(listed) == 1 and isinstance(listed[0], dict):
            if reading.text(listed[0].get("id")) not in {None, asked}:
                raise BadDeliveryError("The statement's id is another than the address says.")
            listed = [{**listed[0], "id": asked}]
        records, rejected = statements.pushed(listed, delivery.received_at)
        ids = [statements.statement_id(statement) for statement in listed]
        return Received(
            delivery_id=hashlib.blake2b(" ".join(ids).encode(), digest_size=16).hexdigest(),
            records=records,
            rejected=rejected,
            answer=None if asked is not None else ids,
        )

    def _page(
        self, records: list[Record], following: Cursor, scope: Scope, rejected: list[tuple[Any, str]] | None = None
    ) -> Page:
        goes_on = following["more"] or following["voided"]
        return Page(
            records,
            next=following if goes_on else None,
            watermark=None if goes_on else {"since": _since(following, scope)},
            data_at=reading.moment(following["through"]),
            rejected=rejected or (),
        )

    async def _statements(self, at: Mapping[str, Any]) -> Answer:
        if at["more"]:
            answer = await self.client.get(self._same_host(at["more"]), headers=self._headers(), accept=_EXPIRED)
            if answer.status not in _EXPIRED:
                return answer
        params = {"ascending": "true", "limit": str(_PAGE)} | ({"since": at["last"]} if at["last"] else {})
        if self.config.text("activity"):
            params |= {"activity": self.config.text("activity"), "related_activities": "true"}
        return await self._get("/statements", params)

    async def _voided(self, at: Cursor, scope: Scope) -> Page:
        """Statements were taken back: what is left of their modules and enrolments is told anew."""
        records: list[Record] = []
        rejected: list[tuple[Any, str]] = []
        for identifier, stored in at["voided"][:_VOIDED_PER_PAGE]:
            answer = await self.client.get(
                "/statements", params={"voidedStatementId": identifier}, headers=self._headers(), accept=(400, 404)
            )
            try:
                voided = answer.object() if answer.status == 200 else None
                fact = statements.read(voided)
            except ValueError:
                reason = f"Statement {identifier} was taken back, and the store does not tell what it said."
                rejected.append(({"voided": identifier}, reason))
                continue
            if isinstance(fact, statements.Fact) and fact.verb != "earned":
                records += await self._left(voided, fact, reading.moment(stored), scope)
        return self._page(records, {**at, "voided": at["voided"][_VOIDED_PER_PAGE:]}, scope, rejected)

    async def _left(self, voided: Any, fact: statements.Fact, stored: datetime | None, scope: Scope) -> list[Record]:
        """What the statements that still stand tell of what a voided one was about."""
        answer = await self._get(
            "/statements",
            {
                "agent": json.dumps(reading.storable(voided.get("actor"))),
                "activity": reading.key(reading.field(fact.activity, "id")),
                "ascending": "true",
            },
        )
        told = statements.translate(_result(answer)[0], known=scope.courses, explicit=True)
        mine = [record for record in told.records if _same(record, fact)]
        if mine:
            return [msgspec.structs.replace(r, data_at=reading.latest(r.data_at, stored)) for r in mine]
        if fact.module is not None:
            return [Gone(kind="module", external_id=f"{fact.enrolment}:{fact.module}", data_at=stored)]
        course = reading.key(reading.field(fact.course, "id"))
        return [Enrolment(external_id=fact.enrolment, course=course, user=fact.user, progress=0, data_at=stored)]

    async def _get(self, path: str, params: Mapping[str, str]) -> Answer:
        return await self.client.get(path, params=dict(params), headers=self._headers())

    def _version(self) -> str:
        return self.config.text("version") or "1.0.3"

    def _headers(self) -> dict[str, str]:
        return {"X-Experience-API-Version": self._version()}

    def _same_host(self, more: str) -> str:
        """A ``more`` link counts from the host; where a store behind a proxy names another, its path and query do."""
        try:
            link, base = urlsplit(more), urlsplit(self.client.base_url)
            if not more.isprintable():
                raise ValueError("no address holds line breaks and the like")
        except ValueError as error:
            raise PartnerAnswerError("The store's link to more statements cannot be read.") from error
        return f"{base.scheme}://{base.netloc}/{link.path.lstrip('/')}" + (f"?{link.query}" if link.query else "")


def _same(record: Record, fact: statements.Fact) -> bool:
    if isinstance(record, ModuleProgress):
        return record.enrolment == fact.enrolment and record.module_id == fact.module
    return isinstance(record, Enrolment) and record.external_id == fact.enrolment and fact.module is None


def _result(answer: Answer) -> tuple[list[Any], str | None]:
    """The statements of an answer, and the link to more."""
    found = answer.object()
    if not isinstance(found.get("statements"), list):
        raise PartnerAnswerError(
            "The store answered without statements.", hint="Check that the address ends before /statements."
        )
    return found["statements"], reading.text(found.get("more"))


def _through(answer: Answer) -> datetime | None:
    """Through when the store's answer is complete; never later than its own clock, whatever it says."""
    told = reading.moment(answer.headers.get(_THROUGH))
    try:
        clock = parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return told
    return min(told, clock) if told else None


def _since(following: Cursor, scope: Scope) -> str | None:
    """From when on to ask the next time: what was complete at the first answer, a little overlapped; never earlier
    than this time, or runs that find nothing would go back further and further.
    """
    before = reading.moment((scope.since or {}).get("since"))
    through = reading.moment(following["through"] or following["last"])
    return _moment_text(reading.latest(before, through - _OVERLAP if through else None))


def _moment_text(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def _decoded(delivery: Delivery) -> Any:
    body = delivery.body
    if delivery.content_type.lower().startswith("multipart/mixed"):
        # With attachments, the statements are the first part.
        whole = message_from_bytes(b"Content-Type: " + delivery.content_type.encode() + b"\r\n\r\n" + body)
        parts = whole.get_payload() if whole.is_multipart() else []
        first = parts[0] if isinstance(parts, list) and parts else None
        content = first.get_payload(decode=True) if isinstance(first, Message) else None
        body = content if isinstance(content, bytes) else b""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadDeliveryError("These are no statements: the body is no JSON.") from error
