"""A stand-in for a Moodle site: its web service endpoint as Moodle 4.5 behaves, written from Moodle's own source.

Functions check their parameters as Moodle does (unknown or missing ones are ``invalidparameter``), know which functions
the token's service has and which capabilities its user lacks, and answer errors with HTTP 200.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

TOKEN = "0123456789abcdef0123456789abcdef"  # of the stand-in


class MoodleError(Exception):
    """An exception of Moodle's, which goes out with HTTP 200."""

    def __init__(self, code: str, message: str, exception: str = "core\\exception\\moodle_exception") -> None:
        super().__init__(message)
        self.body = {"exception": exception, "errorcode": code, "message": message}


def missing(table: str) -> MoodleError:
    return MoodleError(
        "invalidrecord", f"Can't find data record in database table {table}.", "dml_missing_record_exception"
    )


def bad_parameter(detail: str) -> MoodleError:
    return MoodleError(
        "invalidparameter", f"Invalid parameter value detected ({detail})", "invalid_parameter_exception"
    )


# Parameters of each function: name to whether it must be there.
PARAMETERS: dict[str, dict[str, bool]] = {
    "core_webservice_get_site_info": {"serviceshortnames": False},
    "core_course_get_categories": {"criteria": False, "addsubcategories": False},
    "core_course_get_courses_by_field": {"field": False, "value": False},
    "core_course_get_contents": {"courseid": True, "options": False},
    "core_enrol_get_enrolled_users": {"courseid": True, "options": False},
    "core_enrol_get_users_courses": {"userid": True, "returnusercount": False},
    "core_completion_get_activities_completion_status": {"courseid": True, "userid": True},
    "core_completion_get_course_completion_status": {"courseid": True, "userid": True},
    "gradereport_user_get_grade_items": {"courseid": True, "userid": False, "groupid": False},
    "core_badges_get_user_badges": dict.fromkeys(
        ("userid", "courseid", "page", "perpage", "search", "onlypublic"), False
    ),
    "mod_scorm_get_scorm_scoes": {"scormid": True, "organization": False},
    "mod_scorm_get_scorm_sco_tracks": {"scoid": True, "userid": True, "attempt": False},
    "core_user_get_users_by_field": {"field": True, "values": True},
    "core_user_create_users": {"users": True},
    "enrol_manual_enrol_users": {"enrolments": True},
    "enrol_manual_unenrol_users": {"enrolments": True},
    "auth_userkey_request_login_url": {"user": True},
}
ACCOUNT = {
    "username", "password", "createpassword", "firstname", "lastname", "email", "auth", "idnumber", "lang", "city",
    "country", "timezone", "description", "preferences", "customfields",
}  # fmt: skip


@dataclass
class Site:
    """What stands on the site. ``answers`` of a test come before anything else; ``calls`` are the functions called."""

    functions: set[str] = field(default_factory=lambda: set(PARAMETERS))
    lacks: set[str] = field(default_factory=set)
    answers: list[Response] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    categories: list[Any] = field(default_factory=list)
    courses: dict[int, dict[str, Any]] = field(default_factory=dict)
    users: dict[int, dict[str, Any]] = field(default_factory=dict)
    # (course, user) to {"suspended", "lastcourseaccess", "roles", "way"}
    enrolled: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    contents: dict[int, Any] = field(default_factory=dict)
    # (course, user) to the statuses, the completion of the course, and grade items
    statuses: dict[tuple[int, int], Any] = field(default_factory=dict)
    completed: dict[tuple[int, int], Any] = field(default_factory=dict)
    grades: dict[tuple[int, int], Any] = field(default_factory=dict)
    badges: dict[int, list[Any]] = field(default_factory=dict)
    # Of the plugin auth_userkey: the mapping field, and whose link is what.
    mapped_by: str = "email"
    login_at: str = ""
    # package to its SCOs; (SCO, user) to the number of the last attempt and its tracks
    scos: dict[int, list[int]] = field(default_factory=dict)
    tracks: dict[tuple[int, int], tuple[int, dict[str, str]]] = field(default_factory=dict)

    @property
    def app(self) -> Starlette:
        """The site in the folder /moodle of its server."""
        path = "/moodle/webservice/rest/server.php"
        return Starlette(routes=[Route(path, self.serve, methods=["GET", "POST"])])

    def enrol(
        self, course: int, user: int, *, access: int | None = 0, suspended: bool = False, role: str = "student"
    ) -> None:
        self.enrolled[course, user] = {
            "suspended": suspended, "lastcourseaccess": access, "way": "manual",
            "roles": [{"roleid": 5, "name": "", "shortname": role, "sortorder": 0}],
        }  # fmt: skip

    async def serve(self, request: Request) -> Response:
        given = dict(request.query_params) | {k: str(v) for k, v in (await request.form()).items()}
        self.urls.append(str(request.url))
        token, function = given.pop("wstoken", None), given.pop("wsfunction", "")
        if given.pop("moodlewsrestformat", "xml") != "json":
            return PlainTextResponse("<EXCEPTION/>", media_type="application/xml")
        self.calls.append(function)
        if self.answers:
            return self.answers.pop(0)
        try:
            return JSONResponse(self.run(token, function, unpack(given)))
        except MoodleError as error:
            return JSONResponse(error.body)

    def run(self, token: str | None, function: str, given: dict[str, Any]) -> Any:
        if token != TOKEN:
            raise MoodleError("invalidtoken", "Invalid token - token not found")
        if function not in PARAMETERS:
            raise MoodleError("invalidrecord", "Can't find data record in database table external_functions.", "dml_missing_record_exception")  # fmt: skip
        if function not in self.functions:
            raise MoodleError("accessexception", "Access control exception", "webservice_access_exception")
        known = PARAMETERS[function]
        if unexpected := set(given) - set(known):
            raise bad_parameter(f"Unexpected keys ({', '.join(sorted(unexpected))}) detected in parameter array.")
        for name, needed in known.items():
            if needed and name not in given:
                raise bad_parameter(f"Missing required key in single structure: {name}")
        return getattr(self, function)(**given)

    def require(self, capability: str) -> None:
        if capability in self.lacks:
            raise MoodleError(
                "nopermissions",
                f"Sorry, but you do not currently have permissions to do that ({capability}).",
                "required_capability_exception",
            )

    def core_webservice_get_site_info(self) -> Any:
        return {
            "sitename": "Feuerwehrschule", "username": "courseyard", "firstname": "Course", "lastname": "Yard",
            "fullname": "Course Yard", "lang": "en", "userid": 3, "siteurl": "https://example.org/moodle",
            "functions": [{"name": name, "version": "2024100700"} for name in sorted(self.functions)],
            "downloadfiles": 0, "uploadfiles": 0, "release": "4.5.2 (Build: 20250210)", "version": "2024100702",
            "mobilecssurl": "", "advancedfeatures": [], "usercanmanageownfiles": True, "userquota": 0, "usermaxuploadfilesize": -1,
        }  # fmt: skip

    def auth_userkey_request_login_url(self, user: dict[str, str]) -> Any:
        if set(user) != {self.mapped_by}:
            raise bad_parameter(f"user => Missing required key in single structure: {self.mapped_by}")
        found = [one for one in self.users.values() if str(one[self.mapped_by]) == user[self.mapped_by]]
        if len(found) != 1:
            raise MoodleError("invalidparameter", "Invalid parameter value detected (User is not exist)", "invalid_parameter_exception")  # fmt: skip
        return {"loginurl": f"{self.login_at}/auth/userkey/login.php?key=key-of-{found[0]['id']}"}

    def core_course_get_categories(self) -> Any:
        return self.categories

    def core_course_get_courses_by_field(self, field: str = "", value: str = "") -> Any:
        self.require("moodle/course:view")
        courses = list(self.courses.values())
        match field:
            case "":
                pass
            case "id":
                courses = [c for c in courses if str(c["id"]) == value]
            case "category":
                courses = [c for c in courses if str(c["categoryid"]) == value]
            case _:
                raise bad_parameter("Invalid field name")
        return {"courses": courses, "warnings": []}

    def core_course_get_contents(self, courseid: str, options: Any = ()) -> Any:
        for option in options:
            assert set(option) == {"name", "value"}
        return self.contents.get(int(courseid), [])

    def core_enrol_get_enrolled_users(self, courseid: str, options: Any = ()) -> Any:
        course = int(courseid)
        if course not in self.courses:
            raise missing("course")
        if f"course {course}" in self.lacks:
            raise MoodleError("nopermissions", "Sorry, but you do not currently have permissions to do that (View participants).", "required_capability_exception")  # fmt: skip
        chosen = {option["name"]: option["value"] for option in options}
        if {"onlyactive", "onlysuspended"} & set(chosen):
            self.require("moodle/course:enrolreview")
        rows = []
        for (where, who), enrolment in sorted(self.enrolled.items()):
            if where != course or (chosen.get("onlyactive") == "1" and enrolment["suspended"]):
                continue
            if chosen.get("onlysuspended") == "1" and not enrolment["suspended"]:
                continue
            rows.append(self.users[who] | {k: enrolment[k] for k in ("lastcourseaccess", "roles")})
        start, count = int(chosen.get("limitfrom", 0)), int(chosen.get("limitnumber", 0))
        rows = rows[start : start + count] if count else rows[start:]
        wanted = chosen["userfields"].split(",") if chosen.get("userfields") else None
        hidden = {"lastcourseaccess"} if "moodle/course:viewhiddenuserfields" in self.lacks else set()
        return [{k: v for k, v in row.items() if (not wanted or k in wanted) and k not in hidden} for row in rows]

    def core_enrol_get_users_courses(self, userid: str, returnusercount: str = "1") -> Any:
        return [
            self.courses[course] | {
                "progress": None, "completed": bool(self.completed.get((course, user))), "lastaccess": enrolment["lastcourseaccess"],
            }
            for (course, user), enrolment in self.enrolled.items()
            if user == int(userid) and not enrolment["suspended"] and course in self.courses
        ]  # fmt: skip

    def core_completion_get_activities_completion_status(self, courseid: str, userid: str) -> Any:
        self.require("report/progress:view")
        if f"user {userid}" in self.lacks:
            raise MoodleError("accessdenied", "Access denied")
        return {"statuses": self.statuses.get((int(courseid), int(userid)), []), "warnings": []}

    def core_completion_get_course_completion_status(self, courseid: str, userid: str) -> Any:
        where = (int(courseid), int(userid))
        if where not in self.completed:
            raise MoodleError("nocriteriaset", "No completion criteria set for this course")
        at = self.completed[where]
        row = {
            "type": 4, "title": "Activity completion", "status": "Yes" if at else "No", "complete": bool(at), "timecompleted": at,
            "details": {"type": "Activity completion", "criteria": "", "requirement": "", "status": ""},
        }  # fmt: skip
        return {"completionstatus": {"completed": bool(at), "aggregation": 1, "completions": [row]}, "warnings": []}

    def gradereport_user_get_grade_items(self, courseid: str, userid: str = "0", groupid: str = "0") -> Any:
        self.require("moodle/grade:viewall")
        items = self.grades.get((int(courseid), int(userid)), [])
        head = {"courseid": int(courseid), "userid": int(userid), "userfullname": "", "useridnumber": "", "maxdepth": 2}
        return {"usergrades": [head | {"gradeitems": items}], "warnings": []}

    def mod_scorm_get_scorm_scoes(self, scormid: str, organization: str = "") -> Any:
        if f"scorm {scormid}" in self.lacks:
            raise MoodleError("notopenyet", "Sorry, this activity is not available until …")
        scos = self.scos.get(int(scormid), [])
        head = {"scorm": int(scormid), "manifest": "m", "organization": "", "parent": "/", "launch": ""}
        rows = [head | {"id": int(scormid) * 10, "identifier": "org", "scormtype": "", "title": "All", "sortorder": 1}]
        for number, sco in enumerate(scos, 2):
            more = {"identifier": f"i{sco}", "launch": "index.html", "scormtype": "sco", "title": f"Part {number}"}
            rows.append(head | {"id": sco, "sortorder": number} | more)
        rows.append(
            head | {"id": 99_999, "identifier": "pdf", "scormtype": "asset", "title": "Slides", "sortorder": 99}
        )
        return {"scoes": rows, "warnings": []}

    def mod_scorm_get_scorm_sco_tracks(self, scoid: str, userid: str, attempt: str = "0") -> Any:
        self.require("mod/scorm:viewreport")
        assert attempt == "0"
        number, tracks = self.tracks.get((int(scoid), int(userid)), (1, {}))
        told = {"score_raw": "", "status": "", "total_time": "00:00:00", "timemodified": "0"} | tracks if tracks else {}
        return {
            "data": {"attempt": number, "tracks": [{"element": k, "value": v} for k, v in told.items()]},
            "warnings": []
            if told
            else [{"item": "attempt", "itemid": number, "warningcode": "notattempted", "message": ""}],
        }

    def core_badges_get_user_badges(self, userid: str = "0", **_: str) -> Any:
        self.require("moodle/badges:viewotherbadges")
        return {"badges": self.badges.get(int(userid), []), "warnings": []}

    def core_user_get_users_by_field(self, field: str, values: list[str]) -> Any:
        if field not in {"id", "idnumber", "username", "email"}:
            raise bad_parameter("The search field is unknown")
        return [u for u in self.users.values() if str(u.get(field, "")).lower() in {v.lower() for v in values}]

    def core_user_create_users(self, users: list[dict[str, str]]) -> Any:
        self.require("moodle/user:create")
        made = []
        for user in users:
            if unexpected := set(user) - ACCOUNT:
                raise bad_parameter(f"users => Unexpected keys ({', '.join(sorted(unexpected))})")
            for name in ("username", "firstname", "lastname", "email"):
                if not user.get(name):
                    raise bad_parameter(f"users => Missing required key in single structure: {name}")
            if re.search(r"[^-.@_a-z0-9]", user["username"]):
                raise bad_parameter(f"The username contains invalid characters: {user['username']}")
            if any(u["username"] == user["username"] for u in self.users.values()):
                raise bad_parameter(f"Username already exists: {user['username']}")
            if any(u["email"].lower() == user["email"].lower() for u in self.users.values()):
                raise bad_parameter(f"Email address already exists: {user['email']}")
            if user.get("auth", "manual") == "manual" and not (
                user.get("password") or user.get("createpassword") == "1"
            ):
                raise bad_parameter("Invalid password: you must provide a password, or set createpassword.")
            identifier = max(self.users, default=1) + 1
            self.users[identifier] = {
                "id": identifier, "username": user["username"], "email": user["email"], "idnumber": user.get("idnumber", ""),
                "fullname": f"{user['firstname']} {user['lastname']}", "auth": user.get("auth", "manual"),
            }  # fmt: skip
            made.append({"id": identifier, "username": user["username"]})
        return made

    def enrol_manual_enrol_users(self, enrolments: list[dict[str, str]]) -> None:
        self.require("enrol/manual:enrol")
        for one in enrolments:
            if unexpected := set(one) - {"roleid", "userid", "courseid", "timestart", "timeend", "suspend"}:
                raise bad_parameter(f"enrolments => Unexpected keys ({unexpected})")
            if one["roleid"] != "5":
                raise MoodleError("wsusercannotassign", "You don't have the permission to assign this role.")
            if not self.courses[int(one["courseid"])].get("manual", True):
                raise MoodleError(
                    "wsnoinstance", "Manual enrolment plugin instance doesn't exist or is disabled for the course"
                )
            self.enrol(int(one["courseid"]), int(one["userid"]), suspended=one.get("suspend") == "1")

    def enrol_manual_unenrol_users(self, enrolments: list[dict[str, str]]) -> None:
        self.require("enrol/manual:unenrol")
        for one in enrolments:
            where = (int(one["courseid"]), int(one["userid"]))
            if self.enrolled.get(where, {}).get("way") == "manual":
                del self.enrolled[where]


def unpack(flat: dict[str, str]) -> dict[str, Any]:
    """``a[0][b]=c`` as PHP reads it; numbered arrays become lists."""
    found: dict[str, Any] = {}
    for name, value in flat.items():
        keys = re.findall(r"^[^\[]+|(?<=\[)[^\]]*(?=\])", name)
        place = found
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        place[keys[-1]] = value
    return {name: _lists(value) for name, value in found.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _lists(one) for key, one in value.items()}
    return list(inner.values()) if all(key.isdecimal() for key in inner) else inner


def course(identifier: int, name: str, category: int = 2, **more: Any) -> dict[str, Any]:
    """A course as core_course_get_courses_by_field tells it."""
    return {
        "id": identifier, "fullname": name, "displayname": name, "shortname": f"C{identifier}", "categoryid": category,
        "categoryname": "Safety", "sortorder": 10001, "summary": f"<p>About <b>{name}</b>.</p>", "summaryformat": 1,
        "summaryfiles": [], "overviewfiles": [], "contacts": [], "enrollmentmethods": ["manual"], "idnumber": f"ext-{identifier}",
        "format": "topics", "showgrades": 1, "newsitems": 5, "startdate": 1767225600, "enddate": 0, "maxbytes": 0,
        "visible": 1, "groupmode": 0, "enablecompletion": 1, "lang": "", "timecreated": 1767225600, "timemodified": 1767312000,
        "customfields": [],
    } | more  # fmt: skip


def status(cmid: int, state: int, at: int = 0, modname: str = "scorm", tracking: int = 2) -> dict[str, Any]:
    """An activity as core_completion_get_activities_completion_status tells it."""
    return {
        "cmid": cmid, "modname": modname, "instance": cmid + 100, "state": state, "timecompleted": at, "tracking": tracking,
        "overrideby": None, "valueused": False, "hascompletion": True, "isautomatic": tracking == 2, "istrackeduser": True,
        "uservisible": True, "details": [], "isoverallcomplete": state in (1, 2),
    }  # fmt: skip


def grade(
    cmid: int | None, raw: float | None, low: float = 0, high: float = 100, at: int | None = None, **more: Any
) -> dict[str, Any]:
    """A grade item as gradereport_user_get_grade_items tells it; without cmid that of the course."""
    return {
        "id": (cmid or 0) + 500, "itemname": f"Item {cmid}" if cmid else None, "itemtype": "mod" if cmid else "course",
        "itemmodule": "quiz" if cmid else None, "iteminstance": (cmid or 0) + 100, "itemnumber": 0 if cmid else None, "idnumber": "",
        "categoryid": 1, "outcomeid": None, "scaleid": None, "locked": False, "graderaw": raw, "gradedatesubmitted": None,
        "gradedategraded": at, "gradehiddenbydate": False, "gradeneedsupdate": False, "gradeishidden": False,
        "gradeislocked": False, "gradeisoverridden": False, "gradeformatted": "-" if raw is None else f"{raw:.2f}",
        "grademin": low, "grademax": high, "rangeformatted": f"{low}&ndash;{high}", "percentageformatted": "-", "feedback": "",
        "feedbackformat": 0,
    } | ({"cmid": cmid} if cmid else {}) | more  # fmt: skip
