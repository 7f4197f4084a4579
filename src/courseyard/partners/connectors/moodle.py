"""Moodle, by its web services.

Moodle has no list of what changed: rosters are read whole, and only people whose last access to a course moved are
asked about one by one: completion, course completion, grades, and each SCORM package. Which of Moodle's facts become
what: ``moodle_records`` and ``moodle_progress``; how it is asked: ``moodle_api``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec

from courseyard.errors import PartnerAnswerError, PartnerCannotError, PartnerError, PartnerRefusedError
from courseyard.partners import moodle_progress, moodle_records, reading
from courseyard.partners.client import Answer, PartnerClient
from courseyard.partners.connector import (
    Capabilities,
    Check,
    Config,
    Connector,
    Cursor,
    Option,
    Page,
    Person,
    Scope,
    Stream,
)
from courseyard.partners.moodle_api import (
    NEEDS,
    ROSTER_ROWS,
    Function,
    MoodleApi,
    add_functions,
    is_gone,
    is_lacking,
    only_here,
)
from courseyard.partners.records import Course, Enrolment, Record, User
from courseyard.partners.refused import Refused

# A page ends after so many calls for people, so that what was read is written often.
_CALLS_A_PAGE = 9
_COURSES_A_PAGE = 100
_CATEGORIES_A_PAGE = 5
# Moodle notes an access only a minute after the last one that it noted, and works out completion in a background task.
_OVERLAP = timedelta(minutes=10)

_Ask = Callable[[str, User, datetime | None], Awaitable[list[Record]]]


class Moodle(Connector):
    """A Moodle site, 3.9 or newer."""

    kind: ClassVar[str] = "moodle"
    title: ClassVar[str] = "Moodle"
    summary: ClassVar[str] = "Courses, enrolments, activity completion, grades and badges, by Moodle's web services."
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "base_url",
            "Address of the site",
            kind="url",
            help="As people open it, with its folder if it has one: https://learn.example.org or "
            "https://example.org/moodle.",
        ),
        Option(
            "token",
            "Web service token",
            kind="secret",
            help="Site administration, Server, Web services, Manage tokens: a token of a user made for this, for an "
            "external service with the functions that 'Test connection' lists.",
        ),
        Option(
            "role_id",
            "Role for people who are enrolled from here",
            kind="number",
            required=False,
            default="5",
            help="The number of the role in Moodle; 5 is Student unless the site changed it.",
        ),
        Option(
            "auth",
            "How new accounts sign in",
            required=False,
            default="manual",
            help="The authentication plugin for accounts made from here. With manual, Moodle mails a password; "
            "enter oauth2, saml2, oidc or ldap where people sign in elsewhere.",
        ),
        Option(
            "sign_on",
            "Single sign-on",
            kind="choice",
            required=False,
            choices={
                "": "No: people sign in to Moodle",
                "id": "By auth_userkey, mapped by database id",
                "email": "By auth_userkey, mapped by e-mail address",
                "idnumber": "By auth_userkey, mapped by ID number",
            },
            help="With the plugin auth_userkey, who opens a course from here is signed in to Moodle. Choose the "
            "mapping field that is set there.",
        ),
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        streams={
            Stream.CATALOGUE: "full",
            Stream.ENROLMENTS: "full",
            Stream.PROGRESS: "incremental",
            Stream.CREDENTIALS: "incremental",
        },
        enrol=True,
        withdraw=True,
        accounts=True,
        launch=True,
    )
    extra_fields: ClassVar[dict[str, tuple[str, ...]]] = {
        "course": ("idnumber", "format", "startdate", "enddate", "lang", "enablecompletion"),
        "enrolment": ("raw", "min", "max", "percent", "suspended"),
        "module": ("modname", "section", "raw", "min", "max", "tracking", "attempt"),
        "credential": ("issuername", "description", "courseid"),
    }

    def __init__(self, config: Config, client: PartnerClient) -> None:
        """See ``Connector``."""
        super().__init__(config, client)
        self._api = MoodleApi(client, config.text("token"))
        # Only spares calls: what is the same for each learner of a course.
        self._names: dict[str, dict[str, tuple[str, str | None]]] = {}
        self._scos: dict[str, list[str]] = {}
        self._tells_tracks = True

    async def check(self) -> list[Check]:
        """See ``Connector``."""
        try:
            info = await self._api.call(Function.SITE)
        except PartnerRefusedError as error:
            if not is_lacking(error):
                raise
            what = f"The token is good, but its service does not have {Function.SITE}."
            return [Check("failed", what, add_functions([Function.SITE]))]
        site, release = reading.text(reading.field(info, "sitename")), reading.text(reading.field(info, "release"))
        account = reading.text(reading.field(info, "username"))
        found = [Check("ok", f"Connected to {site or 'the site'} (Moodle {release or 'of unknown release'}).")]
        if account:
            found[0] = Check("ok", found[0].what, f"Signed in as {account}.")
        given = {reading.text(reading.field(f, "name")) for f in reading.items(reading.field(info, "functions"))}
        needs = [*NEEDS, (Function.SIGN_IN, "single sign-on", True)] if self.config.text("sign_on") else NEEDS
        for function, purpose, needed in needs:
            if function not in given:
                what = f"No {purpose}: the token's service lacks {function}."
                found.append(Check("failed" if needed else "warning", what, add_functions([function])))
        if given >= {function for function, _, _ in needs}:
            found.append(Check("ok", "The service has all functions that are needed."))
        if Function.COURSES in given:
            found.append(await self._check_courses())
        return found

    async def _check_courses(self) -> Check:
        try:
            # Course 1 is the front page, which every site has.
            await self._api.call(Function.COURSES, {"field": "id", "value": 1})
        except PartnerRefusedError as error:
            return Check(
                "failed",
                f"The token's user may not see courses: {error.detail}",
                "Give its role moodle/course:view and moodle/course:viewhiddencourses at system level.",
            )
        return Check("ok", "Courses can be read.")

    async def fetch(self, stream: Stream, cursor: Cursor | None, scope: Scope) -> Page:
        """See ``Connector``."""
        match stream:
            case Stream.CATALOGUE:
                return await self._catalogue(cursor)
            case Stream.ENROLMENTS:
                return await self._enrolments(cursor, scope)
            case Stream.PROGRESS:
                return await self._people(cursor, scope, self._progress)
            case Stream.CREDENTIALS:
                return await self._people(cursor, scope, self._badges)

    async def _catalogue(self, cursor: Cursor | None) -> Page:
        """Category by category, because Moodle would tell all courses in one answer."""
        total = None
        if cursor is None:
            try:
                found = (await self._api.answer(Function.CATEGORIES)).array()
            except PartnerRefusedError as error:
                only_here(error, optional=True)
                courses, rejected = self._courses(await self._api.answer(Function.COURSES), {})
                return Page(courses, rejected=rejected, complete=True, total=len(courses))
            todo = moodle_records.category_paths(found)
            total = reading.whole(sum(count for _, _, count in todo))
        else:
            todo = cursor["todo"]

        courses, rejected = [], []
        for _ in range(_CATEGORIES_A_PAGE):
            if not todo or len(courses) >= _COURSES_A_PAGE:
                break
            category, path, _count = todo[0]
            todo = todo[1:]
            answer = await self._api.answer(Function.COURSES, {"field": "category", "value": category})
            more, refused = self._courses(answer, {category: path})
            courses += more
            rejected += refused
        return Page(courses, next={"todo": todo} if todo else None, rejected=rejected, complete=not todo, total=total)

    def _courses(self, answer: Answer, paths: dict[str, str]) -> tuple[list[Course], list[tuple[Any, str]]]:
        courses = answer.object().get("courses")
        if not isinstance(courses, list):
            # To read it as none would make all courses gone.
            raise PartnerAnswerError("Moodle's list of courses is none.")
        return reading.understood(
            courses, lambda row: moodle_records.courses_of(row, paths, self.client.base_url), "a course"
        )

    async def _enrolments(self, cursor: Cursor | None, scope: Scope) -> Page:
        """Who is in the courses: first those who are active, then those whose enrolment is suspended or over."""
        course = cursor["course"] if cursor else scope.after(None)
        if course is None:
            return Page([], complete=True)
        offset, suspended = (cursor["offset"], cursor["suspended"]) if cursor else (0, False)
        whole = cursor["whole"] if cursor else True
        refused: list[tuple[Any, str]] = []
        rows: list[Any] = []
        try:
            rows = (await self._api.roster(course, offset, suspended=suspended)).array()
        except PartnerError as error:
            # A course that is no more has no enrolments; one that may not be read has those that stand.
            only_here(error)
            if not is_gone(error):
                whole = False
                refused = [({"course": course}, error.detail)]
            suspended = True
        records, rejected = reading.understood(
            rows, lambda row: moodle_records.enrolments_of(course, row, suspended=suspended), "a person"
        )
        place: Cursor | None
        if len(rows) == ROSTER_ROWS:
            place = {"course": course, "offset": offset + ROSTER_ROWS, "suspended": suspended, "whole": whole}
        elif not suspended:
            place = {"course": course, "offset": 0, "suspended": True, "whole": whole}
        else:
            following = scope.after(course)
            start: Cursor = {"course": following, "offset": 0, "suspended": False, "whole": whole}
            place = start if following else None
        return Page(records, next=place, rejected=refused + rejected, complete=place is None and whole)

    async def _people(self, cursor: Cursor | None, scope: Scope, ask: _Ask) -> Page:
        """Ask about each person whose last access to a course moved, or who was refused in the last run: a page reads a
        piece of a roster, the next ones ask about a few people of it each.
        """
        course = cursor["course"] if cursor else scope.after(None)
        if course is None:
            return Page([], watermark=scope.since)
        offset, todo = (cursor["offset"], cursor["todo"]) if cursor else (0, [])
        started, so_far = (cursor["started"], cursor.get("refused", [])) if cursor else (None, [])
        refused = Refused(scope.since)
        records: list[Record] = []
        rejected: list[tuple[Any, str]] = []

        rest = list(todo)
        begun = self.client.requests
        while rest and self.client.requests < begun + _CALLS_A_PAGE:
            person, accessed = rest.pop(0)
            user = msgspec.convert(person, User)
            try:
                records += await ask(course, user, reading.moment(accessed))
            except PartnerError as error:
                only_here(error)
                rejected.append(({"course": course, "user": user.external_id}, error.detail))
                so_far = refused.with_person(so_far, course, user.external_id)

        if not todo:
            rows: list[Any] = []
            try:
                answer = await self._api.roster(course, offset, suspended=False)
                started = started or reading.iso(answer.told_at())
                rows = answer.array()
            except PartnerError as error:
                only_here(error)
                if not is_gone(error):
                    rejected.append(({"course": course}, error.detail))
                    so_far = refused.with_list(so_far, course)
            since = reading.number(refused.since(course))
            rest = list(moodle_records.moved(rows, since, refused.people(course)))
            offset = offset + ROSTER_ROWS if len(rows) == ROSTER_ROWS else None

        following: str | None = course
        if not rest and offset is None:
            following, offset = scope.after(course), 0
        if following is None:
            # Of a site that tells no time, everything is asked again.
            began = reading.moment(started)
            mark = refused.mark((began - _OVERLAP).timestamp() if began else None, so_far)
            return Page(records, watermark=mark, rejected=rejected)
        place = {"course": following, "offset": offset, "todo": rest, "started": started, "refused": so_far}
        return Page(records, next=place, rejected=rejected)

    async def _progress(self, course: str, user: User, accessed: datetime | None) -> list[Record]:
        where = {"courseid": course, "userid": user.external_id}
        activities = reading.items(reading.field(await self._api.call(Function.ACTIVITIES, where), "statuses"))
        # Refused where there are no criteria, no tracking, no right to see it.
        completion = await self._api.call_if_allowed(Function.COMPLETION, where)
        grades = moodle_progress.grades_by_activity(await self._api.call_if_allowed(Function.GRADES, where))
        names = await self._activity_names(course)
        packages = await self._packages(activities, user)
        return moodle_progress.progress_of(
            moodle_progress.Learner(course, user, accessed, grades, names, packages), activities, completion
        )

    async def _activity_names(self, course: str) -> dict[str, tuple[str, str | None]]:
        if course not in self._names:
            options = [{"name": "excludecontents", "value": 1}]
            sections = await self._api.call_if_allowed(Function.CONTENTS, {"courseid": course, "options": options})
            self._names[course] = moodle_progress.names_by_activity(sections)
        return self._names[course]

    async def _packages(self, activities: list[Any], user: User) -> dict[str, moodle_progress.Package]:
        """The last attempts at SCORM packages, by activity, where the service tells of them."""
        found: dict[str, moodle_progress.Package] = {}
        for cmid, instance in moodle_progress.packages_of(activities):
            if not self._tells_tracks:
                break
            try:
                if instance not in self._scos:
                    self._scos[instance] = moodle_progress.scos_of(
                        await self._api.call(Function.SCOS, {"scormid": instance})
                    )
                asked = [{"scoid": sco, "userid": user.external_id} for sco in self._scos[instance]]
                known = moodle_progress.package_of([await self._api.call(Function.TRACKS, one) for one in asked])
            except PartnerError as error:
                # Not open yet, not for this user, no such functions.
                only_here(error, optional=True)
                self._tells_tracks = not is_lacking(error)
            else:
                if known:
                    found[cmid] = known
        return found

    async def _badges(self, course: str, user: User, accessed: datetime | None) -> list[Record]:
        answer = await self._api.call(Function.BADGES, {"userid": user.external_id})
        return [*moodle_records.badges_of(answer, user, self.client.base_url)]

    async def find_users(self, person: Person) -> list[User]:
        """See ``Connector``. By Moodle's id, then by our identifier as ID number, then by e-mail."""
        for field, value in (("id", person.external_id), ("idnumber", person.sis_id), ("email", person.email)):
            if value:
                rows = await self._api.call(Function.FIND, {"field": field, "values": [value]})
                found = [moodle_records.user_of(row) for row in reading.items(rows) if moodle_records.has_id(row)]
                if found:
                    return found
        return []

    async def make_user(self, person: Person) -> User:
        """See ``Connector``."""
        standing = await self.standing_user(person)
        if standing:
            return standing
        address = str(person.email)
        account = moodle_records.new_account(person, self.config.text("auth") or "manual")
        made = reading.items(await self._api.call(Function.MAKE, {"users": [account]}, again=False))
        identifier = reading.text(reading.field(made[0], "id")) if made else None
        if identifier is None:
            raise PartnerAnswerError("Moodle did not tell the id of the account that it made.")
        return User(external_id=identifier, email=address, name=person.name, sis_id=person.sis_id)

    async def enrol(self, user: User, course: str) -> Enrolment:
        """See ``Connector``. By manual enrolment, which the course must allow."""
        standing = await self._standing(user, course)
        if standing is None:
            role = int(reading.number(self.config.values.get("role_id")) or 5)
            enrolment = {"roleid": role, "userid": user.external_id, "courseid": course, "suspend": 0}
            await self._api.call(Function.ENROL, {"enrolments": [enrolment]})
        done = reading.flag(reading.field(standing, "completed")) is True
        return Enrolment(
            external_id=f"{course}:{user.external_id}",
            course=course,
            user=user,
            status="completed" if done else "active",
            progress=reading.percent(reading.field(standing, "progress")),
            data_at=reading.moment(reading.field(standing, "lastaccess")),
        )

    async def withdraw(self, enrolment: str, user: User, course: str) -> None:
        """See ``Connector``."""
        await self._api.call(Function.WITHDRAW, {"enrolments": [{"userid": user.external_id, "courseid": course}]})
        if await self._standing(user, course) is not None:
            raise PartnerCannotError(
                "Moodle enrolled this person by another way than by hand (a cohort, self-enrolment, …).",
                hint="End the enrolment in Moodle, in the course's list of participants.",
            )

    async def launch_url(self, enrolment: str, user: User, course: str, return_url: str | None) -> str:
        """See ``Connector``. The course's page; without single sign-on, people sign in to Moodle first."""
        page = moodle_records.course_url(self.client.base_url, course)
        mapped_by = self.config.text("sign_on")
        value = {"id": user.external_id, "email": user.email, "idnumber": user.sis_id}.get(mapped_by)
        if not value:
            return page
        try:
            answer = await self._api.call(Function.SIGN_IN, {"user": {mapped_by: value}}, again=False)
        except (PartnerAnswerError, PartnerRefusedError):
            # Not for this person, or no longer at all; the page of the provider tells it, and they can still sign in.
            return page
        link = reading.url(reading.field(answer, "loginurl"))
        if link is None or not link.startswith(f"{self.client.base_url}/"):
            return page
        return f"{link}{'&' if '?' in link else '?'}wantsurl={quote(page, safe='')}"

    async def _standing(self, user: User, course: str) -> Any:
        """The course among those in which this person is active; None also where the service does not tell."""
        try:
            courses = await self._api.call(Function.THEIR_COURSES, {"userid": user.external_id, "returnusercount": 0})
        except PartnerRefusedError as error:
            only_here(error, optional=True)
            return None
        return next((c for c in reading.items(courses) if reading.text(reading.field(c, "id")) == course), None)
