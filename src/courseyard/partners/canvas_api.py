"""Canvas's REST interface: addresses and queries, pages by links, and what Canvas refuses, in its own words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from courseyard.errors import PartnerAnswerError, PartnerError, PartnerRefusedError
from courseyard.partners import reading
from courseyard.partners.client import Answer, PartnerClient

ROWS = ("per_page", "100")
# Of a list that is short; more pages than these are an error.
_PAGES = 100

Query = list[tuple[str, str]]


class CanvasApi:
    """Calls to a Canvas. All raise ``PartnerError``; ``only_here`` tells whether it is of this one call."""

    def __init__(self, client: PartnerClient) -> None:
        """``client`` signs in by itself."""
        self._client = client

    async def get(self, path: str, query: Query | None = None, *, link: str | None = None) -> Answer:
        """What a path holds. ``link``: the next page's address, which holds path and query."""
        return _accepted(await self._asked(path, query, link))

    async def get_if_there(self, path: str) -> dict[str, Any] | None:
        """The object of a path; None where nothing is there, or nothing that this user may see."""
        answer = await self._asked(path)
        missing = answer.status in (401, 403, 404) and not _is_token_bad(answer)
        return None if missing or _accepted(answer).status != 200 else answer.object()

    async def send(self, method: str, path: str, content: Any = None) -> Answer:
        """Change something; ``content`` goes as JSON."""
        accept = (400, 401, 403, 404, 422)
        return _accepted(await self._client.request(method, f"api/v1/{path}", json=content, accept=accept))

    async def whole(self, path: str, query: Query) -> list[Any]:
        """All pages of a list that is short."""
        found: list[Any] = []
        link: str | None = None
        for _ in range(_PAGES):
            answer = await self.get(path, query, link=link)
            found += answer.array()
            link = answer.next_link()
            if link is None:
                return found
        raise PartnerAnswerError("Canvas's pages do not end.")

    async def roster(self, course: str, link: str | None, states: Sequence[str]) -> Answer:
        """A page of the students of a course, with their enrolments in its sections that are in one of these states."""
        query = [
            ROWS,
            ("enrollment_type[]", "student"),
            *(("enrollment_state[]", state) for state in states),
            ("include[]", "enrollments"),
            ("include[]", "email"),
        ]
        return await self.get(f"{_course(course)}/users", query, link=link)

    async def graded(self, course: str, link: str | None, since: datetime) -> Answer:
        """A page of the work in a course that was graded since."""
        query = [
            ROWS,
            ("student_ids[]", "all"),
            ("workflow_state", "graded"),
            ("graded_since", since.strftime("%Y-%m-%dT%H:%M:%SZ")),
        ]
        return await self.get(f"{_course(course)}/students/submissions", query, link=link)

    async def items(self, course: str, user: str) -> list[tuple[Any, Any]]:
        """Module and item, of all items of the course's modules as this person sees them."""
        seen_by = ("student_id", user)
        found: list[tuple[Any, Any]] = []
        for module in await self.whole(f"{_course(course)}/modules", [ROWS, ("include[]", "items"), seen_by]):
            items = reading.field(module, "items")
            if items is None and (identifier := reading.text(reading.field(module, "id"))):
                # Canvas leaves the items of large modules out.
                path = f"{_course(course)}/modules/{reading.segment(identifier)}/items"
                items = await self.whole(path, [ROWS, seen_by])
            found += [(module, item) for item in reading.items(items)]
        return found

    async def submissions(self, course: str, user: str) -> list[Any]:
        """What this person handed in or was graded for, with the assignments; nothing without the right to see it."""
        query = [ROWS, ("student_ids[]", user), ("include[]", "assignment")]
        try:
            return await self.whole(f"{_course(course)}/students/submissions", query)
        except PartnerError as error:
            only_here(error)
            return []

    async def standing(self, user: str, course: str) -> list[Any]:
        """This person's enrolments as a student in sections of the course, of those that have not ended."""
        query = [
            ("user_id", user),
            ("type[]", "StudentEnrollment"),
            ROWS,
            ("state[]", "active"),
            ("state[]", "invited"),
        ]
        return await self.whole(f"{_course(course)}/enrollments", query)

    async def enrol(self, user: str, course: str) -> dict[str, Any]:
        """Enrol a person as a student; the enrolment."""
        wanted = {"user_id": user, "type": "StudentEnrollment", "enrollment_state": "active", "notify": False}
        return (await self.send("POST", f"{_course(course)}/enrollments", {"enrollment": wanted})).object()

    async def inactivate(self, enrolment: str, course: str) -> None:
        """Make an enrolment inactive."""
        await self.send("DELETE", f"{_course(course)}/enrollments/{reading.segment(enrolment)}?task=inactivate")

    async def _asked(self, path: str, query: Query | None = None, link: str | None = None) -> Answer:
        return await self._client.get(
            link or f"api/v1/{path}", params=None if link else query, accept=(400, 401, 403, 404)
        )


def only_here(error: PartnerError) -> None:
    """Let pass what Canvas refuses for one course or person; raise what holds for every call."""
    if not error.extra.get("here"):
        raise error


def _course(course: str) -> str:
    return f"courses/{reading.segment(course)}"


def _is_token_bad(answer: Answer) -> bool:
    """Whether it is the token that is refused; of a right that is missing, Canvas says 401 without this header."""
    return "www-authenticate" in answer.headers


def _accepted(answer: Answer) -> Answer:
    """The answer, unless Canvas refused; then its own words.

    Raises:
        PartnerRefusedError, PartnerAnswerError: with ``here`` in ``extra`` where only this call is meant.
    """
    if answer.status < 400:
        return answer
    try:
        said = "; ".join(_messages(answer.json(), 0))[:300]
    except PartnerAnswerError:
        said = ""
    said = said or f"HTTP {answer.status}"
    if answer.status == 401 and _is_token_bad(answer):
        raise PartnerRefusedError(f"Canvas does not accept the token: {said}.", hint="Make a new token and enter it.")
    if answer.status in (401, 403):
        raise PartnerRefusedError(
            f"Canvas does not allow this: {said}.",
            hint="Give the token's user the rights that 'Test connection' lists.",
            here=True,
        )
    raise PartnerAnswerError(
        f"Canvas says: {said}.",
        hint="Check the account and the course in Canvas.",
        here=True,
        gone=answer.status == 404,
    )


def _messages(found: Any, depth: int) -> Iterator[str]:
    """The messages in Canvas's errors, which it nests in many ways."""
    if depth > 6:
        return
    if isinstance(found, dict):
        if (message := reading.text(found.get("message"))) is not None:
            yield message
            return
        for value in found.values():
            if isinstance(value, dict | list):
                yield from _messages(value, depth + 1)
    elif isinstance(found, list):
        for value in found:
            yield from _messages(value, depth + 1)
