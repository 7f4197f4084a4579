"""What a partner pushes, signed: another Courseyard's events, JSON of any make, or xAPI statements."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

import msgspec

from courseyard.errors import BadDeliveryError, PartnerAnswerError
from courseyard.partners import reading, signatures, statements
from courseyard.partners.columns import read_mapping, record_of
from courseyard.partners.connector import Capabilities, Check, Connector, Delivery, Option, Received
from courseyard.partners.events import read_event
from courseyard.partners.records import Record
from courseyard.partners.tabular import BadRow, rows

_MAX_ID = 200


class Webhook(Connector):
    """Push only: there is nothing to fetch.

    During a change of secrets both are accepted. A delivery without an id of its own is known by its content, so that
    the same one twice is noticed.
    """

    kind = "webhook"
    title = "Signed webhook"
    summary = "A partner, or another Courseyard, pushes what changes; nothing is fetched."
    options: ClassVar = (
        Option(
            "scheme",
            "How deliveries are signed",
            "choice",
            choices={
                "standard": "Standard Webhooks (another Courseyard signs so)",
                "hmac": "An HMAC of the body in a header",
                "bearer": "Not signed: a token in the Authorization header",
            },
            default="standard",
        ),
        Option(
            "secret",
            "Secret",
            "secret",
            help="Of Standard Webhooks it begins with whsec_. The sender's page shows it, or takes one that you make.",
            ours=True,
        ),
        Option(
            "previous_secret",
            "Previous secret",
            "secret",
            required=False,
            help="Is accepted too. Put the old one here while the sender changes over, then remove it.",
        ),
        Option(
            "content",
            "What a delivery holds",
            "choice",
            choices={
                "events": "Events of another Courseyard",
                "mapped": "JSON of any make, through a column mapping",
                "xapi": "xAPI statements",
            },
            default="events",
        ),
        Option("columns", "Columns", "lines", required=False, help="For JSON of any make; see docs/partners/files.md."),
        Option("header", "Header of the HMAC", required=False, default="X-Signature", help="X-Hub-Signature-256…"),
        Option(
            "algorithm",
            "Algorithm of the HMAC",
            "choice",
            required=False,
            choices={name: name.upper() for name in signatures.ALGORITHMS},
            default="sha256",
        ),
        Option(
            "encoding",
            "Encoding of the HMAC",
            "choice",
            required=False,
            choices={"hex": "Hexadecimal", "base64": "Base64"},
            default="hex",
        ),
        Option(
            "timestamp_header",
            "Header of the signed time",
            required=False,
            help="Where the sender signs time, point and body, and sends the time in a header of its own.",
        ),
        Option(
            "id_header",
            "Header of the delivery's id",
            required=False,
            help="For example X-GitHub-Delivery. Without, two deliveries with the same content count as one.",
        ),
    )
    capabilities = Capabilities(receives=True)
    extra_fields: ClassVar = {"enrolment": ("score", "started_at"), "module": ("raw", "min", "max")}

    async def check(self) -> list[Check]:
        """Nothing is called: whether what is set up can work, and the address that the partner needs."""
        found = [Check("ok", "Deliveries are taken at this address.", self.config.inbound_url)]
        if not self._secrets():
            found.append(Check("failed", "No secret is set.", "Without one nothing is accepted."))
        if self.config.text("scheme") in {"", "standard"}:
            found += [
                Check("failed", "A secret is not of the form whsec_ and base64 of 24 bytes or more.")
                for secret in self._secrets()
                if not signatures.is_standard_secret(secret)
            ]
        if self.config.text("content") == "mapped":
            try:
                if not read_mapping(self.config.values.get("columns")):
                    found.append(Check("failed", "No columns are set up.", "Say what is where in the JSON."))
            except PartnerAnswerError as error:
                found.append(Check("failed", error.detail, error.advice))
        return found

    def receive(self, delivery: Delivery) -> Received:
        """Check who sent it, then read it. What is no event of ours is acknowledged and changes nothing."""
        self._verify(delivery)
        content = self.config.text("content")
        if content == "mapped":
            try:
                records, rejected = self._mapped(delivery)
            except PartnerAnswerError as error:
                raise BadDeliveryError(error.detail, hint=error.advice) from error
        else:
            records, rejected = _told(_decoded(delivery.body), delivery, xapi=content == "xapi")
        return Received(self._delivery_id(delivery), records, rejected)

    def _secrets(self) -> list[str]:
        return [found for name in ("secret", "previous_secret") if (found := self.config.text(name))]

    def _verify(self, delivery: Delivery) -> None:
        secrets = self._secrets()
        if not secrets:
            raise BadDeliveryError("No secret is set for this provider.", hint="Set one on the provider's page.")
        scheme = self.config.text("scheme")
        if scheme == "bearer":
            signatures.bearer(delivery.headers, secrets)
        elif scheme == "hmac":
            timestamp_header = self.config.text("timestamp_header").lower()
            timestamp = delivery.headers.get(timestamp_header, "") if timestamp_header else ""
            if timestamp_header and not timestamp:
                raise BadDeliveryError("The time of the signature is missing.")
            signatures.hmac_header(
                delivery.headers.get((self.config.text("header") or "X-Signature").lower(), ""),
                delivery.body,
                secrets,
                algorithm=self.config.text("algorithm") or "sha256",
                encoding=self.config.text("encoding") or "hex",
                timestamp=timestamp,
                now=delivery.received_at,
            )
        else:
            signatures.standard(delivery.headers, delivery.body, secrets)

    def _delivery_id(self, delivery: Delivery) -> str:
        name = "webhook-id" if self.config.text("scheme") in {"", "standard"} else self.config.text("id_header").lower()
        told = reading.text(delivery.headers.get(name)) if name else None
        return told[:_MAX_ID] if told else hashlib.blake2b(delivery.body, digest_size=16).hexdigest()

    def _mapped(self, delivery: Delivery) -> tuple[list[Record], list[tuple[Any, str]]]:
        records: list[Record] = []
        rejected: list[tuple[Any, str]] = []
        for kind, mapping in read_mapping(self.config.values.get("columns")).items():
            for row in rows(delivery.body, mapping.path):
                if isinstance(row, BadRow):
                    rejected.append(({"row": row.number, "record": row.text}, f"{kind} {row.number}: {row.reason}"))
                    continue
                try:
                    records.append(record_of(kind, mapping, row.values, delivery.received_at))
                except ValueError as error:
                    rejected.append(({"row": row.number, "record": row.values}, f"{kind} {row.number}: {error}"))
        return records, rejected


def _told(body: Any, delivery: Delivery, *, xapi: bool) -> tuple[list[Record], list[tuple[Any, str]]]:
    listed = body if isinstance(body, list) else [body]
    if xapi:
        return statements.pushed(listed, delivery.received_at)
    records, rejected = [], []
    for event in listed:
        try:
            records += read_event(event, delivery.received_at)
        except ValueError as error:
            rejected.append((reading.storable(event), f"The event cannot be used: {error}."))
    return records, rejected


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadDeliveryError("The delivery is no JSON.", hint="Send the body that was signed, as JSON.") from error
