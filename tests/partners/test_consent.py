"""An administrator of Canvas lets this server in with a developer key, in the browser, and takes it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fix_web import RunningSite
from partners.standins import canvas

from courseyard.partners.connector import Stream


@pytest.fixture
def school() -> canvas.School:
    there = canvas.School()
    there.users[1] = {"id": 1, "name": "Courseyard"}
    there.courses = [canvas.course(21, "Physics")]
    return there


def add(admin: httpx.Client, address: str, **options: str) -> str:
    form = {
        "kind": "canvas", "name": "Harbour School", "active": "on", "option.base_url": address,
        "schedule_minutes": "", "requests_per_minute": "6000", "identity_rules": ["email", ""], "unknown_people": "wait",
        "import_rule": "all", "stale_after_minutes": "2880", "keep_changes_days": "30",
    }  # fmt: skip
    answer = admin.post(
        "/partners/providers/new", data=form | {f"option.{name}": text for name, text in options.items()}
    )
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"]).partition("?")[0]


def sent_to(page: str) -> str:
    """Where the link of the page leads."""
    (found,) = [
        part.partition('"')[0] for part in page.split('href="') if "/login/oauth2/auth?" in part.partition('"')[0]
    ]
    return found.replace("&amp;", "&")


def sync(site: RunningSite, provider_id: str) -> dict[str, Any]:
    hub = site.services.hub
    run_id = site.run(hub.runs.start(provider_id, [Stream.CATALOGUE]))
    site.run(hub.syncs.work(run_id))
    found: dict[str, Any] = site.run(hub.runs.run(run_id))
    return found


def test_a_developer_key_and_consent_instead_of_a_token(
    site: RunningSite, school: canvas.School, serve: Callable[[Any], str]
) -> None:
    admin = site.browser(site.person("admin"))
    at = add(admin, serve(school.app), client_id=canvas.CLIENT[0], client_secret=canvas.CLIENT[1])
    provider_id = at.rpartition("/")[2]
    assert "Not connected" in admin.get(at).text
    run = sync(site, provider_id)
    assert run["status"] == "failed" and "no way into Canvas yet" in run["error_message"]

    # Canvas must know the address that people come back to; the page says which it is.
    asked = admin.post(f"{at}/connect")
    school.redirects.add(f"{site.app}/partners/connected")
    assert f'value="{site.app}/partners/connected"' in asked.text
    there = httpx.get(sent_to(asked.text))
    assert there.status_code == 302, there.text
    back = there.headers["location"].removeprefix(site.app)

    # What comes back is good for whoever went, and once.
    other = site.browser(site.person("admin", "other@example.org"))
    assert other.get(back).status_code == 409
    assert site.browser(site.person("student")).get(back).status_code == 403
    assert admin.get(back).headers["location"] == f"{at}?done=connected"
    assert admin.get(back).status_code == 409
    page = admin.get(at).text
    assert "Connect anew" in page and canvas.REFRESH_TOKEN not in page

    assert sync(site, provider_id)["status"] == "succeeded"
    assert school.calls.count("TOKEN refresh_token") == 1
    assert site.sql("select course_name from public.partner_courses") == [("Physics",)]
    stored = str(site.sql("select options, secrets, consent_state from courseyard.partner_settings"))
    assert canvas.REFRESH_TOKEN not in stored and canvas.CLIENT[1] not in stored

    # Saving the settings keeps it; another address of the partner does not get it.
    form = dict(site.run(site.services.hub.providers.get(provider_id)).options)
    kept = {"kind": "canvas", "name": "Harbour School", "active": "on", "schedule_minutes": "", "unknown_people": "wait",
            "requests_per_minute": "6000", "identity_rules": ["email", ""], "import_rule": "all",
            "stale_after_minutes": "2880", "keep_changes_days": "30"}  # fmt: skip
    kept |= {f"option.{name}": text for name, text in form.items()}
    assert admin.post(f"{at}/settings", data=kept).status_code == 303
    assert "Connect anew" in admin.get(at).text
    school.consents = False
    assert "connect again" in sync(site, provider_id)["error_message"]
    elsewhere = kept | {"option.base_url": "https://elsewhere.example.org"}
    assert admin.post(f"{at}/settings", data=elsewhere).status_code == 303
    assert "Not connected" in admin.get(at).text


def test_who_says_no_is_told_so_and_nothing_changes(
    site: RunningSite, school: canvas.School, serve: Callable[[Any], str]
) -> None:
    admin = site.browser(site.person("admin"))
    at = add(admin, serve(school.app), client_id=canvas.CLIENT[0], client_secret="wrong")
    school.redirects.add(f"{site.app}/partners/connected")
    school.consents = False
    there = httpx.get(sent_to(admin.post(f"{at}/connect").text))
    answer = admin.get(there.headers["location"].removeprefix(site.app))
    assert answer.status_code == 502 and "access_denied" in answer.text and "Not connected" in answer.text
    school.consents = True
    there = httpx.get(sent_to(admin.post(f"{at}/connect").text))
    answer = admin.get(there.headers["location"].removeprefix(site.app))
    assert "does not accept the client secret" in answer.text
    site.sql("update courseyard.partner_settings set options = options - 'client_id'")
    assert "no developer key here" in admin.post(f"{at}/connect").text


def test_consent_does_not_wait_for_ever(site: RunningSite, school: canvas.School, serve: Callable[[Any], str]) -> None:
    admin = site.browser(site.person("admin"))
    at = add(admin, serve(school.app), client_id=canvas.CLIENT[0], client_secret=canvas.CLIENT[1])
    school.redirects.add(f"{site.app}/partners/connected")
    there = httpx.get(sent_to(admin.post(f"{at}/connect").text))
    site.sql("update courseyard.partner_settings set consent_until = now() - interval '1 second'")
    assert admin.get(there.headers["location"].removeprefix(site.app)).status_code == 409
