"""Credentials: entered, with files, seen by whom they belong to, reminded of, and whether their addresses answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from fix_web import RunningSite
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from courseyard.partners.addresses import look
from courseyard.partners.credentials import Entry

PDF = b"%PDF-1.7\n1 0 obj << >> endobj\n"


@pytest.fixture
def provider(site: RunningSite) -> str:
    [(found,)] = site.sql(
        "insert into public.partner_lms_providers (provider_name, provider_type, website_url) "
        "values ('Partner Academy', 'manual', 'http://127.0.0.1') returning id::text"
    )
    return str(found)


def enter(site: RunningSite, provider: str, person: str, **more: Any) -> str:
    entry = Entry(**{"user_id": person, "provider_id": provider, "credential_name": "Forklift driver", **more})
    return site.run(site.services.hub.credentials.enter(entry, None))


def test_an_administrator_enters_one_and_its_person_sees_it(site: RunningSite, provider: str) -> None:
    admin, lea, leo = site.person("admin"), site.person(email="lea@example.org"), site.person(email="leo@example.org")
    form = {
        "email": "LEA@example.org", "provider_id": provider, "credential_name": "Forklift driver",
        "credential_number": "N-7", "issued_date": "2026-11-01", "expiration_date": "2028-11-01",
        "verification_url": "https://academy.example/verify/7",
    }  # fmt: skip
    answer = site.browser(admin).post("/partners/credentials", data=form)
    assert answer.status_code == 303, answer.text
    assert site.sql("select user_id::text, credential_number, expiration_date from public.partner_credentials") == [
        (lea, "N-7", date(2028, 11, 1))
    ]
    page = site.browser(lea).get("/earned").text
    assert "Forklift driver" in page and "N-7" in page and "Partner Academy" in page
    assert "Forklift driver" not in site.browser(leo).get("/earned").text
    assert "N-7" in site.browser(admin).get("/partners/credentials").text


def test_mistakes_in_the_form_are_told_and_nothing_is_lost(site: RunningSite, provider: str) -> None:
    admin = site.browser(site.person("admin"))
    form = {"email": "nobody@example.org", "provider_id": provider, "credential_name": "Mine"}
    answer = admin.post("/partners/credentials", data=form)
    assert answer.status_code == 422 and "nobody@example.org" in answer.text and 'value="Mine"' in answer.text
    site.person(email="lea@example.org")
    dates = {"issued_date": "2026-11-02", "expiration_date": "2026-11-01"}
    assert (
        "before it was issued"
        in admin.post("/partners/credentials", data=form | dates | {"email": "lea@example.org"}).text
    )
    assert site.sql("select count(*) from public.partner_credentials") == [(0,)]


def test_learners_and_instructors_change_nothing(site: RunningSite, provider: str) -> None:
    lea = site.person(email="lea@example.org")
    credential = enter(site, provider, lea)
    for caller in (lea, site.person("instructor")):
        browser = site.browser(caller)
        for path in ("", "/check", "/delete"):
            answer = browser.post(f"/partners/credentials/{credential}{path}", data={"credential_name": "X"})
            assert answer.status_code == 403, (path, answer.status_code)
    assert site.browser(site.person("instructor")).get(f"/partners/credentials/{credential}").status_code == 200
    assert site.browser(lea).get(f"/partners/credentials/{credential}").status_code == 403


def test_a_certificate_is_kept_and_only_its_person_and_staff_see_it(site: RunningSite, provider: str) -> None:
    admin, lea, leo = site.person("admin"), site.person(email="lea@example.org"), site.person(email="leo@example.org")
    credential = enter(site, provider, lea)
    browser = site.browser(admin)
    path = f"/partners/credentials/{credential}/file"
    refused = browser.post(path, files={"file": ("page.pdf", b"<html>", "application/pdf")})
    assert refused.status_code == 422 and "no PDF" in refused.text
    assert browser.post(path, files={"file": ("Ürkunde.pdf", PDF, "application/pdf")}).status_code == 303
    [(address,)] = site.sql("select certificate_url from public.partner_credentials")
    assert address == f"{site.app}/credentials/{credential}/file"
    for caller in (lea, admin):
        answer = site.browser(caller).get(f"/credentials/{credential}/file")
        assert (answer.status_code, answer.content) == (200, PDF)
        assert "attachment" in answer.headers["content-disposition"]
    assert site.browser(leo).get(f"/credentials/{credential}/file").status_code == 404


class Pages:
    """Verification pages in every state."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.app = Starlette(routes=[Route("/{name:path}", self.answer)])

    async def answer(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        name = request.path_params["name"]
        if name == "moved":
            return RedirectResponse("/there")
        if name == "away":
            return RedirectResponse("http://localhost:1/there")
        if name == "round":
            return RedirectResponse("/round")
        return Response(status_code={"gone": 404, "private": 403, "broken": 500}.get(name, 200))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "state"),
    [
        ("there", "answers"),
        ("moved", "answers"),
        ("private", "answers"),
        ("gone", "gone"),
        ("broken", "trouble"),
        ("round", "trouble"),
        ("away", "refused"),
    ],
)
async def test_what_an_address_says(serve: Callable[[Any], str], path: str, state: str) -> None:
    address = serve(Pages().app)
    async with httpx.AsyncClient() as http:
        assert (await look(http, f"{address}/{path}", {"127.0.0.1"})).state == state


@pytest.mark.anyio
@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/x", "http://localhost/x", "http://10.0.0.1/x", "http://169.254.169.254/latest", "http://[::1]/x",
        "http://0x7f000001/x", "ftp://example.org/x", "http://user@127.0.0.1/x", "javascript:alert(1)", "http://[", "",
    ],
)  # fmt: skip
async def test_addresses_of_the_servers_own_network_are_not_asked(address: str) -> None:
    async with httpx.AsyncClient(transport=_nobody_may_call()) as http:
        assert (await look(http, address)).state == "refused"


def _nobody_may_call() -> httpx.MockTransport:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"{request.url} was asked")

    return httpx.MockTransport(refuse)


def test_addresses_are_looked_at_by_themselves_and_on_demand(
    site: RunningSite, provider: str, serve: Callable[[Any], str]
) -> None:
    pages = Pages()
    address = serve(pages.app)
    lea = site.person(email="lea@example.org")
    credential = enter(site, provider, lea, verification_url=f"{address}/there")
    hub = site.services.hub
    site.run(hub.credentials.minute())
    site.run(hub.credentials.minute())
    assert pages.asked.count("/there") == 1, "once a week is enough"
    site.sql("update public.partner_credentials set verification_url = %s", f"{address}/gone")
    admin = site.browser(site.person("admin"))
    assert admin.post(f"/partners/credentials/{credential}/check").status_code == 303
    page = admin.get(f"/partners/credentials/{credential}").text
    assert "Gone" in page and "HTTP 404" in page


def test_reminders_go_out_once_each(site: RunningSite, provider: str) -> None:
    lea = site.person(email="lea@example.org")
    credential = enter(site, provider, lea, expiration_date=datetime.now(UTC).date() + timedelta(days=25))
    site.sql(
        "insert into courseyard.webhook_endpoints (url, events, secret) values ('http://127.0.0.1:9/', '{credential}', 'x')"
    )
    reminders = "select body::jsonb -> 'data' ->> 'reminder_days' from courseyard.webhook_notices order by place"
    for _ in range(2):
        site.run(site.services.hub.credentials.minute())
    assert site.sql(reminders) == [("30",)]
    site.sql("update public.partner_credentials set expiration_date = current_date + 5 where id = %s", credential)
    site.run(site.services.hub.credentials.minute())
    assert site.sql(reminders.replace("order by", "where type = 'credential.expiring' order by")) == [("30",), ("7",)]
