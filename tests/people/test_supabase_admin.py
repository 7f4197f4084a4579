"""Making users through Supabase's Auth admin API: what is sent, and what its answers mean."""

import asyncio
import json

import httpx
import pytest

from courseyard.errors import SetupError, UnknownLearnerError
from courseyard.people import SupabaseAdmin

USER = "7a0e7c36-5a92-4f29-8d0d-0f4e4b5b0c11"


def create(answer, url="https://abc.supabase.co/", key="service-role"):
    seen = []

    def handler(request):
        seen.append(request)
        return answer(request) if callable(answer) else answer

    client = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    return asyncio.run(SupabaseAdmin(client, url, key).create_user("ada@example.org", "Ada")), seen


def test_a_user_is_made_with_a_confirmed_address():
    made, [request] = create(httpx.Response(200, json={"id": USER}))
    assert made == USER
    assert str(request.url) == "https://abc.supabase.co/auth/v1/admin/users"
    assert request.headers["apikey"] == "service-role"
    assert request.headers["authorization"] == "Bearer service-role"
    body = json.loads(request.content)
    assert body == {"email": "ada@example.org", "email_confirm": True, "user_metadata": {"full_name": "Ada"}}


def test_refusals_say_whose_turn_it_is():
    with pytest.raises(UnknownLearnerError):
        create(httpx.Response(422, json={"code": "email_exists"}))
    with pytest.raises(SetupError, match="key"):
        create(httpx.Response(401))
    with pytest.raises(UnknownLearnerError):
        create(httpx.Response(200, json={"id": USER}), key=None)
    with pytest.raises(UnknownLearnerError):
        create(httpx.Response(200, json={"id": USER}), url=None)


def test_a_silent_project_is_a_matter_of_the_installation():
    def fail(request):
        raise httpx.ConnectError("no route", request=request)

    with pytest.raises(SetupError, match="does not answer"):
        create(fail)
