"""Moodle's web services: one address for all functions, arguments as nested form fields, errors with HTTP 200."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

from courseyard.errors import PartnerAnswerError, PartnerError, PartnerRefusedError, PartnerUnreachableError
from courseyard.partners import reading
from courseyard.partners.client import Answer, PartnerClient

ROSTER_ROWS = 100

_ENDPOINT = "webservice/rest/server.php"
_USER_FIELDS = "id,fullname,email,idnumber,lastcourseaccess,roles"


class Function(StrEnum):
    """The functions of Moodle that are called."""

    SITE = "core_webservice_get_site_info"
    CATEGORIES = "core_course_get_categories"
    COURSES = "core_course_get_courses_by_field"
    CONTENTS = "core_course_get_contents"
    ROSTER = "core_enrol_get_enrolled_users"
    ACTIVITIES = "core_completion_get_activities_completion_status"
    COMPLETION = "core_completion_get_course_completion_status"
    GRADES = "gradereport_user_get_grade_items"
    SCOS = "mod_scorm_get_scorm_scoes"
    TRACKS = "mod_scorm_get_scorm_sco_tracks"
    BADGES = "core_badges_get_user_badges"
    FIND = "core_user_get_users_by_field"
    MAKE = "core_user_create_users"
    THEIR_COURSES = "core_enrol_get_users_courses"
    ENROL = "enrol_manual_enrol_users"
    WITHDRAW = "enrol_manual_unenrol_users"
    # Of the plugin auth_userkey.
    SIGN_IN = "auth_userkey_request_login_url"


# The functions that the external service must have: what each is for, and whether nothing much goes without it.
NEEDS = (
    (Function.COURSES, "catalogue", True),
    (Function.CATEGORIES, "categories in the catalogue", False),
    (Function.ROSTER, "enrolments", True),
    (Function.ACTIVITIES, "progress in activities", True),
    (Function.COMPLETION, "completion of courses", False),
    (Function.CONTENTS, "names of activities", False),
    (Function.GRADES, "scores", False),
    (Function.SCOS, "time and unfinished attempts of SCORM packages", False),
    (Function.TRACKS, "time and unfinished attempts of SCORM packages", False),
    (Function.BADGES, "badges", False),
    (Function.FIND, "search for people's accounts", False),
    (Function.MAKE, "new accounts", False),
    (Function.ENROL, "enrolling", False),
    (Function.WITHDRAW, "ending of enrolments", False),
    (Function.THEIR_COURSES, "look whether somebody is enrolled already", False),
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
# Error codes that hold for every call.
_TOKEN_BAD = {"invalidtoken", "forcepasswordchangenotice", "ipmismatch", "invalidtimedtoken"}
_DOWN = {"sitemaintenance", "dbconnectionfailed", "dmlreadexception", "dmlwriteexception", "dmltransactionexception"}
_FOR_ALL = _TOKEN_BAD | _DOWN


class MoodleApi:
    """Calls to a site. What Moodle refuses is a ``PartnerError`` with its code in ``extra["errorcode"]``."""

    def __init__(self, client: PartnerClient, token: str) -> None:
        """``client`` does not sign in: the token goes with each call."""
        self._client = client
        self._token = token

    @property
    def calls(self) -> int:
        """How many calls were made so far."""
        return self._client.requests

    async def call(self, function: Function, arguments: Any = None, *, again: bool = True) -> Any:
        """What a function answers. ``again``: whether it may be called twice, should the first answer get lost."""
        return (await self.answer(function, arguments, again=again)).json()

    async def call_if_allowed(self, function: Function, arguments: Any = None) -> Any:
        """What a function answers; None where Moodle refuses it here, or the service does not have it."""
        try:
            return await self.call(function, arguments)
        except PartnerError as error:
            only_here(error, optional=True)
            return None

    async def roster(self, course: str, offset: int, *, suspended: bool) -> Answer:
        """Up to ``ROSTER_ROWS`` people of a course: those who are active, or those who are suspended."""
        options: dict[str, Any] = {
            "onlysuspended" if suspended else "onlyactive": 1,
            "userfields": _USER_FIELDS,
            "limitfrom": offset,
            "limitnumber": ROSTER_ROWS,
            "sortby": "id",
        }
        named = [{"name": name, "value": value} for name, value in options.items()]
        return await self.answer(Function.ROSTER, {"courseid": course, "options": named})

    async def answer(self, function: Function, arguments: Any = None, *, again: bool = True) -> Answer:
        """Call a function. All of it goes into the body, so that the token stands in no log.

        Raises:
            PartnerRefusedError, PartnerAnswerError, PartnerUnreachableError: Moodle refuses, in its own words.
        """
        form = {"wstoken": self._token, "wsfunction": function.value, "moodlewsrestformat": "json"}
        answer = await self._client.request(
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


def only_here(error: PartnerError, *, optional: bool = False) -> None:
    """Let pass what Moodle refuses for one course or person, and a function that the service may lack if ``optional``;
    raise what holds for every call.
    """
    code = error.extra.get("errorcode")
    if code is None or code in _FOR_ALL or (code == "accessexception" and not optional):
        raise error


def is_gone(error: PartnerError) -> bool:
    """Whether Moodle does not have what it was asked for (any more)."""
    return error.extra.get("errorcode") == "invalidrecord"


def is_lacking(error: PartnerError) -> bool:
    """Whether the token's service does not have the function."""
    return error.extra.get("errorcode") == "accessexception"


def add_functions(names: Sequence[str]) -> str:
    """Where an administrator adds functions to the service."""
    return f"Add {', '.join(names)} in Moodle: Site administration, Server, Web services, External services, Functions."


def _refusal(function: Function, found: dict[str, Any]) -> PartnerError:
    code = reading.text(found.get("errorcode")) or "unknown"
    said = (reading.text(found.get("message")) or code)[:300]
    if code == "invalidtoken":
        return PartnerRefusedError("Moodle does not know this token, or it has run out.", errorcode=code)
    if code in _DOWN:
        return PartnerUnreachableError(f"The Moodle site is down or under maintenance ({code}).", errorcode=code)
    if code == "accessexception":
        return PartnerRefusedError(
            f"The token's service does not allow {function}.", hint=add_functions([function]), errorcode=code
        )
    kind = PartnerRefusedError if code in _NOT_YOURS | _TOKEN_BAD else PartnerAnswerError
    return kind(
        f"Moodle says to {function}: {said} ({code}).",
        hint="Give the token's user the right that is missing, in the course or at system level."
        if kind is PartnerRefusedError
        else "Moodle's own words say what is wrong; its log (Reports, Logs) knows more.",
        errorcode=code,
    )


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested arguments as PHP reads them: ``users[0][email]``."""
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _flat(inner, f"{prefix}[{name}]" if prefix else str(name))
    else:
        yield prefix, str(value)
