"""What partners push to us: checked, kept, acknowledged; a job writes it."""

from __future__ import annotations

from typing import Any

from courseyard.db import Database
from courseyard.partners.connector import Delivery
from courseyard.partners.providers import Providers
from courseyard.partners.reading import storable
from courseyard.partners.records import to_json


class Inbox:
    """Takes deliveries in."""

    def __init__(self, db: Database, providers: Providers) -> None:
        """Keep what is needed."""
        self._db = db
        self._providers = providers

    async def receive(self, provider_id: str, delivery: Delivery) -> Any:
        """Keep a delivery of a partner, once, before it is acknowledged; what the sender wants to read as the answer.

        Raises:
            NotFoundError: no such provider.
            PartnerCannotError: this kind of partner pushes nothing.
            BadDeliveryError: it is not the partner's.
            PartnerError: what is needed to check it cannot be had now.
        """
        provider = await self._providers.get(provider_id)
        connector = self._providers.open(provider)
        await connector.prepare(delivery)
        received = connector.receive(delivery)
        if received.records or received.rejected:
            async with self._db.transaction() as tx:
                kept = await tx.one(
                    "sync.receive", provider_id=provider_id, delivery_id=received.delivery_id,
                    records=[to_json(record) for record in received.records] or None,
                    rejected=[[storable(raw), reason] for raw, reason in received.rejected] or None,
                )  # fmt: skip
                if kept is not None:
                    await tx.run(
                        "sync.defer", task="sync_inbox", args={"provider_id": provider_id},
                        lock=f"inbox:{provider_id}", queueing_lock=f"inbox:{provider_id}", at=None,
                    )  # fmt: skip
        return received.answer
