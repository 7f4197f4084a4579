"""Access tokens for the scripts of people with a local account."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request

from courseyard.limits import ACCESS_TOKEN_LIFETIME
from courseyard.web.api.access import problems
from courseyard.web.api.schemas import TokenAnswer, TokenRequest
from courseyard.web.context import client_address, services

router = APIRouter(tags=["Access"])


@router.post("/token", responses=problems(422, 429))
async def issue_token(request: Request, body: TokenRequest) -> TokenAnswer:
    """Exchange e-mail and password for an access token."""
    svc = services(request)
    profile_id = await svc.accounts.check_password(body.email, body.password, client_address(request))
    return TokenAnswer(
        access_token=svc.access_tokens.issue(profile_id, datetime.now(UTC)),
        expires_in=int(ACCESS_TOKEN_LIFETIME.total_seconds()),
    )
