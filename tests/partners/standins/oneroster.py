"""A stand-in for a OneRoster service, 1.2 or 1.1, written from the standard's operations, parameters and error bodies.

It checks the token and its scopes, caps ``limit``, and knows only the parameters and paths that the standard has.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

CLIENT, SECRET = "courseyard", "s3cret"  # of the stand-in
SCOPE = "https://purl.imsglobal.org/spec/or/{}/scope/"

ROSTERING = {"academicSessions", "classes", "courses", "enrollments", "orgs", "users"}
GRADEBOOK = {"categories", "lineItems", "results", "scoreScales"}
SINGULAR = {
    "academicSessions": "academicSession", "classes": "class", "courses": "course", "enrollments": "enrollment", "orgs": "org",
    "users": "user", "categories": "category", "lineItems": "lineItem", "results": "result", "scoreScales": "scoreScale",
}  # fmt: skip
PARAMETERS = {"limit", "offset", "sort", "orderBy", "filter", "fields"}
FIELDS = {"sourcedId", "dateLastModified", "status", "title", "familyName"}
THEN = "2026-01-10T08:00:00.000Z"


def failure(status: int, minor: str, words: str) -> Response:
    return JSONResponse(
        {
            "imsx_codeMajor": "failure", "imsx_severity": "error", "imsx_description": words,
            "imsx_CodeMinor": {"imsx_codeMinorField": [{"imsx_codeMinorFieldName": "TargetEndSystem", "imsx_codeMinorFieldValue": minor}]},
        },
        status,
    )  # fmt: skip


def to(kind: str, identifier: str) -> dict[str, str]:
    """A reference, as it stands in rows."""
    return {"href": f"https://sis.example/{kind}/{identifier}", "sourcedId": identifier, "type": kind}


@dataclass
class Service:
    """A service. ``answers`` of a test come before anything else; ``calls`` are the paths that were asked for."""

    version: str = "1.2"
    rows: dict[str, list[Any]] = field(default_factory=dict)
    allowed: set[str] = field(default_factory=lambda: {"roster.readonly", "gradebook.readonly"})
    tokens: dict[str, set[str]] = field(default_factory=dict)
    expires_in: Any = 3600
    most: int = 100
    counts: bool = True
    links: bool = True
    answers: list[Response] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    headers: list[tuple[str, str | None]] = field(default_factory=list)

    @property
    def app(self) -> Starlette:
        """The service and a token endpoint at /token."""
        return Starlette(
            routes=[Route("/token", self.token, methods=["POST"]), Route("/{path:path}", self.serve, methods=["GET"])]
        )

    @property
    def base(self) -> str:
        return SCOPE.format("v1p1" if self.version == "1.1" else "v1p2")

    def add(self, kind: str, identifier: str, /, **facts: Any) -> dict[str, Any]:
        row = {"sourcedId": identifier, "status": "active", "dateLastModified": THEN} | facts
        self.rows.setdefault(kind, []).append(row)
        return row

    def one(self, kind: str, identifier: str) -> dict[str, Any]:
        return next(row for row in self.rows[kind] if row["sourcedId"] == identifier)

    def touch(self, kind: str, identifier: str, at: str, /, **facts: Any) -> None:
        self.one(kind, identifier).update(facts | {"dateLastModified": at})

    async def token(self, request: Request) -> Response:
        self.headers.append(("/token", request.headers.get("authorization")))
        packed = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {packed}":
            return JSONResponse({"error": "invalid_client"}, 401)
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        if form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        asked = set(form.get("scope", "").split())
        granted = {self.base + name for name in self.allowed} & asked
        if asked and not granted:
            return JSONResponse({"error": "invalid_scope"}, 400)
        name = f"token{len(self.tokens)}"
        self.tokens[name] = {scope.rpartition("/")[2] for scope in granted} if asked else self.allowed
        return JSONResponse({"access_token": name, "token_type": "Bearer", "expires_in": self.expires_in})

    async def serve(self, request: Request) -> Response:
        path = request.scope["raw_path"].decode()
        if path == "/":
            return Response()
        self.calls.append(path)
        self.headers.append((path, request.headers.get("authorization")))
        if self.answers:
            return self.answers.pop(0)
        scopes = self.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if scopes is None:
            return failure(401, "unauthorisedrequest", "The token is not known.")
        parts = [unquote(part) for part in path.split("/")[1:]]
        if self.version == "1.1":
            if parts[:3] != ["ims", "oneroster", "v1p1"]:
                return Response("Not found", 404)
            parts = parts[3:]
        elif parts[:2] == ["ims", "oneroster"] and parts[2:4] in (["rostering", "v1p2"], ["gradebook", "v1p2"]):
            service, parts = parts[2], parts[4:]
            if (self.gradebook(parts)) != (service == "gradebook"):
                return Response("Not found", 404)
        else:
            return Response("Not found", 404)
        if ("gradebook.readonly" if self.gradebook(parts) else "roster.readonly") not in scopes:
            return failure(403, "forbidden", "The scope is missing.")
        return self.read(parts, dict(request.query_params), request)

    def gradebook(self, parts: list[str]) -> bool:
        return parts[0] in GRADEBOOK or (len(parts) == 3 and parts[2] in GRADEBOOK)

    def read(self, parts: list[str], query: dict[str, str], request: Request) -> Response:
        match parts:
            case [kind] if kind in ROSTERING | GRADEBOOK:
                return self.listed(kind, self.rows.get(kind, []), query, request)
            case [kind, identifier] if kind in SINGULAR:
                found = [r for r in self.rows.get(kind, []) if r["sourcedId"] == identifier]
                return (
                    JSONResponse({SINGULAR[kind]: found[0]}) if found else failure(404, "unknownobject", "Not known.")
                )
            case ["classes", identifier, kind] if kind in ("students", "lineItems", "results"):
                if not any(r["sourcedId"] == identifier for r in self.rows["classes"]):
                    return failure(404, "unknownobject", "No such class.")
                return self.listed(
                    "users" if kind == "students" else kind, self.of_class(identifier, kind), query, request
                )
        return Response("Not found", 404)

    def of_class(self, identifier: str, kind: str) -> list[Any]:
        if kind == "lineItems":
            return [r for r in self.rows.get(kind, []) if r["class"]["sourcedId"] == identifier]
        if kind == "results":
            items = {r["sourcedId"] for r in self.of_class(identifier, "lineItems")}
            return [r for r in self.rows.get(kind, []) if r["lineItem"]["sourcedId"] in items]
        inside = {
            e["user"]["sourcedId"]
            for e in self.rows.get("enrollments", [])
            if e["class"]["sourcedId"] == identifier and e["role"] == "student" and e["status"] == "active"
        }
        return [u for u in self.rows.get("users", []) if u["sourcedId"] in inside]

    def listed(self, kind: str, rows: list[Any], query: dict[str, str], request: Request) -> Response:
        if unknown := set(query) - PARAMETERS:
            return failure(400, "invaliddata", f"Unknown parameters {unknown}.")
        if query.get("sort", "sourcedId") not in FIELDS or query.get("orderBy", "asc") not in ("asc", "desc"):
            return failure(400, "invalid_sort_field", "Cannot sort by this.")
        if "filter" in query:
            found = re.fullmatch(r"dateLastModified(>=?)'([^']+)'", query["filter"])
            if found is None:
                return failure(400, "invalid_filter_field", "Cannot filter by this.")
            after = datetime.fromisoformat(found[2])
            rows = [r for r in rows if datetime.fromisoformat(r["dateLastModified"]) > after]
        rows = sorted(rows, key=lambda r: str(r.get("sourcedId")) if isinstance(r, dict) else "")
        offset, limit = int(query.get("offset", 0)), min(int(query.get("limit", 100)), self.most)
        piece = rows[offset : offset + limit]
        headers = {"X-Total-Count": str(len(rows))} if self.counts else {}
        if self.links:
            links = [f'<{request.url.include_query_params(offset=0)}>; rel="first"']
            if offset + limit < len(rows):
                links.append(f'<{request.url.include_query_params(offset=offset + limit)}>; rel="next"')
            headers["Link"] = ", ".join(links)
        return JSONResponse({kind: piece}, headers=headers)


def school(version: str = "1.2") -> Service:
    """A school with two classes: maths with two students and a teacher, and a class of its own spelling of ids."""
    service = Service(version)
    service.add("courses", "c-maths", title="Mathematics", courseCode="MA", subjects=["Maths"])
    service.add("academicSessions", "t1", title="Autumn", type="term", startDate="2026-08-15", endDate="2026-12-20")
    service.add("classes", "m1", title="Maths 1a", classCode="MA-1a", classType="scheduled", course=to("course", "c-maths"),
                school=to("org", "s1"), terms=[to("academicSession", "t1")], grades=["09"], subjects=[], location="Room 4")  # fmt: skip
    service.add("classes", "x/2 ü", title="Other", course=to("course", "c-gone"), school=to("org", "s1"), terms=[])
    for who, given in (("u1", "Anna"), ("u2", "Ben"), ("t9", "Tess")):
        service.add("users", who, givenName=given, familyName="Ahn", email=f"{who}@example.org", identifier=f"P-{who}", username=who, enabledUser="true")  # fmt: skip
    for who, role in (("u1", "student"), ("u2", "student"), ("t9", "teacher")):
        service.add("enrollments", f"e-{who}", user=to("user", who), role=role, school=to("org", "s1"), beginDate="2026-08-15",
                    **{"class": to("class", "m1")})  # fmt: skip
    for item, title, facts in (
        ("l1", "Test", {"resultValueMin": 0, "resultValueMax": 20}),
        ("l2", "Essay", {"scoreScale": to("scoreScale", "sc")}),
        ("l3", "Talk", {}),
    ):
        service.add("lineItems", item, title=title, dueDate="2026-10-01", category=to("category", "k1"), **{"class": to("class", "m1")}, **facts)  # fmt: skip
    service.add("scoreScales", "sc", title="Letters", type="Letters", scoreScaleValue=[
        {"itemValueLHS": "A", "itemValueRHS": "90-100"}, {"itemValueLHS": "B", "itemValueRHS": "70-89"}])  # fmt: skip
    service.add("results", "r1", lineItem=to("lineItem", "l1"), student=to("user", "u1"), scoreStatus="fully graded", score=15.0, scoreDate="2026-09-30")  # fmt: skip
    service.add("results", "r2", lineItem=to("lineItem", "l2"), student=to("user", "u1"), scoreStatus="fullyGraded", textScore="a", scoreDate="2026-10-02")  # fmt: skip
    service.add("results", "r3", lineItem=to("lineItem", "l1"), student=to("user", "u2"), scoreStatus="submitted")
    return service
