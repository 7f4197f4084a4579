"""The partner hub as one thing, built once by the composition root."""

from __future__ import annotations

from dataclasses import dataclass

from courseyard.partners.catalogue import Catalogue
from courseyard.partners.consent import Consents
from courseyard.partners.credentials import Credentials
from courseyard.partners.enrolling import Enrolling
from courseyard.partners.identity import Identities
from courseyard.partners.inbox import Inbox
from courseyard.partners.mappings import Mappings
from courseyard.partners.outbox import Outbox
from courseyard.partners.providers import Providers
from courseyard.partners.runs import Runs
from courseyard.partners.schedule import Schedule
from courseyard.partners.sync import Syncs
from courseyard.partners.webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class Hub:
    """Everything that pages, the REST interface and jobs ask of the partner hub."""

    providers: Providers
    consents: Consents
    runs: Runs
    syncs: Syncs
    schedule: Schedule
    catalogue: Catalogue
    identities: Identities
    inbox: Inbox
    webhooks: Webhooks
    credentials: Credentials
    mappings: Mappings
    enrolling: Enrolling
    outbox: Outbox
