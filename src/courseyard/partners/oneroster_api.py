"""OneRoster's REST services, 1.2 and 1.1: addresses, scopes, lists, single objects.

Lists are read by limit and offset, of which servers may give less than was asked for; what changed is asked for by
``dateLastModified``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from courseyard.errors import PartnerAnswerError
from courseyard.partners import reading
from courseyard.partners.client import PartnerClient

# What is looked up one by one, and what the answer calls it.
ONE = {
    "users": "user",
    "courses": "course",
    "academicSessions": "academicSession",
    "lineItems": "lineItem",
    "scoreScales": "scoreScale",
}
SCOPES = {
    version: " ".join(
        f"https://purl.imsglobal.org/spec/or/{path}/scope/{name}.readonly" for name in ("roster", "gradebook")
    )
    for version, path in (("1.2", "v1p2"), ("1.1", "v1p1"))
}

_LIMIT = 200
# Pages of one class's line items or students, of which servers give as few as 50: more than a class has.
_PIECES = 50
_GRADEBOOK = {"lineItems", "results", "scoreScales"}


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a list: its rows, the offset of the next piece, and whether none before it is missing."""

    rows: list[Any]
    next: int | None
    whole: bool
    total: int | None
    answered_at: datetime | None


class OneRosterApi:
    """Questions to a service of one version."""

    def __init__(self, client: PartnerClient, version: str) -> None:
        """``client`` signs in by itself. ``version``: ``1.2`` or ``1.1``."""
        self._client = client
        self._version = version

    async def one(self, kind: str, identifier: str) -> Any:
        """One object; None where the partner does not have it (any more)."""
        answer = await self._client.get(self._address(f"{kind}/{reading.segment(identifier)}"), accept=(404,))
        return None if answer.status == 404 else reading.field(answer.json(), ONE[kind])

    async def whole(self, path: str) -> list[Any]:
        """All pieces of a list that is short; none where there is no such thing."""
        rows: list[Any] = []
        offset = 0
        for _ in range(_PIECES):
            piece = await self.piece(path, offset, absent=True)
            rows += piece.rows
            if piece.next is None:
                return rows
            offset = piece.next
        raise PartnerAnswerError(f"The list {path} does not end.")

    async def piece(
        self, path: str, offset: int, *, since: str | None = None, limit: int = _LIMIT, absent: bool = False
    ) -> Piece:
        """A piece of a list. ``since``: of what changed after it. ``absent``: that there is no such thing is an empty
        list, and no error.
        """
        params: dict[str, Any] = {"limit": limit, "offset": offset, "sort": "sourcedId", "orderBy": "asc"}
        if since is not None:
            params["filter"] = f"dateLastModified>'{since}'"
        answer = await self._client.get(self._address(path), params=params, accept=(404,) if absent else ())
        if answer.status == 404:
            return Piece([], None, True, 0, answer.told_at())
        name = path.rpartition("/")[2]
        found = answer.object()
        # Students are listed as the users that they are.
        rows = found.get(name, found.get("users") if name == "students" else None)
        if not isinstance(rows, list):
            raise PartnerAnswerError(f"The answer holds no list of {name}.")
        following = offset + len(rows)
        count = reading.number(answer.headers.get("x-total-count"))
        total = reading.whole(count) if count is not None and count >= 0 else None
        if not rows:
            # Nothing, before all were told: rows that these credentials may not see, or that went meanwhile.
            return Piece([], None, total is None or offset >= total, total, answer.told_at())
        more = answer.next_link() is not None
        if not more:
            # Fewer than were asked for are not the last ones: the server may have a limit of its own.
            more = following < total if total is not None else "link" not in answer.headers
        return Piece(rows, following if more else None, True, total, answer.told_at())

    def _address(self, path: str) -> str:
        root = self._client.base_url.partition("/ims/oneroster")[0]
        if self._version == "1.1":
            return f"{root}/ims/oneroster/v1p1/{path}"
        # users, users/ID, classes/ID/results: never the identifier decides.
        is_graded = bool(set(path.split("/")[::2]) & _GRADEBOOK)
        return f"{root}/ims/oneroster/{'gradebook' if is_graded else 'rostering'}/v1p2/{path}"
