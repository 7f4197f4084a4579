"""The client of partners, against a server that misbehaves: waits, gives up, and never carries credentials away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from courseyard.errors import (
    PartnerAnswerError,
    PartnerBusyError,
    PartnerRefusedError,
    PartnerUnreachableError,
)
from courseyard.partners.client import PartnerClient
from courseyard.partners.oauth import bearer, client_credentials

pytestmark = pytest.mark.anyio


class Moody:
    """Answers with what the test put into ``answers``, then with success; remembers the requests."""

    def __init__(self) -> None:
        self.answers: list[Response] = []
        self.requests: list[Request] = []
        self.app = Starlette(routes=[Route("/{path:path}", self.answer, methods=["GET", "POST"])])

    async def answer(self, request: Request) -> Response:
        await request.body()
        if request.url.path == "/":
            return Response()
        self.requests.append(request)
        return self.answers.pop(0) if self.answers else JSONResponse({"ok": True})


@pytest.fixture
def moody() -> Moody:
    return Moody()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
async def client(moody: Moody, serve: Callable[[Any], str], waits: list[float]) -> AsyncIterator[PartnerClient]:
    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with httpx.AsyncClient() as http:
        yield PartnerClient(http, serve(moody.app), requests_per_minute=60_000, sleep=sleep)


async def test_too_many_requests_wait_as_long_as_the_partner_says(
    moody: Moody, client: PartnerClient, waits: list[float]
) -> None:
    moody.answers = [Response(status_code=429, headers={"Retry-After": "7"})]
    assert (await client.get("/x")).object() == {"ok": True}
    assert waits == [7.0]


async def test_a_wait_too_long_to_sit_through_ends_the_run(moody: Moody, client: PartnerClient) -> None:
    moody.answers = [Response(status_code=429, headers={"Retry-After": "3600"})]
    with pytest.raises(PartnerBusyError):
        await client.get("/x")


async def test_throttling_by_403_is_waited_for_and_a_refusal_is_not(
    moody: Moody, client: PartnerClient, waits: list[float]
) -> None:
    moody.answers = [Response("403 Forbidden (Rate Limit Exceeded)\n", 403)]
    assert (await client.get("/x", accept=(403,))).status == 200
    assert len(waits) == 1
    moody.answers = [Response("403 Forbidden", 403)]
    with pytest.raises(PartnerRefusedError):
        await client.get("/x")
    assert len(waits) == 1


async def test_a_quota_that_is_nearly_used_up_is_left_to_fill(
    moody: Moody, client: PartnerClient, waits: list[float]
) -> None:
    def answer(left: str) -> Response:
        return Response("{}", headers={"X-Request-Cost": "0.4", "X-Rate-Limit-Remaining": left})

    moody.answers = [answer("599.6"), answer("40"), answer("nan"), answer("many")]
    for _ in range(2):
        await client.get("/x")
    assert waits == []
    await client.get("/x")
    assert [round(w) for w in waits] == [6]


async def test_addresses_of_the_settings_get_no_credentials(
    moody: Moody, client: PartnerClient, serve: Callable[[Any], str]
) -> None:
    client.authorised_by(bearer("key"))
    other = Moody()
    await client.request("GET", serve(other.app) + "/keys", elsewhere=True)
    assert "authorization" not in other.requests[0].headers


async def test_faults_of_the_server_are_tried_again_with_growing_waits(
    moody: Moody, client: PartnerClient, waits: list[float]
) -> None:
    moody.answers = [Response(status_code=500), Response(status_code=502)]
    assert (await client.get("/x")).status == 200
    assert len(waits) == 2 and waits[0] < waits[1] <= 1


async def test_a_server_that_stays_faulty_is_told(moody: Moody, client: PartnerClient) -> None:
    moody.answers = [Response(status_code=500)] * 9
    with pytest.raises(PartnerUnreachableError, match="HTTP 500"):
        await client.get("/x")


async def test_a_post_that_may_have_arrived_is_not_repeated(moody: Moody, client: PartnerClient) -> None:
    moody.answers = [Response(status_code=500)]
    with pytest.raises(PartnerUnreachableError):
        await client.request("POST", "/x", json={})
    assert len(moody.requests) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (HTMLResponse("<!doctype html><title>Log in</title>"), "a web page"),
        (Response('{"records": [1, 2', media_type="application/json"), "broken or cut off"),
        (Response(b""), "nothing"),
        (JSONResponse([1]), "not an object"),
    ],
)
async def test_what_is_no_answer_is_named(moody: Moody, client: PartnerClient, answer: Response, words: str) -> None:
    moody.answers = [answer]
    with pytest.raises(PartnerAnswerError, match=words):
        (await client.get("/x")).object()


async def test_a_next_link_to_another_site_is_not_followed(moody: Moody, client: PartnerClient) -> None:
    moody.answers = [Response("[]", headers={"Link": '<http://evil.example/x>; rel="next"'})]
    client.authorised_by(bearer("key"))
    answer = await client.get("/x")
    with pytest.raises(PartnerAnswerError, match=r"evil\.example"):
        await client.get(answer.next_link() or "")


@pytest.mark.parametrize("link", ["http://[", "http://a:b:c/", "http://127.0.0.1:99999999/", "x\x00y", "http://\x7f/"])
async def test_an_address_that_is_none_is_the_partners_fault(client: PartnerClient, link: str) -> None:
    with pytest.raises(PartnerAnswerError):
        await client.get(link)


async def test_a_redirect_is_told_and_not_followed(moody: Moody, client: PartnerClient) -> None:
    moody.answers = [Response(status_code=302, headers={"Location": "https://elsewhere.example/login?token=1"})]
    with pytest.raises(PartnerAnswerError, match=r"moved to elsewhere\.example/login\.$"):
        await client.get("/x")


async def test_refused_credentials_are_not_in_the_message(moody: Moody, client: PartnerClient) -> None:
    moody.answers = [Response(status_code=401), Response(status_code=401)]
    client.authorised_by(bearer("very-secret"))
    with pytest.raises(PartnerRefusedError) as caught:
        await client.get("/x?wstoken=also-secret")
    assert "secret" not in str(caught.value)


async def test_a_token_that_ran_out_is_fetched_anew_once(moody: Moody, client: PartnerClient) -> None:
    def token(value: str) -> Response:
        return JSONResponse({"access_token": value, "expires_in": 3600})

    client.authorised_by(client_credentials("/token", "id", "secret", "a b"))
    moody.answers = [token("first"), JSONResponse({}), Response(status_code=401), token("second"), JSONResponse({})]
    await client.get("/x")
    await client.get("/x")
    assert [r.headers.get("authorization") for r in moody.requests if r.url.path == "/x"] == [
        "Bearer first",
        "Bearer first",
        "Bearer second",
    ]


async def test_nobody_there(waits: list[float]) -> None:
    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with httpx.AsyncClient() as http:
        client = PartnerClient(http, "http://127.0.0.1:9", requests_per_minute=60_000, sleep=sleep)
        with pytest.raises(PartnerUnreachableError, match="cannot be reached"):
            await client.get("/x")
    assert len(waits) == 4


async def test_the_rate_is_kept() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    from courseyard.partners.client import Pace

    pace = Pace(60, lambda: 100.0, sleep)
    for _ in range(14):
        await pace.turn()
    assert [round(w) for w in waits] == [1, 2, 3, 4]


async def test_a_credential_that_an_answer_repeats_is_blotted_out(client: PartnerClient, moody: Moody) -> None:
    client.authorised_by(bearer("token-of-the-partner"))
    told = {"message": "Unknown: Bearer token-of-the-partner", "id": "token"}
    moody.answers = [JSONResponse(told), JSONResponse(told, 400)]
    assert (await client.get("one")).json() == {"message": "Unknown: Bearer ***", "id": "token"}
    assert b"token-of-the-partner" not in (await client.get("two", accept=(400,))).body


async def test_secrets_are_found_as_addresses_and_json_write_them(moody: Moody, serve: Callable[[Any], str]) -> None:
    async with httpx.AsyncClient() as http:
        client = PartnerClient(
            http, serve(moody.app), requests_per_minute=60_000, secrets=["pass/word+1", "pass/word+123", "short"]
        )
        moody.answers = [Response('"pass/word+123, pass%2Fword%2B1, short"', media_type="application/json")]
        assert (await client.get("one")).json() == "***, ***, short"
