"""A stand-in for a learning record store: the Statements and About resources, written from the xAPI 1.0.3 specification.

It wants the version header and the credentials, refuses parameters that it does not know, leaves out what was voided, and
pages by ``more`` links that count from the host.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

VOIDED = "http://adlnet.gov/expapi/verbs/voided"
PARAMETERS = {
    "statementId", "voidedStatementId", "agent", "verb", "activity", "registration", "related_activities",
    "related_agents", "since", "until", "limit", "format", "attachments", "ascending",
}  # fmt: skip


def text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


@dataclass
class Lrs:
    """What is stored. ``clock`` is the store's; ``answers`` of a test come before anything else."""

    versions: tuple[str, ...] = ("1.0.3", "2.0.0")
    user: str = "key"
    password: str = "secret"  # of the stand-in
    largest: int = 1_000
    consistent: bool = True
    foreign_more: bool = False
    clock: datetime = datetime(2026, 11, 20, 12, tzinfo=UTC)
    stored: list[dict[str, Any]] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    listings: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/lrs/xapi/statements", self.statements),
                Route("/lrs/xapi/about", self.about),
                Route("/lrs/xapi/more/{key}", self.more),
            ]
        )

    def store(self, *statements: Any, seconds: float = 1) -> list[str]:
        """Take statements in as the store does: id, stored and timestamp are given where they are missing."""
        ids = []
        for statement in statements:
            self.clock += timedelta(seconds=seconds)
            kept = statement
            if isinstance(statement, dict):
                kept = {"id": str(uuid4()), "timestamp": text(self.clock), **statement, "stored": text(self.clock)}
                ids.append(kept["id"])
            self.stored.append(kept)
        return ids

    def void(self, identifier: str) -> None:
        self.store({
            "actor": {"mbox": "mailto:admin@example.org"}, "verb": {"id": VOIDED},
            "object": {"objectType": "StatementRef", "id": identifier},
        })  # fmt: skip

    def refusal(self, request: Request) -> Response | None:
        self.requests.append(request)
        version = request.headers.get("X-Experience-API-Version")
        if version not in self.versions:
            return JSONResponse({"error": "X-Experience-API-Version missing or not supported"}, 400)
        expected = "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if request.headers.get("Authorization") != expected:
            return JSONResponse({"error": "unauthorized"}, 401)
        return self.answers.pop(0) if self.answers else None

    def headers(self, request: Request) -> dict[str, str]:
        through = {"X-Experience-API-Consistent-Through": text(self.clock)} if self.consistent else {}
        return {"X-Experience-API-Version": request.headers["X-Experience-API-Version"], **through}

    async def about(self, request: Request) -> Response:
        return JSONResponse({"version": list(self.versions)})

    async def more(self, request: Request) -> Response:
        if refused := self.refusal(request):
            return refused
        left = self.listings.pop(request.path_params["key"], None)
        if left is None:
            return JSONResponse({"error": "no such listing"}, 404)
        return self.page(request, left, int(request.query_params["limit"]))

    async def statements(self, request: Request) -> Response:
        if refused := self.refusal(request):
            return refused
        asked = dict(request.query_params)
        if set(asked) - PARAMETERS:
            return JSONResponse({"error": f"unknown parameters {set(asked) - PARAMETERS}"}, 400)
        voided = {s["object"]["id"] for s in self.stored if isinstance(s, dict) and s.get("verb") == {"id": VOIDED}}
        if "voidedStatementId" in asked:
            if set(asked) - {"voidedStatementId", "attachments", "format"}:
                return JSONResponse({"error": "not together"}, 400)
            found = [s for s in self.stored if s["id"] == asked["voidedStatementId"] and s["id"] in voided]
            return JSONResponse(found[0], headers=self.headers(request)) if found else JSONResponse({}, 404)
        listed = [
            s for s in self.stored if not isinstance(s, dict) or (s.get("id") not in voided and self.fits(s, asked))
        ]
        if asked.get("ascending") != "true":
            listed.reverse()
        limit = min(int(asked.get("limit", 0)) or self.largest, self.largest)
        return self.page(request, listed, limit)

    def page(self, request: Request, listed: list[dict[str, Any]], limit: int) -> Response:
        more = ""
        if len(listed) > limit:
            key = str(uuid4())
            self.listings[key] = listed[limit:]
            more = f"/lrs/xapi/more/{key}?limit={limit}"
            if self.foreign_more:
                more = "http://inside.lrs.example:8080" + more
        return JSONResponse({"statements": listed[:limit], "more": more}, headers=self.headers(request))

    def fits(self, statement: dict[str, Any], asked: dict[str, str]) -> bool:
        stored = datetime.fromisoformat(statement["stored"])
        if "since" in asked and stored <= datetime.fromisoformat(asked["since"]):
            return False
        if "verb" in asked and statement["verb"]["id"] != asked["verb"]:
            return False
        context = statement.get("context") or {}
        if "registration" in asked and context.get("registration") != asked["registration"]:
            return False
        if "agent" in asked:
            agent = json.loads(asked["agent"])
            identifiers = ("mbox", "account", "openid", "mbox_sha1sum")
            if not any(name in agent and agent[name] == statement["actor"].get(name) for name in identifiers):
                return False
        if "activity" in asked:
            ids = {statement["object"].get("id")}
            if asked.get("related_activities") == "true":
                ids |= {a["id"] for some in context.get("contextActivities", {}).values() for a in some}
            return asked["activity"] in ids
        return True
