"""A stand-in for SCORM Cloud's API v2, written from its reference and from what its own clients send and expect."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

APP, SECRET = "APPID123", "s3cret/key+"  # of the stand-in

LIST = {"since", "until", "datetimeFilter", "tags", "filter", "filterBy", "orderBy", "more", "includeTotalCount"}
RESULTS = {"includeChildResults", "includeInteractionsAndObjectives", "includeRuntime"}
REGISTRATION = {
    "courseId", "learner", "registrationId", "xapiRegistrationId", "learnerTags", "courseTags", "registrationTags",
    "postBack", "initialRegistrationState", "initialSettings",
}  # fmt: skip
LAUNCH = {
    "expiry", "redirectOnExitUrl", "tracking", "startSco", "culture", "cssUrl", "learnerTags", "courseTags",
    "registrationTags", "additionalvalues", "launchAuth",
}  # fmt: skip


class RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.response = JSONResponse({"message": message}, status)


def activity(identifier: str, **facts: Any) -> dict[str, Any]:
    """An activity as results tell it, not attempted."""
    return {
        "id": identifier, "title": f"Title of {identifier}", "attempts": 0, "activityCompletion": "UNKNOWN",
        "activitySuccess": "UNKNOWN", "timeTracked": "0000:00:00.00", "completionAmount": {"scaled": 0.0},
        "suspended": False, "children": [], "objectives": [],
    } | facts  # fmt: skip


@dataclass
class Cloud:
    """One application. ``answers`` of a test come before anything else."""

    courses: list[Any] = field(default_factory=list)
    registrations: dict[str, Any] = field(default_factory=dict)
    postbacks: dict[str, Any] = field(default_factory=dict)
    answers: list[Response] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    page: int = 100
    # Paths that these credentials may not use.
    forbidden: set[str] = field(default_factory=set)

    @property
    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self.serve, methods=["GET", "HEAD", "POST", "DELETE", "PUT"])])

    def course(self, identifier: str, **facts: Any) -> None:
        self.courses.append(
            {
                "id": identifier, "title": f"Course {identifier}", "xapiActivityId": f"http://x/{identifier}",
                "created": "2026-01-01T10:00:00.000Z", "updated": "2026-02-01T10:00:00.000Z", "version": 0,
                "registrationCount": 0, "courseLearningStandard": "SCORM12", "tags": [], "dispatched": False,
            }
            | facts
        )  # fmt: skip

    def register(self, identifier: str, course: str, learner: str, **facts: Any) -> None:
        self.registrations[identifier] = {
            "id": identifier, "instance": 0, "xapiRegistrationId": "8a2c1f5e-6f3d-4c5b-9a53-6e0f0f2b9a11",
            "updated": "2026-03-01T10:00:00.000Z", "registrationCompletion": "UNKNOWN", "registrationCompletionAmount": 0.0,
            "registrationSuccess": "UNKNOWN", "totalSecondsTracked": 0.0, "createdDate": "2026-02-20T09:00:00.000Z",
            "course": {"id": course, "title": f"Course {course}", "version": 0},
            "learner": {"id": learner, "email": f"{learner}@example.org", "firstName": learner.title(), "lastName": "Ahn"},
            "tags": [], "globalObjectives": [], "sharedData": [],
            "activityDetails": activity("ORG", children=[activity("sco1"), activity("sco2")]),
        } | facts  # fmt: skip

    async def serve(self, request: Request) -> Response:
        path = request.scope["raw_path"].decode()
        if path == "/":
            return Response()
        self.calls.append(f"{request.method} {path}")
        if self.answers:
            return self.answers.pop(0)
        packed = base64.b64encode(f"{APP}:{SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {packed}":
            return JSONResponse({"error": "Authorization Required."}, 401)
        parts = [unquote(part) for part in path.split("/") if part]
        if parts[:2] != ["api", "v2"]:
            return Response("<html>Not found</html>", 404, media_type="text/html")
        if parts[2] in self.forbidden:
            return JSONResponse({"message": "Access denied"}, 403)
        body = json.loads(await request.body() or b"{}")
        try:
            answer = self.run(request.method, parts[2:], dict(request.query_params), body)
        except RefusedError as refused:
            return refused.response
        return Response(status_code=204) if answer is None else JSONResponse(answer)

    def run(self, method: str, parts: list[str], query: dict[str, str], body: dict[str, Any]) -> Any:
        match method, parts:
            case "GET", ["ping"]:
                return {"apiMessage": "pong: welcome to the API", "currentTime": datetime.now(UTC).isoformat()}
            case "GET", ["courses"]:
                known(query, LIST | {"includeCourseMetadata", "includeRegistrationCount"})
                courses = self.courses
                if query.get("includeCourseMetadata") != "true":
                    courses = [without(c, "metadata") if isinstance(c, dict) else c for c in courses]
                return self.listed("courses", courses, query)
            case "GET", ["registrations"]:
                known(query, LIST | RESULTS | {"courseId", "learnerId"})
                if "courseId" in query and not any(c["id"] == query["courseId"] for c in self.courses):
                    raise RefusedError(404, "courseId not found")
                found = [
                    results(r, query) if isinstance(r, dict) else r
                    for r in self.registrations.values()
                    if not isinstance(r, dict)
                    or (query.get("courseId") in (None, r["course"]["id"]) and query.get("learnerId") in (None, r["learner"]["id"]))
                ]  # fmt: skip
                return self.listed("registrations", found, query)
            case "POST", ["registrations"]:
                return self.make(body)
            case "GET", ["registrations", identifier]:
                return results(self.registration(identifier), query)
            case "DELETE", ["registrations", identifier]:
                self.registration(identifier)
                del self.registrations[identifier]
                return None
            case "POST", ["registrations", identifier, "launchLink"]:
                self.registration(identifier)
                known(body, LAUNCH)
                if not 10 <= body.get("expiry", 120) <= 300:
                    raise RefusedError(400, "expiry is out of range")
                target = body["redirectOnExitUrl"]
                if target not in ("closer", "blank", "message") and not httpx.URL(target).is_absolute_url:
                    raise RefusedError(400, "redirectOnExitUrl is not a valid url")
                return {
                    "launchLink": f"https://cloud.example/api/cloud/registration/launch/{quote(identifier)}?jwt=abc"
                }
        raise RefusedError(404, "Not Found")

    def registration(self, identifier: str) -> Any:
        if identifier not in self.registrations:
            raise RefusedError(404, f"Could not find registration {identifier}")
        return self.registrations[identifier]

    def make(self, body: dict[str, Any]) -> None:
        known(body, REGISTRATION)
        known(body["learner"], {"id", "email", "firstName", "lastName"})
        if not any(c["id"] == body["courseId"] for c in self.courses):
            raise RefusedError(404, f"Could not find course {body['courseId']}")
        identifier = body["registrationId"]
        if identifier in self.registrations:
            raise RefusedError(400, f"A registration with id {identifier} already exists")
        if body["learner"].get("id") == "forbidden":
            raise RefusedError(400, "This learner is not allowed")
        if "postBack" in body:
            known(body["postBack"], {"url", "authType", "userName", "password", "resultsFormat", "legacy"})
            self.postbacks[identifier] = body["postBack"]
        self.register(identifier, body["courseId"], body["learner"]["id"])
        self.registrations[identifier]["learner"] = body["learner"]

    def listed(self, name: str, found: list[Any], query: dict[str, str]) -> dict[str, Any]:
        if since := query.get("since"):
            after = datetime.fromisoformat(since)
            after = after if after.tzinfo else after.replace(tzinfo=UTC)
            found = [f for f in found if datetime.fromisoformat(f["updated"]) >= after]
        start = 0
        if "more" in query:
            try:
                start = int(base64.b64decode(query["more"]))
            except ValueError:
                raise RefusedError(400, "more is not valid") from None
        piece = found[start : start + self.page]
        rest = start + self.page < len(found)
        token = base64.b64encode(str(start + self.page).encode()).decode()
        return {name: piece} | ({"more": token} if rest else {})


def known(given: dict[str, Any], names: set[str]) -> None:
    if unknown := set(given) - names:
        raise RefusedError(400, f"Unknown: {sorted(unknown)}")


def without(found: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key != name}


def results(found: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
    """With all activities where they are asked for, else with the top one alone."""
    if query.get("includeChildResults") == "true" or "activityDetails" not in found:
        return found
    return found | {"activityDetails": without(found["activityDetails"], "children")}
