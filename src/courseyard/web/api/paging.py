"""Lists in pages: the parameters, and the headers that lead on."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from courseyard.limits import MAX_PAGE_SIZE

# PostgreSQL knows no character zero; bigint ends where it ends.
_TEXT = r"^[^\x00]*$"
_MAX_OFFSET = 2**31 - 1

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="How many at most.")]
Offset = Annotated[int, Query(ge=0, le=_MAX_OFFSET, description="How many to pass over.")]
Search = Annotated[str | None, Query(max_length=200, pattern=_TEXT, description="Only what has this text in it.")]


def add_page_headers(request: Request, response: Response, total: int, limit: int, offset: int) -> None:
    """``X-Total-Count``, and ``Link`` (RFC 8288) to the next page when there is one."""
    response.headers["X-Total-Count"] = str(total)
    if offset + limit < total:
        following = request.url.include_query_params(limit=limit, offset=offset + limit)
        response.headers["Link"] = f'<{following}>; rel="next"'
