"""A stand-in for Canvas: its REST interface as documented by Instructure and as its source behaves.

Bearer tokens, Link paging with opaque page names, the headers of the cost quota, throttling as 403 with plain text (older) or
429, errors as 401 with and without WWW-Authenticate, 404, 400; parameters that Canvas does not know fail the test.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

TOKEN = "7~standinstandin"  # of the stand-in
REFRESH_TOKEN = "7~refreshrefresh"  # of the stand-in
CLIENT = ("10000000000001", "developer-key-of-the-stand-in")

PARAMETERS: dict[str, set[str]] = {
    "/users/{id}": set(),
    "/accounts/{account}": set(),
    "/accounts/{account}/permissions": {"permissions[]"},
    "/accounts/{account}/courses": {"include[]", "state[]", "search_term", "enrollment_term_id"},
    "/accounts/{account}/users": {"search_term", "include[]"},
    "/courses/{course}/users": {"enrollment_type[]", "enrollment_state[]", "include[]", "user_ids[]"},
    "/courses/{course}/enrollments": {"type[]", "state[]", "user_id"},
    "/courses/{course}/enrollments/{enrolment}": {"task"},
    "/courses/{course}/modules": {"include[]", "student_id"},
    "/courses/{course}/modules/{module}/items": {"include[]", "student_id"},
    "/courses/{course}/students/submissions": {"student_ids[]", "graded_since", "workflow_state", "include[]"},
}


class CanvasError(Exception):
    """An answer that is an error."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def not_found() -> CanvasError:
    return CanvasError(JSONResponse({"errors": [{"message": "The specified resource does not exist."}]}, 404))


def unauthorised() -> CanvasError:
    body = {"status": "unauthorized", "errors": [{"message": "user not authorized to perform that action"}]}
    return CanvasError(JSONResponse(body, 401))


@dataclass
class School:
    """What stands in Canvas. ``answers`` of a test come before anything else."""

    answers: list[Response] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    page_size: int = 100
    largest_module: int = 50
    lacks: set[str] = field(default_factory=set)
    remaining: float = 600.0
    courses: list[dict[str, Any]] = field(default_factory=list)
    users: dict[int, dict[str, Any]] = field(default_factory=dict)
    enrolments: list[dict[str, Any]] = field(default_factory=list)
    modules: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    # (user, item) whose requirement is met; (user, module) to the time of its completion
    met: set[tuple[int, int]] = field(default_factory=set)
    completed: dict[tuple[int, int], str] = field(default_factory=dict)
    submissions: list[dict[str, Any]] = field(default_factory=list)
    # Of a developer key: where people may be sent back to, whether they consent, and codes that were not used yet.
    redirects: set[str] = field(default_factory=set)
    consents: bool = True
    codes: set[str] = field(default_factory=set)
    redirected_from: str = ""

    @property
    def app(self) -> Starlette:
        def route(path: str) -> Route:
            async def serve(request: Request) -> Response:
                return await self.serve(path, request)

            return Route(f"/api/v1{path}", serve, methods=["GET", "POST", "DELETE"])

        return Starlette(
            routes=[
                *(route(path) for path in PARAMETERS),
                Route("/login/oauth2/auth", self.ask_consent, methods=["GET"]),
                Route("/login/oauth2/token", self.give_token, methods=["POST"]),
            ]
        )

    async def ask_consent(self, request: Request) -> Response:
        """Canvas's page, on which the person at once says yes, or no."""
        asked = request.query_params
        if asked["client_id"] != CLIENT[0] or asked["redirect_uri"] not in self.redirects:
            return JSONResponse({"error": "invalid_request", "error_description": "redirect_uri does not match"}, 400)
        assert asked["response_type"] == "code"
        answer = {"code": "c0de"} if self.consents else {"error": "access_denied"}
        self.redirected_from = asked["redirect_uri"]
        self.codes.add("c0de")
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer | {'state': asked['state']})}", 302)

    async def give_token(self, request: Request) -> Response:
        """Access tokens live an hour; the refresh token comes with the code alone."""
        form = {name: str(value) for name, value in (await request.form()).items()}
        if (form.get("client_id"), form.get("client_secret")) != CLIENT:
            return JSONResponse({"error": "invalid_client", "error_description": "unknown client"}, 401)
        answer = {
            "access_token": TOKEN, "token_type": "Bearer", "user": {"id": 1, "name": "Admin"}, "expires_in": 3600,
        }  # fmt: skip
        self.calls.append(f"TOKEN {form['grant_type']}")
        match form["grant_type"]:
            case "authorization_code" if form["code"] in self.codes and form["redirect_uri"] == self.redirected_from:
                self.codes.discard(form["code"])
                return JSONResponse(answer | {"refresh_token": REFRESH_TOKEN})
            case "refresh_token" if form["refresh_token"] == REFRESH_TOKEN and self.consents:
                return JSONResponse(answer)
        return JSONResponse({"error": "invalid_grant", "error_description": "not found"}, 400)

    async def serve(self, path: str, request: Request) -> Response:
        self.calls.append(f"{request.method} {request.url.path.removeprefix('/api/v1')}")
        if self.answers:
            return self.answers.pop(0)
        try:
            given = request.headers.get("authorization")
            if given != f"Bearer {TOKEN}":
                challenge = {"WWW-Authenticate": 'Bearer realm="canvas-lms"'}
                body = {"errors": [{"message": "Invalid access token." if given else "user authorization required"}]}
                raise CanvasError(JSONResponse(body, 401, challenge))
            unknown = set(request.query_params) - PARAMETERS[path] - {"per_page", "page"}
            assert not unknown, f"Canvas knows no {unknown} at {path}"
            content = await request.json() if request.method == "POST" else None
            name = f"{request.method.lower()}_{path.strip('/').replace('/', '_').replace('{', '').replace('}', '')}"
            found = getattr(self, name)(request, content)
            answer = self.paged(request, found) if isinstance(found, list) else JSONResponse(found)
        except CanvasError as error:
            answer = error.response
        answer.headers["X-Request-Cost"] = "0.21"
        answer.headers["X-Rate-Limit-Remaining"] = str(self.remaining)
        return answer

    def paged(self, request: Request, rows: list[Any]) -> Response:
        size = min(int(request.query_params.get("per_page", 10)), self.page_size)
        page = request.query_params.get("page", "")
        start = int(base64.urlsafe_b64decode(page.removeprefix("bookmark:"))) if page else 0
        answer = JSONResponse(rows[start : start + size])
        links = [f'<{request.url}>; rel="current"']
        if start + size < len(rows):
            name = "bookmark:" + base64.urlsafe_b64encode(str(start + size).encode()).decode()
            links.append(f'<{request.url.include_query_params(page=name)}>; rel="next"')
        answer.headers["Link"] = ",".join(links)
        return answer

    def require(self, right: str) -> None:
        if right in self.lacks:
            raise unauthorised()

    def course(self, request: Request) -> dict[str, Any]:
        for course in self.courses:
            if str(course["id"]) == request.path_params["course"]:
                self.require(f"course {course['id']}")
                return course
        raise not_found()

    def get_users_id(self, request: Request, _: Any) -> Any:
        identifier = request.path_params["id"]
        for user in self.users.values():
            if identifier.startswith("sis_user_id:"):
                self.require("read_sis")
            if identifier in (
                "self" if user["id"] == 1 else "",
                str(user["id"]),
                f"sis_user_id:{user.get('sis_user_id')}",
            ):
                return user
        raise not_found()

    def get_accounts_account(self, request: Request, _: Any) -> Any:
        self.require("account")
        return {
            "id": 1,
            "name": "Fire Academy",
            "workflow_state": "active",
            "parent_account_id": None,
            "root_account_id": None,
        }

    def get_accounts_account_permissions(self, request: Request, _: Any) -> Any:
        return {name: name not in self.lacks for name in request.query_params.getlist("permissions[]")}

    def get_accounts_account_courses(self, request: Request, _: Any) -> Any:
        self.require("read_course_list")
        return self.courses

    def get_accounts_account_users(self, request: Request, _: Any) -> Any:
        term = request.query_params.get("search_term", "").lower()
        if len(term) < 3:
            raise CanvasError(
                JSONResponse({"errors": [{"message": "search_term of 3 or more characters is required"}]}, 400)
            )
        return [
            u
            for u in self.users.values()
            if not u.get("elsewhere") and any(term in str(u.get(k, "")).lower() for k in ("name", "login_id", "email"))
        ]

    def post_accounts_account_users(self, request: Request, content: Any) -> Any:
        self.require("manage_user_logins")
        login = content["pseudonym"]["unique_id"]
        if any(u.get("login_id") == login for u in self.users.values()):
            message = "ID already in use for this account and authentication provider"
            error = {"attribute": "unique_id", "type": "taken", "message": message}
            raise CanvasError(JSONResponse({"errors": {"user": {}, "pseudonym": {"unique_id": [error]}}}, 400))
        identifier = max(self.users) + 1
        self.users[identifier] = {
            "id": identifier, "name": content["user"]["name"], "sortable_name": content["user"]["name"], "login_id": login,
            "sis_user_id": content["pseudonym"].get("sis_user_id"), "email": content["communication_channel"]["address"],
        }  # fmt: skip
        return {k: v for k, v in self.users[identifier].items() if k != "email"}

    def get_courses_course_users(self, request: Request, _: Any) -> Any:
        course = self.course(request)
        self.require("read_roster")
        assert request.query_params.get("enrollment_type[]") == "student"
        states = request.query_params.getlist("enrollment_state[]") or ["active", "invited"]
        rows = []
        for user in self.users.values():
            mine = [
                e for e in self.enrolments
                if e["user_id"] == user["id"] and e["course_id"] == course["id"]
                and e["type"] == "StudentEnrollment" and e["enrollment_state"] in states
            ]  # fmt: skip
            if mine:
                rows.append(
                    {k: v for k, v in user.items() if k != "sis_user_id" or "read_sis" not in self.lacks}
                    | {"enrollments": mine}
                )
        return rows

    def get_courses_course_enrollments(self, request: Request, _: Any) -> Any:
        course = self.course(request)
        states = request.query_params.getlist("state[]") or ["active", "invited"]
        user, kinds = request.query_params.get("user_id"), request.query_params.getlist("type[]")
        return [
            e for e in self.enrolments
            if e["course_id"] == course["id"] and e["enrollment_state"] in states and user in (None, str(e["user_id"])) and (not kinds or e["type"] in kinds)
        ]  # fmt: skip

    def post_courses_course_enrollments(self, request: Request, content: Any) -> Any:
        course = self.course(request)
        self.require("add_student_to_course")
        wanted = content["enrollment"]
        assert set(wanted) <= {"user_id", "type", "role_id", "enrollment_state", "course_section_id", "notify"}
        for one in self.enrolments:
            if one["course_id"] == course["id"] and str(one["user_id"]) == str(wanted["user_id"]):
                one["enrollment_state"] = wanted["enrollment_state"]
                return one
        self.enrolments.append(enrolment(len(self.enrolments) + 1900, course["id"], int(wanted["user_id"])))
        return self.enrolments[-1]

    def delete_courses_course_enrollments_enrolment(self, request: Request, _: Any) -> Any:
        self.course(request)
        self.require("remove_student_from_course")
        states = {"conclude": "completed", "inactivate": "inactive", "deactivate": "inactive", "delete": "deleted"}
        for one in self.enrolments:
            if str(one["id"]) == request.path_params["enrolment"]:
                one["enrollment_state"] = states[request.query_params.get("task", "conclude")]
                return one
        raise not_found()

    def get_courses_course_modules(self, request: Request, _: Any) -> Any:
        course = self.course(request)
        student = int(request.query_params["student_id"])
        self.require(f"user {student}")
        found = []
        for module in self.modules.get(course["id"], []):
            row = {k: v for k, v in module.items() if k != "items"} | {"items_count": len(module["items"])}
            at = self.completed.get((student, module["id"]))
            row |= {"state": "completed" if at else "started", "completed_at": at}
            if "items" in request.query_params.getlist("include[]") and len(module["items"]) <= self.largest_module:
                row["items"] = [self.item(item, student) for item in module["items"]]
            found.append(row)
        return found

    def get_courses_course_modules_module_items(self, request: Request, _: Any) -> Any:
        course = self.course(request)
        for module in self.modules.get(course["id"], []):
            if str(module["id"]) == request.path_params["module"]:
                return [self.item(item, int(request.query_params["student_id"])) for item in module["items"]]
        raise not_found()

    def item(self, item: dict[str, Any], student: int) -> dict[str, Any]:
        if "completion_requirement" not in item:
            return item
        return item | {
            "completion_requirement": item["completion_requirement"] | {"completed": (student, item["id"]) in self.met}
        }

    def get_courses_course_students_submissions(self, request: Request, _: Any) -> Any:
        course = self.course(request)
        self.require("view_all_grades")
        query = request.query_params
        wanted = query.getlist("student_ids[]")
        rows = [s for s in self.submissions if s["assignment"]["course_id"] == course["id"]]
        if wanted != ["all"]:
            rows = [s for s in rows if str(s["user_id"]) in wanted]
        if "workflow_state" in query:
            rows = [s for s in rows if s["workflow_state"] == query["workflow_state"]]
        if "graded_since" in query:
            rows = [s for s in rows if (s["graded_at"] or "") >= query["graded_since"]]
        whole = "assignment" in query.getlist("include[]")
        return [s if whole else {k: v for k, v in s.items() if k != "assignment"} for s in rows]


def throttled() -> Response:
    """As Canvas's own throttle answers: no JSON, no Retry-After."""
    return PlainTextResponse("403 Forbidden (Rate Limit Exceeded)\n", 403, {"X-Rate-Limit-Remaining": "0.0"})


def course(identifier: int, name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": identifier, "name": name, "account_id": 1, "uuid": f"u{identifier}", "start_at": None, "end_at": None,
        "course_code": f"C-{identifier}", "workflow_state": "available", "sis_course_id": f"SIS-{identifier}",
        "enrollment_term_id": 1, "created_at": "2026-01-05T08:00:00Z", "public_description": f"<p>On {name}</p>", "concluded": False,
        "term": {"id": 1, "name": "2026", "start_at": None, "end_at": None}, "account": {"id": 1, "name": "Fire Academy"},
    } | more  # fmt: skip


def enrolment(identifier: int, course: int, user: int, state: str = "active", **more: Any) -> dict[str, Any]:
    return {
        "id": identifier, "user_id": user, "course_id": course, "course_section_id": course * 10, "type": "StudentEnrollment",
        "role": "StudentEnrollment", "role_id": 3, "enrollment_state": state, "created_at": "2026-02-01T08:00:00Z",
        "updated_at": "2026-02-01T08:00:00Z", "last_activity_at": None, "total_activity_time": 0, "associated_user_id": None,
        "grades": {"current_score": None, "final_score": None, "current_grade": None, "final_grade": None},
    } | more  # fmt: skip


def module(identifier: int, name: str, *items: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": identifier, "name": name, "position": 1, "unlock_at": None, "require_sequential_progress": False,
        "requirement_type": "all", "publish_final_grade": False, "prerequisite_module_ids": [], "published": True,
        "items_url": "https://canvas.example/api/v1/…", "items": list(items),
    }  # fmt: skip


def item(identifier: int, title: str, kind: str, content: int | None = None, requirement: Any = None) -> dict[str, Any]:
    found: dict[str, Any] = {"id": identifier, "title": title, "position": 1, "indent": 0, "type": kind, "module_id": 1}
    if content is not None:
        found["content_id"] = content
    return found | ({"completion_requirement": requirement} if requirement else {})


def submission(
    course: int,
    user: int,
    assignment: int,
    state: str = "unsubmitted",
    score: float | None = None,
    graded: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    given = {
        name: more.pop(name) for name in ("quiz_id", "discussion_topic", "points_possible", "published") if name in more
    }
    return {
        "id": assignment * 1000 + user, "user_id": user, "assignment_id": assignment, "workflow_state": state, "score": score,
        "grade": None if score is None else str(score), "submitted_at": None, "graded_at": graded, "attempt": None, "late": False,
        "excused": None, "missing": False, "submission_type": None,
        "assignment": {
            "id": assignment, "course_id": course, "name": f"Task {assignment}", "points_possible": 10, "published": True,
            "grading_type": "points",
        } | given,
    } | more  # fmt: skip
