"""What the REST interface takes and gives, as pydantic models: strict, and nothing unknown let through."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from courseyard.limits import MAX_PASSWORD_CHARS

# JSON has no UUID: the text form is the only one, so strictness would refuse them all.
Id = Annotated[UUID, Field(strict=False)]
Email = Annotated[str, Field(min_length=3, max_length=320, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]


class Body(BaseModel):
    """Base of everything that comes in."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Answer(BaseModel):
    """Base of everything that goes out."""

    model_config = ConfigDict(extra="forbid")


class TokenRequest(Body):
    """E-mail and password of a local account."""

    email: Email
    password: Annotated[str, Field(min_length=1, max_length=MAX_PASSWORD_CHARS)]


class TokenAnswer(Answer):
    """A short-lived access token."""

    access_token: str
    token_type: Literal["bearer"] = Field(default="bearer", description="How to send it.")
    expires_in: int = Field(description="Seconds until it stops working.")


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable; all codes are in docs/errors.md.")
    hint: str = Field(description="What to do about it.")
