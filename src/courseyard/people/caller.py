"""Who is calling: the service, or a person with a role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from courseyard.errors import ForbiddenError

STAFF = frozenset({"admin", "instructor"})
ROLES = ("student", "instructor", "admin")

Via = Literal["service", "session", "token"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody whose identity is proven. ``profile_id`` is None for the service alone."""

    via: Via
    profile_id: str | None
    role: str
    email: str | None = None
    name: str | None = None
    app_metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_service(self) -> bool:
        """True for the holder of the service key."""
        return self.via == "service"

    @property
    def is_staff(self) -> bool:
        """True for who manages packages and enrolments."""
        return self.is_service or self.role in STAFF

    @property
    def is_admin(self) -> bool:
        """True for who manages people."""
        return self.is_service or self.role == "admin"

    @property
    def claims(self) -> dict[str, Any]:
        """What row level security is told about this person."""
        return {
            "sub": self.profile_id,
            "role": "authenticated",
            "email": self.email,
            "app_metadata": dict(self.app_metadata),
        }

    def require_staff(self) -> None:
        """Let staff pass.

        Raises:
            ForbiddenError: the caller is a learner.
        """
        if not self.is_staff:
            raise ForbiddenError("This is for instructors and administrators.")

    def require_admin(self) -> None:
        """Let administrators pass.

        Raises:
            ForbiddenError: the caller is no administrator.
        """
        if not self.is_admin:
            raise ForbiddenError("This is for administrators.")


SERVICE = Caller(via="service", profile_id=None, role="service")
