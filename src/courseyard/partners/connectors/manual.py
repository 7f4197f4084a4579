"""A partner without any interface: its courses, enrolments and credentials are kept by hand."""

from __future__ import annotations

from typing import ClassVar

from courseyard.partners.connector import Capabilities, Check, Connector, Option


class Manual(Connector):
    """Nothing is fetched, and nothing is sent."""

    kind = "manual"
    title = "By hand"
    summary = "A partner without an interface: courses, enrolments and credentials are entered here."
    options: ClassVar[tuple[Option, ...]] = ()
    capabilities = Capabilities()

    async def check(self) -> list[Check]:
        """There is nothing that could fail."""
        return [Check("ok", "Nothing is connected: everything is kept by hand.")]
