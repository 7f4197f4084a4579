"""What partners need of the rest of the house, named for the need. The composition root fills them in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

# Tell the organisation's own systems that something happened: type and data.
Emit = Callable[[str, dict[str, Any]], Awaitable[None]]


class MakePerson(Protocol):
    """Finds or makes a person here."""

    async def __call__(self, email: str, name: str | None, external_id: str | None) -> str:
        """The profile's id.

        Raises:
            UnknownLearnerError: people cannot be made from here.
        """
