"""Pages of outgoing webhooks: set up, tried, seen failing, mended."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fix_web import RunningSite
from partners.test_webhooks_out import Receiver


def test_an_administrator_sets_a_receiver_up_and_mends_it(site: RunningSite, serve: Callable[[Any], str]) -> None:
    receiver = Receiver()
    admin = site.browser(site.person("admin"))
    assert "Add a receiver" in admin.get("/partners/webhooks").text
    made = admin.post(
        "/partners/webhooks", data={"url": f"{serve(receiver.app)}/", "description": "HR", "events": ["enrollment"]}
    )
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", made.text)
    assert secret is not None
    [(endpoint,)] = site.sql("select id::text from courseyard.webhook_endpoints")
    path = f"/partners/webhooks/{endpoint}"
    assert secret[0] not in admin.get(path).text, "shown once"
    assert "Received (HTTP 204)." in admin.post(f"{path}/test").text
    receiver.statuses = [500]
    assert "Not received: the receiver answered with HTTP 500." in admin.post(f"{path}/test").text
    assert "HTTP 500" in admin.get(f"{path}?state=waiting").text
    assert admin.post(f"{path}/again", data={}).status_code == 303
    site.work()
    assert "Nothing waiting yet." in admin.get(f"{path}?state=waiting").text
    assert admin.post(path, data={"url": "javascript:alert(1)", "events": ["*"]}).status_code == 422
    assert admin.post(f"{path}/delete").status_code == 303
    assert "HR" not in admin.get("/partners/webhooks").text


def test_nobody_else_sees_them(site: RunningSite) -> None:
    for role in ("student", "instructor"):
        assert site.browser(site.person(role)).get("/partners/webhooks").status_code == 403
