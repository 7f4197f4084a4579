"""A partner that is kept by hand."""

from __future__ import annotations

import pytest
from fix_partners import NOW, Connected

from courseyard.errors import PartnerCannotError
from courseyard.partners.connector import Scope, Stream
from courseyard.partners.connectors.manual import Manual
from courseyard.partners.kinds import kind_named

pytestmark = pytest.mark.anyio


async def test_it_needs_nothing_and_has_nothing_to_fetch(connected: Connected) -> None:
    connector = connected.make(kind_named("manual"), "")
    assert isinstance(connector, Manual)
    assert [check.state for check in await connector.check()] == ["ok"]
    with pytest.raises(PartnerCannotError):
        await connector.fetch(Stream.CATALOGUE, None, Scope(now=NOW))
