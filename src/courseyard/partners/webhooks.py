"""Webhooks to others: who is told of what, signed as Standard Webhooks asks, tried for days.

``docs/partners/events.md`` is the contract. What is sent is always the whole state of its subject: news that nobody has
been told yet is one notice, and a notice keeps its first body, so that a repeat is the same delivery.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import structlog
from standardwebhooks import Webhook

from courseyard.datamodel import summarise
from courseyard.db import Database
from courseyard.errors import CredentialsKeyError, InvalidInputError, NotFoundError
from courseyard.limits import (
    WEBHOOK_DISABLE_AFTER,
    WEBHOOK_LOG_LIFETIME,
    WEBHOOK_REST,
    WEBHOOK_RETRIES,
    WEBHOOK_TIMEOUT_SECONDS,
)
from courseyard.partners.sealing import Sealing

log = structlog.get_logger()

# What can be told, with the words for people.
EVENTS: dict[str, str] = {
    "enrollment": "Enrolments: created, progress, completed, deleted",
    "course": "Courses: changed, removed",
    "credential": "Credentials: issued, changed, revoked, about to expire",
    "provider": "Partners: failing, stale, enrolments that could not be made there",
}

_BATCH = 20
_GIVE_BACK = timedelta(minutes=2)
_STATUS = {
    "completed": "completed",
    "passed": "completed",
    "failed": "failed",
    "withdrawn": "withdrawn",
}


@dataclass(frozen=True, slots=True)
class EndpointDraft:
    """What is set up for a receiver."""

    url: str
    events: Sequence[str]
    description: str = ""
    active: bool = True


class Webhooks:
    """Endpoints, and the sending of notices."""

    def __init__(self, db: Database, http: httpx.AsyncClient, sealing: Sealing, clock: Callable[[], datetime]) -> None:
        """Keep what is needed."""
        self._db = db
        self._http = http
        self._sealing = sealing
        self._clock = clock

    async def emit(self, event: str, data: dict[str, Any]) -> None:
        """Tell everybody who wants to know that something happened which has no state to look up."""
        log.warning(event, **data)
        await self._db.run("webhooks.emit", type=event, data=data)

    async def endpoints(self) -> list[dict[str, Any]]:
        """All receivers with how delivering to them goes; never their secrets."""
        return await self._db.all("webhooks.endpoints")

    async def endpoint(self, endpoint_id: str) -> dict[str, Any]:
        """One receiver, without its secret.

        Raises:
            NotFoundError: there is none.
        """
        row = await self._db.one("webhooks.endpoint", endpoint_id=endpoint_id)
        if row is None:
            raise NotFoundError("There is no such webhook.")
        return {name: value for name, value in row.items() if name != "secret"}

    async def add(self, draft: EndpointDraft) -> tuple[str, str]:
        """A new receiver: its id, and the secret that is shown only now."""
        _check(draft)
        secret = _new_secret()
        row = await self._db.one(
            "webhooks.add_endpoint", url=draft.url, description=draft.description.strip(), events=list(draft.events),
            secret=self._sealing.seal({"current": secret}),
        )  # fmt: skip
        return (str(row["id"]) if row else ""), secret

    async def change(self, endpoint_id: str, draft: EndpointDraft) -> None:
        """Change a receiver; one that was switched off for failing is tried anew when it is set active."""
        _check(draft)
        if not await self._db.run(
            "webhooks.change_endpoint", endpoint_id=endpoint_id, url=draft.url, description=draft.description.strip(),
            events=list(draft.events), active=draft.active,
        ):  # fmt: skip
            raise NotFoundError("There is no such webhook.")

    async def delete(self, endpoint_id: str) -> None:
        """Delete a receiver and what waits for it."""
        if not await self._db.run("webhooks.delete_endpoint", endpoint_id=endpoint_id):
            raise NotFoundError("There is no such webhook.")

    async def renew_secret(self, endpoint_id: str) -> str:
        """A new secret, shown only now. Until the next renewal the one before signs as well: nothing is lost."""
        row = await self._db.one("webhooks.endpoint", endpoint_id=endpoint_id)
        if row is None:
            raise NotFoundError("There is no such webhook.")
        secret, before = _new_secret(), self._sealing.open(row["secret"])
        sealed = self._sealing.seal({"current": secret, "before": before["current"]})
        await self._db.run("webhooks.keep_secret", endpoint_id=endpoint_id, secret=sealed)
        return secret

    async def test(self, endpoint_id: str) -> str:
        """Send a test event now, whatever else waits; one sentence on what came of it."""
        await self.endpoint(endpoint_id)
        body = _body("webhook.test", self._clock(), {})
        await self._db.one("webhooks.notify_one", endpoint_id=endpoint_id, type="webhook.test", body=body)
        await self.deliver()
        [notice] = await self.notices(endpoint_id, None, 1, 0)
        if notice["state"] == "delivered":
            return f"Received (HTTP {notice['last_status']})."
        return f"Not received: {notice['last_error'] or 'it waits its turn'}."

    async def tell_everything(self, endpoint_id: str) -> int:
        """Tell a receiver the present state of everything that it wants to know; how many notices that makes."""
        await self.endpoint(endpoint_id)
        made = await self._db.run("webhooks.tell_everything", endpoint_id=endpoint_id)
        await self._wake()
        return made

    async def notices(self, endpoint_id: str, state: str | None, limit: int, offset: int) -> list[dict[str, Any]]:
        """What was sent or waits, the newest first; each row also carries the ``total``."""
        return await self._db.all("webhooks.notices", endpoint_id=endpoint_id, state=state, limit=limit, offset=offset)

    async def try_again(self, endpoint_id: str, notice_id: str | None = None) -> int:
        """Send again what failed or waits, one notice or all; how many."""
        count = await self._db.run("webhooks.try_again", endpoint_id=endpoint_id, notice_id=notice_id)
        await self._wake()
        return count

    async def deliver(self) -> None:
        """Send what is due until nothing is; a receiver that does not answer is left alone for a while.

        Two at once take different notices.
        """
        while True:
            due = await self._db.all("webhooks.take", limit=_BATCH, give_back=_GIVE_BACK)
            if not due:
                return
            by_endpoint: dict[str, list[dict[str, Any]]] = {}
            for notice in sorted(due, key=lambda row: row["place"]):
                by_endpoint.setdefault(notice["endpoint_id"], []).append(notice)
            # Receivers side by side, the notices of one in their order.
            await asyncio.gather(*(self._deliver_all(notices) for notices in by_endpoint.values()))

    async def minute(self) -> None:
        """Once a minute: what is due again after a failure. In a job of its own, for receivers may take their time."""
        if await self._db.one("webhooks.any_due") is not None:
            await self._wake()

    async def day(self) -> None:
        """Forget old deliveries."""
        await self._db.run("webhooks.prune", age=WEBHOOK_LOG_LIFETIME)

    async def seal_anew(self) -> None:
        """After a new key was put in front: seal every secret with it that a key opens."""
        for row in await self._db.all("webhooks.secrets"):
            if sealed := self._sealing.anew(row["secret"]):
                await self._db.run("webhooks.keep_secret", endpoint_id=row["id"], secret=sealed)

    async def _wake(self) -> None:
        await self._db.run(
            "sync.defer", task="deliver_webhooks", args={}, lock="deliver_webhooks", queueing_lock="deliver_webhooks",
            at=None,
        )  # fmt: skip

    async def _deliver_all(self, notices: Sequence[Mapping[str, Any]]) -> None:
        for number, notice in enumerate(notices, 1):
            if not await self._deliver(notice):
                await self._db.run("webhooks.give_back", ids=[left["id"] for left in notices[number:]])
                return

    async def _deliver(self, notice: Mapping[str, Any]) -> bool:
        """One try; whether the receiver is there, whatever it answered."""
        body = notice["body"] or await self._first_body(notice)
        if body is None:
            await self._db.run("webhooks.dropped", notice_id=notice["id"])
            return True
        status, error = await self._send(notice, body)
        if error is None:
            await self._db.run("webhooks.delivered", notice_id=notice["id"], status=status)
            return True
        waits, there = WEBHOOK_RETRIES, status is not None and status < 500 and status != 429
        await self._db.run(
            "webhooks.not_delivered", notice_id=notice["id"], status=status, error=error, gone=status == 410,
            again_in=waits[notice["tries"] - 1] if notice["tries"] <= len(waits) else None,
            disable_after=WEBHOOK_DISABLE_AFTER, rest=None if there else WEBHOOK_REST,
        )  # fmt: skip
        return there

    async def _send(self, notice: Mapping[str, Any], body: str) -> tuple[int | None, str | None]:
        """One try: the status, and what went wrong."""
        now = self._clock()
        try:
            keys = self._sealing.open(notice["secret"])
        except CredentialsKeyError as error:
            return None, error.detail
        signatures = [
            Webhook(keys[name]).sign(notice["id"], now, body) for name in ("current", "before") if name in keys
        ]
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Courseyard",
            "webhook-id": notice["id"],
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
        try:
            async with self._http.stream(
                "POST", notice["url"], content=body.encode(), headers=headers, timeout=WEBHOOK_TIMEOUT_SECONDS
            ) as response:
                status = response.status_code
        except httpx.TimeoutException:
            return None, "the receiver did not answer in time"
        except (httpx.HTTPError, httpx.InvalidURL):
            return None, "the receiver cannot be reached"
        return status, None if 200 <= status < 300 else f"the receiver answered with HTTP {status}"

    async def _first_body(self, notice: Mapping[str, Any]) -> str | None:
        """The state of the subject as it is now; None when it is gone, which a notice of its own tells."""
        data = await self._data(notice["subject"], notice["subject_id"])
        if data is None:
            return None
        event = "credential.revoked" if data.get("revoked") else notice["type"]
        body = _body(event, self._clock(), data)
        row = await self._db.one("webhooks.keep_body", notice_id=notice["id"], body=body)
        return str(row["body"]) if row else None

    async def _data(self, subject: str, subject_id: str) -> dict[str, Any] | None:
        row = await self._db.one(f"webhooks.{subject}", subject_id=subject_id)
        if row is None:
            return None
        if subject == "course":
            minutes = row.pop("duration_minutes")
            return {"course": row | {"duration_hours": round(minutes / 60, 2) if minutes else None}}
        learner = {name: row.pop(f"learner_{name}") for name in ("id", "email", "name")}
        if subject == "credential":
            return row | {"learner": learner}
        modules = []
        if row["attempt_id"]:
            states = await self._db.all("webhooks.modules", attempt_id=row["attempt_id"])
            modules = [_module(row["standard"], _titles(row["document"]), state) for state in states]
        return {
            "enrollment_id": row["enrollment_id"],
            "course": {"id": row["course_id"], "title": row["course_title"]},
            "learner": learner,
            "status": "failed" if row["success"] == "failed" else _STATUS.get(row["status"], "active"),
            **{
                name: row[name]
                for name in ("progress_percentage", "score", "enrolled_at", "started_at", "completed_at")
            },
            "modules": modules,
        }


def _module(standard: str, titles: Mapping[str, str], state: Mapping[str, Any]) -> dict[str, Any]:
    known = summarise(standard, state["data"])
    done = known.completion == "completed"
    status = known.success if known.success in ("passed", "failed") else "completed" if done else "in_progress"
    progress = 100.0 if done or status == "passed" else (known.progress or 0.0) * 100
    return {
        "id": state["item"],
        "title": titles.get(state["item"], state["item"]),
        "status": status,
        "progress_percentage": progress,
        "score": None if known.scaled is None else round(max(known.scaled, 0.0) * 100, 4),
        "time_spent_seconds": int(state["seconds"]),
        "started_at": state["created_at"],
        "completed_at": state["updated_at"] if done or status == "passed" else None,
        "last_accessed_at": state["updated_at"],
    }


def _titles(document: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    waiting = list(document.get("organizations", []))
    while waiting:
        item = waiting.pop()
        found[item["identifier"]] = item.get("title") or item["identifier"]
        waiting += item.get("children", [])
    return found


def _body(event: str, now: datetime, data: Mapping[str, Any]) -> str:
    return json.dumps({"type": event, "timestamp": _plain(now), "data": data}, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return float(value)


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _check(draft: EndpointDraft) -> None:
    if not draft.url.startswith(("https://", "http://")):
        raise InvalidInputError("The address is no web address.", hint="Begin it with https:// (or http://).")
    known = {"*", *EVENTS}
    wrong = [event for event in draft.events if event.split(".")[0] not in known]
    if wrong or not draft.events:
        raise InvalidInputError(
            f"There are no events '{wrong[0]}'." if wrong else "No events are chosen.",
            hint=f"Choose of {', '.join(EVENTS)}, or * for all.",
        )
