"""SCORM Cloud, or a server that speaks its API v2: courses, registrations with the progress in each activity, launch.

A registration is a person in a course, by an identifier that its maker chose. Learners have no list of their own: they
are what registrations say of them. SCORM Cloud may also push each registration as it changes (postback).
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import parse_qs, urljoin
from uuid import UUID, uuid5

from courseyard.errors import BadDeliveryError, PartnerAnswerError, PartnerCannotError, PartnerRefusedError
from courseyard.partners import reading, scormcloud_records
from courseyard.partners.client import PartnerClient
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
from courseyard.partners.oauth import basic
from courseyard.partners.records import Enrolment, Record, User

# What was being written when the list was asked for may carry an earlier time than the answer.
_OVERLAP = timedelta(minutes=5)
_POSTBACK_HINT = (
    "In SCORM Cloud, under the application's postback settings, enter the user name and password of the provider's "
    "settings, and JSON instead of the old XML."
)


class ScormCloud(Connector):
    """An application in SCORM Cloud."""

    kind: ClassVar[str] = "scormcloud"
    title: ClassVar[str] = "SCORM Cloud"
    summary: ClassVar[str] = (
        "Courses, registrations, progress and scores of each activity, launch links; by SCORM Cloud's API v2."
    )
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "base_url",
            "Address of the API",
            kind="url",
            default="https://cloud.scorm.com/api/v2",
            help="SCORM Cloud's own, unless another server speaks the same API.",
        ),
        Option("app_id", "App ID", help="In SCORM Cloud: Apps / API, the application that holds the courses."),
        Option(
            "secret",
            "Secret key",
            kind="secret",
            help="In SCORM Cloud: Apps / API, the application, Secret Keys. The key can do everything in this "
            "application; make one for Courseyard alone.",
        ),
        Option(
            "postback_user",
            "Postback user name",
            required=False,
            default="courseyard",
            help="What SCORM Cloud signs in with here when it pushes a registration that changed.",
        ),
        Option(
            "postback_password",
            "Postback password",
            kind="secret",
            required=False,
            help="A long random text. Without it nothing that is pushed is accepted, and progress comes with the "
            "schedule only.",
            ours=True,
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
    extra_fields: ClassVar[dict[str, tuple[str, ...]]] = {
        "course": ("version", "courseLearningStandard", "tags", "registrationCount"),
        "enrolment": (
            "score",
            "registrationCompletion",
            "registrationSuccess",
            "totalSecondsTracked",
            "instance",
            "lastAccessDate",
            "tags",
        ),
        "module": ("attempts", "activityCompletion", "activitySuccess", "raw", "min", "max"),
    }

    def __init__(self, config: Config, client: PartnerClient) -> None:
        """See ``Connector``."""
        super().__init__(config, client.authorised_by(basic(config.text("app_id"), config.text("secret"))))

    async def check(self) -> list[Check]:
        """See ``Connector``."""
        said = reading.text(reading.field((await self.client.get("ping")).json(), "apiMessage"))
        found = [Check("ok", "Connected to SCORM Cloud.", said or "")]
        for path, what in (("courses", "Courses"), ("registrations", "Registrations")):
            try:
                _listed((await self.client.get(path)).json(), path)
            except PartnerRefusedError:
                found.append(
                    Check("failed", f"{what} may not be read.", "Use a secret key of the application that holds them.")
                )
            else:
                found.append(Check("ok", f"{what} can be read."))
        if self.config.text("postback_password"):
            found.append(
                Check(
                    "ok",
                    "Registrations that are made from here are pushed back as they change.",
                    f"To have the others pushed too, enter {self.config.inbound_url} as the application's postback "
                    "URL, with results format activity.",
                )
            )
        else:
            found.append(
                Check("warning", "Nothing can be pushed here: no postback password is set up.", "Progress is polled.")
            )
        return found

    async def fetch(self, stream: Stream, cursor: Cursor | None, scope: Scope) -> Page:
        """See ``Connector``."""
        more = {"more": cursor["more"]} if cursor else {}
        match stream:
            case Stream.CATALOGUE:
                return await self._catalogue(more, cursor)
            case Stream.ENROLMENTS:
                return await self._registrations(more, cursor)
            case Stream.PROGRESS:
                return await self._progress(more, cursor, scope)
            case _:
                return await super().fetch(stream, cursor, scope)

    async def _catalogue(self, more: dict[str, str], cursor: Cursor | None) -> Page:
        answer = (
            await self.client.get(
                "courses", params={"includeCourseMetadata": "true", "includeRegistrationCount": "true", **more}
            )
        ).json()
        records, rejected = reading.understood(
            _listed(answer, "courses"), lambda row: [scormcloud_records.course_of(row)], "a course"
        )
        return _piece(answer, cursor, records, rejected)

    async def _registrations(self, more: dict[str, str], cursor: Cursor | None) -> Page:
        answer = (await self.client.get("registrations", params=more)).json()
        records, rejected = scormcloud_records.read(_listed(answer, "registrations"))
        return _piece(answer, cursor, records, rejected)

    async def _progress(self, more: dict[str, str], cursor: Cursor | None, scope: Scope) -> Page:
        since = {"since": scope.since["since"]} if scope.since else {}
        answer = await self.client.get("registrations", params={"includeChildResults": "true", **since, **more})
        found = answer.json()
        records, rejected = scormcloud_records.read(_listed(found, "registrations"), whole=True)
        started = cursor["started"] if cursor else None
        if started is None and (now := answer.told_at()):
            started = (now - _OVERLAP).strftime("%Y-%m-%dT%H:%M:%SZ")
        token = reading.text(reading.field(found, "more"))
        return Page(
            records,
            next={"more": token, "started": started} if token else None,
            # Of a server that tells no time, everything is asked again.
            watermark=None if token else {"since": started} if started else scope.since,
            rejected=rejected,
        )

    async def find_users(self, person: Person) -> list[User]:
        """See ``Connector``. SCORM Cloud has no search for people: by the learner's id, as registrations know it."""
        for learner in dict.fromkeys(filter(None, (person.external_id, person.sis_id, person.profile_id))):
            standing = await self._of_learner(learner)
            if standing:
                return [standing[0].user]
        return []

    async def make_user(self, person: Person) -> User:
        """See ``Connector``. Nothing is made there: a learner comes to be with the first registration."""
        return User(external_id=person.external_id or person.sis_id, email=person.email, name=person.name)

    async def enrol(self, user: User, course: str) -> Enrolment:
        """See ``Connector``. A registration that stands, whoever made it, is taken."""
        standing = await self._of_learner(user.external_id, course)
        if standing:
            return standing[0]
        # The same each time, so that two tries make one registration.
        identifier = str(uuid5(UUID(self.config.provider_id), json.dumps([course, user.external_id])))
        first, _, last = (user.name or user.email or user.external_id).strip().rpartition(" ")
        learner = {"id": user.external_id, "firstName": first, "lastName": last, "email": user.email}
        wanted = {
            "registrationId": identifier,
            "courseId": course,
            "learner": {name: value for name, value in learner.items() if value},
        }
        answer = await self.client.request(
            "POST", "registrations", json=wanted | self._postback(), again=True, accept=(400, 404, 409)
        )
        if answer.status == 404:
            raise PartnerCannotError("SCORM Cloud has no such course.", hint="Import the catalogue again.")
        made = await self._registration(identifier)
        if made is None:
            said = _message(answer.json()) if answer.status >= 400 else "it does not know the registration it made"
            raise PartnerAnswerError(f"SCORM Cloud did not make the registration: {said}.")
        return made

    async def withdraw(self, enrolment: str, user: User, course: str) -> None:
        """See ``Connector``. The registration is deleted, and with it the progress in SCORM Cloud."""
        await self.client.request("DELETE", f"registrations/{reading.segment(enrolment)}", accept=(404,))

    async def launch_url(self, enrolment: str, user: User, course: str, return_url: str | None) -> str:
        """See ``Connector``. The link is for this person and runs out within two minutes."""
        answer = await self.client.request(
            "POST",
            f"registrations/{reading.segment(enrolment)}/launchLink",
            json={"redirectOnExitUrl": return_url or "closer", "expiry": 120},
            again=True,
            accept=(404,),
        )
        if answer.status == 404:
            raise PartnerCannotError("SCORM Cloud does not know this registration any more.", hint="Enrol again.")
        link = reading.text(reading.field(answer.json(), "launchLink"))
        url = reading.url(urljoin(self.client.base_url, link)) if link else None
        if url is None:
            raise PartnerAnswerError("SCORM Cloud answered without a launch link.")
        return url

    def receive(self, delivery: Delivery) -> Received:
        """See ``Connector``. A registration, as JSON with HTTP Basic or as a form with user name and password."""
        content, user, password = _unpacked(delivery)
        expected = self.config.text("postback_password")
        if not expected:
            raise BadDeliveryError("This provider accepts no postbacks.", hint="Set a postback password for it.")
        given = f"{user}\0{password}".encode()
        wanted = f"{self.config.text('postback_user') or 'courseyard'}\0{expected}".encode()
        if not hmac.compare_digest(given, wanted):
            raise BadDeliveryError("User name or password of the postback are wrong.", hint=_POSTBACK_HINT)
        try:
            found = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise BadDeliveryError("The postback holds no JSON.", hint=_POSTBACK_HINT) from error
        records, rejected = scormcloud_records.read([found])
        return Received(None, records, rejected)

    def _postback(self) -> dict[str, Any]:
        """Have a registration pushed to us, where that can be told from a stranger's."""
        password = self.config.text("postback_password")
        if not password or not self.config.inbound_url:
            return {}
        return {
            "postBack": {
                "url": self.config.inbound_url,
                "authType": "HTTPBASIC",
                "userName": self.config.text("postback_user") or "courseyard",
                "password": password,
                "resultsFormat": "ACTIVITY",
            }
        }

    async def _of_learner(self, learner: str, course: str | None = None) -> list[Enrolment]:
        """Registrations of a learner, the one that changed last first."""
        params = {"learnerId": learner} | ({"courseId": course} if course else {})
        answer = await self.client.get("registrations", params=params, accept=(404,))
        if answer.status == 404:
            return []
        records, _ = scormcloud_records.read(_listed(answer.json(), "registrations"))
        found = [r for r in records if isinstance(r, Enrolment) and r.user.external_id == learner]
        matching = [r for r in found if course is None or r.course == course]
        return sorted(matching, key=lambda r: r.data_at.timestamp() if r.data_at else 0.0, reverse=True)

    async def _registration(self, identifier: str) -> Enrolment | None:
        answer = await self.client.get(f"registrations/{reading.segment(identifier)}", accept=(404,))
        if answer.status == 404:
            return None
        try:
            return scormcloud_records.enrolment_of(answer.json())
        except ValueError as error:
            raise PartnerAnswerError(f"SCORM Cloud's answer is not a registration: {error}.") from error


def _listed(answer: Any, name: str) -> list[Any]:
    """The list of an answer; without one, it would look as if all were gone.

    Raises:
        PartnerAnswerError: there is none.
    """
    found = reading.field(answer, name)
    if not isinstance(found, list):
        raise PartnerAnswerError(f"The answer holds no list of {name}.")
    return found


def _piece(answer: Any, cursor: Cursor | None, records: Sequence[Record], rejected: list[tuple[Any, str]]) -> Page:
    """A page of a full listing. One that was not understood may be of anything: then nothing counts as gone."""
    token = reading.text(reading.field(answer, "more"))
    whole = not rejected and (cursor is None or bool(cursor["whole"]))
    following = {"more": token, "whole": whole} if token else None
    return Page(records, next=following, rejected=rejected, complete=whole and token is None)


def _message(answer: Any) -> str:
    return (reading.text(reading.field(answer, "message")) or "no reason is told").rstrip(".")[:300]


def _unpacked(delivery: Delivery) -> tuple[bytes, str, str]:
    """What a postback holds, and the user name and password that came with it."""
    if delivery.content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        try:
            form = parse_qs(delivery.body.decode(), strict_parsing=True, max_num_fields=20)
        except ValueError as error:
            raise BadDeliveryError("The postback is no form.", hint=_POSTBACK_HINT) from error
        fields = {name.lower(): values[0] for name, values in form.items()}
        return fields.get("data", "").encode(), fields.get("username", ""), fields.get("password", "")
    scheme, _, packed = delivery.headers.get("authorization", "").partition(" ")
    try:
        user, _, password = b64decode(packed, validate=True).decode().partition(":")
    except ValueError:
        user, password = "", ""
    return (delivery.body, user, password) if scheme.lower() == "basic" else (delivery.body, "", "")
