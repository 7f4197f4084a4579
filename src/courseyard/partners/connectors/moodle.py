"""Moodle, by its web services: one address for all functions, arguments as nested form fields, errors with HTTP 200.

Moodle has no list of what changed: rosters are read whole, and only people whose last access to a course moved are
asked about one by one: completion, course completion, grades, and each SCORM package.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec

from courseyard.errors import (
    PartnerAnswerError,
    PartnerCannotError,
    PartnerError,
    PartnerRefusedError,
    PartnerUnreachableError,
)
from courseyard.partners import reading
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
from courseyard.partners.moodle_progress import (
    DONE,
    WHOLE,
    Learner,
    Package,
    grades_by_activity,
    is_tracked,
    modules,
    package,
    percent,
    points,
)
from courseyard.partners.records import Course, Credential, Enrolment, Record, User

_ENDPOINT = "webservice/rest/server.php"

_CATEGORIES = "core_course_get_categories"
_COURSES = "core_course_get_courses_by_field"
_CONTENTS = "core_course_get_contents"
_ROSTER = "core_enrol_get_enrolled_users"
_ACTIVITIES = "core_completion_get_activities_completion_status"
_COMPLETION = "core_completion_get_course_completion_status"
_GRADES = "gradereport_user_get_grade_items"
_SCOS = "mod_scorm_get_scorm_scoes"
_TRACKS = "mod_scorm_get_scorm_sco_tracks"
_BADGES = "core_badges_get_user_badges"
_FIND = "core_user_get_users_by_field"
_MAKE = "core_user_create_users"
_THEIR_COURSES = "core_enrol_get_users_courses"
_ENROL = "enrol_manual_enrol_users"
_WITHDRAW = "enrol_manual_unenrol_users"

# The functions that the external service must have: what each is for, and whether nothing much goes without it.
_NEEDS = (
    (_COURSES, "catalogue", True),
    (_CATEGORIES, "categories in the catalogue", False),
    (_ROSTER, "enrolments", True),
    (_ACTIVITIES, "progress in activities", True),
    (_COMPLETION, "completion of courses", False),
    (_CONTENTS, "names of activities", False),
    (_GRADES, "scores", False),
    (_SCOS, "time and unfinished attempts of SCORM packages", False),
    (_TRACKS, "time and unfinished attempts of SCORM packages", False),
    (_BADGES, "badges", False),
    (_FIND, "search for people's accounts", False),
    (_MAKE, "new accounts", False),
    (_ENROL, "enrolling", False),
    (_WITHDRAW, "ending of enrolments", False),
    (_THEIR_COURSES, "look whether somebody is enrolled already", False),
)

# Error codes that say that these credentials may not, here or at all.
_NOT_YOURS = {
    "accessdenied",
    "accessexception",
    "cannotviewreport",
    "errorcoursecontextnotvalid",
    "nopermissions",
    "nopermissiontoviewgrades",
    "notingroup",
    "requireloginerror",
    "servicenotavailable",
    "servicerequireslogin",
    "wsaccessuserdeleted",
    "wsaccessusersuspended",
    "wsaccessuserexpired",
    "wsusercannotassign",
}
# Of these, the ones that hold for every call.
_TOKEN_BAD = {"invalidtoken", "forcepasswordchangenotice", "ipmismatch", "invalidtimedtoken"}
_DOWN = {"sitemaintenance", "dbconnectionfailed", "dmlreadexception", "dmlwriteexception", "dmltransactionexception"}
_FOR_ALL = _TOKEN_BAD | _DOWN

# People whose roles are all among these are staff, of whom Moodle keeps no progress.
_STAFF = {"manager", "coursecreator", "editingteacher", "teacher"}
_USER_FIELDS = "id,fullname,email,idnumber,lastcourseaccess,roles"

_ROSTER_ROWS = 100
# Of a package with many SCOs these are looked at, a call each.
_SCOS_A_PACKAGE = 10
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
        # Only spares calls: what is the same for each learner of a course.
        self._names: dict[str, dict[str, tuple[str, str | None]]] = {}
        self._scos: dict[str, list[str]] = {}
        self._tells_tracks = True

    async def check(self) -> list[Check]:
        """See ``Connector``."""
        try:
            info = await self._call("core_webservice_get_site_info")
        except PartnerRefusedError as error:
            if error.extra.get("errorcode") != "accessexception":
                raise
            return [
                Check(
                    "failed",
                    "The token is good, but its service does not have core_webservice_get_site_info.",
                    _add_functions(["core_webservice_get_site_info"]),
                )
            ]
        site, release = reading.text(reading.field(info, "sitename")), reading.text(reading.field(info, "release"))
        account = reading.text(reading.field(info, "username"))
        found = [Check("ok", f"Connected to {site or 'the site'} (Moodle {release or 'of unknown release'}).")]
        if account:
            found[0] = Check("ok", found[0].what, f"Signed in as {account}.")
        given = {reading.text(reading.field(f, "name")) for f in reading.items(reading.field(info, "functions"))}
        for function, purpose, needed in _NEEDS:
            if function not in given:
                what = f"No {purpose}: the token's service lacks {function}."
                found.append(Check("failed" if needed else "warning", what, _add_functions([function])))
        if given >= {function for function, _, _ in _NEEDS}:
            found.append(Check("ok", "The service has all functions that are needed."))
        if _COURSES in given:
            found.append(await self._check_courses())
        return found

    async def _check_courses(self) -> Check:
        try:
            # Course 1 is the front page, which every site has.
            await self._call(_COURSES, {"field": "id", "value": 1})
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
                found = (await self._answer(_CATEGORIES)).array()
            except PartnerRefusedError as error:
                _only_here(error, optional=True)
                return self._courses(await self._answer(_COURSES), {}, complete=True)
            todo = _category_paths(found)
            total = sum(count for _, _, count in todo)
        else:
            todo = cursor["todo"]

        records: list[Record] = []
        rejected: list[tuple[Any, str]] = []
        for _ in range(_CATEGORIES_A_PAGE):
            if not todo or len(records) >= _COURSES_A_PAGE:
                break
            category, path, _count = todo[0]
            todo = todo[1:]
            page = self._courses(
                await self._answer(_COURSES, {"field": "category", "value": category}), {category: path}, complete=False
            )
            records += page.records
            rejected += page.rejected
        return Page(records, next={"todo": todo} if todo else None, rejected=rejected, complete=not todo, total=total)

    def _courses(self, answer: Answer, paths: dict[str, str], *, complete: bool) -> Page:
        records: list[Record] = []
        rejected: list[tuple[Any, str]] = []
        courses = answer.object().get("courses")
        if not isinstance(courses, list):
            # To read it as none would make all courses gone.
            raise PartnerAnswerError("Moodle's list of courses is none.")
        for found in courses:
            try:
                course = self._course(found, paths)
            except (ValueError, AttributeError) as error:
                rejected.append((found, f"This is not a course: {error}."))
                continue
            # The front page is a course in Moodle's tables only.
            if found.get("format") != "site":
                records.append(course)
        return Page(records, rejected=rejected, complete=complete, total=len(records))

    def _course(self, found: Any, paths: dict[str, str]) -> Course:
        identifier = reading.key(found.get("id"))
        custom = {
            f"customfield_{name}": reading.field(item, "value")
            for item in reading.items(found.get("customfields"))
            if (name := reading.text(reading.field(item, "shortname")))
        }
        return Course(
            external_id=identifier,
            title=reading.text(found.get("fullname")) or reading.text(found.get("shortname")) or identifier,
            code=reading.text(found.get("shortname")),
            description=reading.without_tags(found.get("summary")),
            category=paths.get(str(found.get("categoryid"))) or reading.text(found.get("categoryname")),
            url=self._course_url(identifier),
            active=reading.flag(found.get("visible")) is not False,
            data_at=reading.moment(found.get("timemodified")),
            extra=reading.plain(
                idnumber=found.get("idnumber"),
                format=found.get("format"),
                lang=found.get("lang"),
                startdate=_iso(reading.moment(found.get("startdate"))),
                enddate=_iso(reading.moment(found.get("enddate"))),
                enablecompletion=reading.flag(found.get("enablecompletion")),
                **custom,
            ),
        )

    async def _enrolments(self, cursor: Cursor | None, scope: Scope) -> Page:
        """Who is in the courses: first those who are active, then those whose enrolment is suspended or over."""
        course = cursor["course"] if cursor else scope.after(None)
        if course is None:
            return Page([], complete=True)
        offset, suspended = (cursor["offset"], cursor["suspended"]) if cursor else (0, False)
        whole = cursor["whole"] if cursor else True
        records: list[Record] = []
        rejected: list[tuple[Any, str]] = []
        rows: list[Any] = []
        try:
            rows = (await self._roster(course, offset, suspended=suspended)).array()
        except PartnerError as error:
            # A course that is no more has no enrolments; one that may not be read has those that stand.
            _only_here(error)
            if error.extra.get("errorcode") != "invalidrecord":
                whole = False
                rejected.append(({"course": course}, error.detail))
            suspended = True
        for row in rows:
            try:
                user = _user(row)
            except ValueError as error:
                rejected.append((row, f"This is not a person: {error}."))
                continue
            if not _is_staff(row):
                records.append(
                    Enrolment(
                        external_id=f"{course}:{user.external_id}",
                        course=course,
                        user=user,
                        # How far they came is the business of progress, which knows more of the same moment: what
                        # is told here is older.
                        status="withdrawn" if suspended else None,
                        data_at=None if suspended else _just_before(reading.field(row, "lastcourseaccess")),
                        extra={"suspended": suspended},
                    )
                )
        place: Cursor | None
        if len(rows) == _ROSTER_ROWS:
            place = {"course": course, "offset": offset + _ROSTER_ROWS, "suspended": suspended, "whole": whole}
        elif not suspended:
            place = {"course": course, "offset": 0, "suspended": True, "whole": whole}
        else:
            following = scope.after(course)
            start: Cursor = {"course": following, "offset": 0, "suspended": False, "whole": whole}
            place = start if following else None
        return Page(records, next=place, rejected=rejected, complete=place is None and whole)

    async def _people(self, cursor: Cursor | None, scope: Scope, ask: _Ask) -> Page:
        """Ask about each person whose last access to a course moved: a page reads a piece of a roster, the next ones
        ask about a few people of it each.
        """
        course = cursor["course"] if cursor else scope.after(None)
        if course is None:
            return Page([], watermark=scope.since)
        offset, todo = (cursor["offset"], cursor["todo"]) if cursor else (0, [])
        started = cursor["started"] if cursor else None
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
                _only_here(error)
                rejected.append(({"course": course, "user": user.external_id}, error.detail))

        if not todo:
            rows: list[Any] = []
            try:
                answer = await self._roster(course, offset, suspended=False)
                started = started or _iso(answer.told_at())
                rows = answer.array()
            except PartnerError as error:
                _only_here(error)
                if error.extra.get("errorcode") != "invalidrecord":
                    rejected.append(({"course": course}, error.detail))
            rest = list(_moved(rows, reading.number(reading.field(scope.since, "since"))))
            offset = offset + _ROSTER_ROWS if len(rows) == _ROSTER_ROWS else None

        following: str | None = course
        if not rest and offset is None:
            following, offset = scope.after(course), 0
        if following is None:
            # Of a site that tells no time, everything is asked again.
            began = reading.moment(started)
            since = {"since": (began - _OVERLAP).timestamp()} if began else scope.since
            return Page(records, watermark=since, rejected=rejected)
        place = {"course": following, "offset": offset, "todo": rest, "started": started}
        return Page(records, next=place, rejected=rejected)

    async def _progress(self, course: str, user: User, accessed: datetime | None) -> list[Record]:
        where = {"courseid": course, "userid": user.external_id}
        activities = reading.items(reading.field(await self._call(_ACTIVITIES, where), "statuses"))
        done, done_at = await self._course_completion(where)
        grades = await self._grades(where)
        names = await self._activity_names(course)
        packages = await self._packages(activities, user)
        enrolment = f"{course}:{user.external_id}"
        found = modules(Learner(enrolment, accessed, grades, names, packages), activities)
        tracked = any(is_tracked(activity) for activity in activities)
        share = 100 * sum(m.status in DONE for m in found) / len(found) if tracked else None
        whole = grades.get(WHOLE)
        return [
            Enrolment(
                external_id=enrolment,
                course=course,
                user=user,
                status="completed" if done else "active",
                progress=100.0 if done else None if share is None else round(share, 2),
                completed_at=done_at,
                data_at=reading.latest(accessed, done_at, *(m.data_at for m in found)),
                extra={"suspended": False} | points(whole) | reading.plain(percent=percent(whole)),
            ),
            *found,
        ]

    async def _packages(self, activities: list[Any], user: User) -> dict[str, Package]:
        """The last attempts at SCORM packages, by activity, where the service tells of them."""
        found: dict[str, Package] = {}
        for activity in activities:
            cmid, instance = (reading.text(reading.field(activity, name)) for name in ("cmid", "instance"))
            if reading.field(activity, "modname") != "scorm" or not cmid or not instance or not self._tells_tracks:
                continue
            try:
                if instance not in self._scos:
                    self._scos[instance] = _scos(await self._call(_SCOS, {"scormid": instance}))
                asked = [{"scoid": sco, "userid": user.external_id} for sco in self._scos[instance]]
                known = package([await self._call(_TRACKS, one) for one in asked])
            except PartnerError as error:
                # Not open yet, not for this user, no such functions.
                _only_here(error, optional=True)
                self._tells_tracks = error.extra.get("errorcode") != "accessexception"
            else:
                if known:
                    found[cmid] = known
        return found

    async def _course_completion(self, where: dict[str, str]) -> tuple[bool, datetime | None]:
        try:
            status = reading.field(await self._call(_COMPLETION, where), "completionstatus")
        except PartnerError as error:
            # No criteria, no tracking, not allowed: then the activities alone tell.
            _only_here(error, optional=True)
            return False, None
        if reading.flag(reading.field(status, "completed")) is not True:
            return False, None
        met = reading.items(reading.field(status, "completions"))
        return True, reading.latest(*(reading.moment(reading.field(one, "timecompleted")) for one in met))

    async def _grades(self, where: dict[str, str]) -> dict[str, Any]:
        try:
            answer = await self._call(_GRADES, where)
        except PartnerError as error:
            _only_here(error, optional=True)
            return {}
        return grades_by_activity(answer)

    async def _activity_names(self, course: str) -> dict[str, tuple[str, str | None]]:
        """Name and section of each activity."""
        if course not in self._names:
            self._names[course] = {}
            try:
                options = [{"name": "excludecontents", "value": 1}]
                sections = await self._call(_CONTENTS, {"courseid": course, "options": options})
            except PartnerError as error:
                _only_here(error, optional=True)
                return {}
            for section in reading.items(sections):
                for module in reading.items(reading.field(section, "modules")):
                    cmid, name = (reading.text(reading.field(module, field)) for field in ("id", "name"))
                    if cmid and name:
                        self._names[course][cmid] = (name, reading.text(reading.field(section, "name")))
        return self._names[course]

    async def _badges(self, course: str, user: User, accessed: datetime | None) -> list[Record]:
        found = await self._call(_BADGES, {"userid": user.external_id})
        return [
            self._badge(badge, user)
            for badge in reading.items(reading.field(found, "badges"))
            if reading.text(reading.field(badge, "uniquehash"))
        ]

    def _badge(self, badge: Any, user: User) -> Credential:
        identifier = reading.key(badge.get("uniquehash"))
        course = reading.text(badge.get("courseid"))
        return Credential(
            external_id=identifier,
            user=user,
            name=reading.text(badge.get("name")) or "Badge",
            type="badge",
            enrolment=f"{course}:{user.external_id}" if course and course != "0" else None,
            issued=reading.day(badge.get("dateissued")),
            expires=reading.day(badge.get("dateexpire")),
            verification_url=f"{self.client.base_url}/badges/badge.php?hash={quote(identifier)}",
            data_at=reading.latest(reading.moment(badge.get("dateissued")), reading.moment(badge.get("timemodified"))),
            extra=reading.plain(
                issuername=badge.get("issuername"), description=badge.get("description"), courseid=badge.get("courseid")
            ),
        )

    async def find_users(self, person: Person) -> list[User]:
        """See ``Connector``. By Moodle's id, then by our identifier as ID number, then by e-mail."""
        for field, value in (("id", person.external_id), ("idnumber", person.sis_id), ("email", person.email)):
            if value:
                found = [_user(row) for row in reading.items(await self._users(field, value)) if _has_id(row)]
                if found:
                    return found
        return []

    async def _users(self, field: str, value: str) -> Any:
        return await self._call(_FIND, {"field": field, "values": [value]})

    async def make_user(self, person: Person) -> User:
        """See ``Connector``."""
        standing = await self.standing_user(person)
        if standing:
            return standing
        address = str(person.email)
        first, _, last = (person.name or address.partition("@")[0]).strip().rpartition(" ")
        account: dict[str, Any] = {
            # Moodle takes no other characters; leaving some out could make two people one.
            "username": address.lower() if re.fullmatch(r"[-.@_a-z0-9]+", address.lower()) else person.profile_id,
            "firstname": first or last,
            # Moodle wants both.
            "lastname": last if first else "-",
            "email": address,
            "idnumber": person.sis_id,
            "auth": self.config.text("auth") or "manual",
        }
        # Moodle invents a password and mails it.
        account |= {"createpassword": 1} if account["auth"] == "manual" else {}
        made = reading.items(await self._call(_MAKE, {"users": [account]}, again=False))
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
            await self._call(_ENROL, {"enrolments": [enrolment]})
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
        await self._call(_WITHDRAW, {"enrolments": [{"userid": user.external_id, "courseid": course}]})
        if await self._standing(user, course) is not None:
            raise PartnerCannotError(
                "Moodle enrolled this person by another way than by hand (a cohort, self-enrolment, …).",
                hint="End the enrolment in Moodle, in the course's list of participants.",
            )

    async def launch_url(self, enrolment: str, user: User, course: str, return_url: str | None) -> str:
        """See ``Connector``. The course's page; who is not signed in to Moodle signs in first."""
        return self._course_url(course)

    def _course_url(self, course: str) -> str:
        return f"{self.client.base_url}/course/view.php?id={quote(course)}"

    async def _standing(self, user: User, course: str) -> Any:
        """The course among those in which this person is active; None also where the service does not tell."""
        try:
            courses = await self._call(_THEIR_COURSES, {"userid": user.external_id, "returnusercount": 0})
        except PartnerRefusedError as error:
            _only_here(error, optional=True)
            return None
        return next((c for c in reading.items(courses) if reading.text(reading.field(c, "id")) == course), None)

    async def _roster(self, course: str, offset: int, *, suspended: bool) -> Answer:
        options: dict[str, Any] = {
            "onlysuspended" if suspended else "onlyactive": 1,
            "userfields": _USER_FIELDS,
            "limitfrom": offset,
            "limitnumber": _ROSTER_ROWS,
            "sortby": "id",
        }
        named = [{"name": name, "value": value} for name, value in options.items()]
        return await self._answer(_ROSTER, {"courseid": course, "options": named})

    async def _call(self, function: str, arguments: Any = None, *, again: bool = True) -> Any:
        return (await self._answer(function, arguments, again=again)).json()

    async def _answer(self, function: str, arguments: Any = None, *, again: bool = True) -> Answer:
        """Call a function. All of it goes into the body, so that the token stands in no log.

        Raises:
            PartnerRefusedError, PartnerAnswerError: Moodle refuses; its code is in ``extra["errorcode"]``.
        """
        form = {"wstoken": self.config.text("token"), "wsfunction": function, "moodlewsrestformat": "json"}
        answer = await self.client.request(
            "POST", _ENDPOINT, data=form | dict(_flat(arguments or {})), again=again, accept=(403,)
        )
        if answer.status == 403:
            raise PartnerRefusedError(
                "Moodle refuses every call (HTTP 403): its web services or its REST protocol may be switched off.",
                hint="Site administration, Advanced features: enable web services; then Server, Web services, "
                "Manage protocols: enable REST.",
                errorcode="invalidtoken",
            )
        found = answer.json()
        if isinstance(found, dict) and "exception" in found:
            raise _refusal(function, found)
        return answer


def _refusal(function: str, found: dict[str, Any]) -> PartnerError:
    code = reading.text(found.get("errorcode")) or "unknown"
    said = (reading.text(found.get("message")) or code)[:300]
    if code == "invalidtoken":
        return PartnerRefusedError("Moodle does not know this token, or it has run out.", errorcode=code)
    if code in _DOWN:
        return PartnerUnreachableError(f"The Moodle site is down or under maintenance ({code}).", errorcode=code)
    if code == "accessexception":
        return PartnerRefusedError(
            f"The token's service does not allow {function}.", hint=_add_functions([function]), errorcode=code
        )
    kind = PartnerRefusedError if code in _NOT_YOURS | _TOKEN_BAD else PartnerAnswerError
    return kind(
        f"Moodle says to {function}: {said} ({code}).",
        hint="Give the token's user the right that is missing, in the course or at system level."
        if kind is PartnerRefusedError
        else "Moodle's own words say what is wrong; its log (Reports, Logs) knows more.",
        errorcode=code,
    )


def _only_here(error: PartnerError, *, optional: bool = False) -> None:
    """Let pass what Moodle refuses for one course or person, and a function that the service may lack if ``optional``;
    raise what holds for every call.
    """
    code = error.extra.get("errorcode")
    if code is None or code in _FOR_ALL or (code == "accessexception" and not optional):
        raise error


def _add_functions(names: Sequence[str]) -> str:
    return f"Add {', '.join(names)} in Moodle: Site administration, Server, Web services, External services, Functions."


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested arguments as PHP reads them: ``users[0][email]``."""
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _flat(inner, f"{prefix}[{name}]" if prefix else str(name))
    else:
        yield prefix, str(value)


def _category_paths(found: list[Any]) -> list[tuple[str, str, int]]:
    """Id, path by names ("Health / First aid") and number of courses, of the categories that have any."""
    names = {reading.text(reading.field(c, "id")): reading.text(reading.field(c, "name")) for c in found}
    paths: list[tuple[str, str, int]] = []
    for category in found:
        identifier, count = reading.text(reading.field(category, "id")), reading.field(category, "coursecount")
        # Where the number is not told, there may be some.
        courses = 1 if count is None else int(min(max(reading.number(count) or 0, 0), 1e9))
        if identifier and courses:
            steps = (reading.text(reading.field(category, "path")) or f"/{identifier}").strip("/").split("/")
            path = " / ".join(name for step in steps if (name := names.get(step)))
            paths.append((identifier, path, courses))
    return paths


def _user(row: Any) -> User:
    return User(
        external_id=reading.key(reading.field(row, "id")),
        email=reading.text(reading.field(row, "email")),
        name=reading.text(reading.field(row, "fullname")),
        sis_id=reading.text(reading.field(row, "idnumber")),
    )


def _has_id(row: Any) -> bool:
    return reading.text(reading.field(row, "id")) is not None


def _is_staff(row: Any) -> bool:
    roles = [reading.text(reading.field(r, "shortname")) for r in reading.items(reading.field(row, "roles"))]
    return bool(roles) and all(role in _STAFF for role in roles)


def _moved(rows: list[Any], since: float | None) -> Iterator[tuple[dict[str, Any], float | None]]:
    """Who is to be asked about, with the time of the last access; who never came is not asked about again."""
    for row in rows:
        if not _has_id(row) or _is_staff(row):
            continue
        accessed = reading.number(reading.field(row, "lastcourseaccess"))
        # A site may hide the time; then everybody is asked about.
        if since is None or accessed is None or accessed >= since:
            yield msgspec.to_builtins(_user(row)), accessed


def _scos(answer: Any) -> list[str]:
    """The SCOs of a package, of what Moodle lists of it: organisations and assets are tracked too, but tell nothing."""
    rows = reading.items(reading.field(answer, "scoes"))
    found = [reading.text(reading.field(row, "id")) for row in rows if reading.field(row, "scormtype") == "sco"]
    return [sco for sco in found if sco][:_SCOS_A_PACKAGE]


def _just_before(seconds: Any) -> datetime | None:
    at = reading.moment(seconds)
    return at - timedelta(seconds=1) if at else None


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None
