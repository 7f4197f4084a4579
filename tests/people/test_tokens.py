"""Access tokens, ours and Supabase's: what is let in and what is not."""

import asyncio
import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from courseyard.errors import NotSignedInError
from courseyard.keys import derive_key
from courseyard.people.supabase import SupabaseTokens
from courseyard.people.tokens import AccessTokens, new_opaque_token, same_secret

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
USER = "7a0e7c36-5a92-4f29-8d0d-0f4e4b5b0c11"
PROJECT = "https://abc.supabase.co"
LEGACY = "a legacy secret of at least thirty-two characters"
EC = ECKey.generate_key("P-256", {"kid": "ec-1"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1"})
STRANGER = ECKey.generate_key("P-256", {"kid": "ec-1"})


def claims(**changes):
    good = {
        "iss": f"{PROJECT}/auth/v1",
        "aud": "authenticated",
        "role": "authenticated",
        "sub": USER,
        "exp": int((NOW + timedelta(hours=1)).timestamp()),
    } | changes
    return {k: v for k, v in good.items() if v is not None}


def sign(key, alg, kid=None, **changes):
    header = {"alg": alg} | ({"kid": kid} if kid else {})
    return jwt.encode(header, claims(**changes), key, algorithms=[alg])


def encoded(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def unsigned(alg, **header):
    return f"{encoded({'alg': alg, **header})}.{encoded(claims())}."


def forged_with(public_key):
    text = unsigned("HS256", kid="rsa-1").rstrip(".")
    return f"{text}.{encoded(hmac.digest(public_key, text.encode(), hashlib.sha256))}"


class Project:
    """A Supabase project's key set, as the network shows it."""

    def __init__(self, *keys):
        self.keys = list(keys)
        self.asked = 0
        self.up = True

    def __call__(self, request):
        assert str(request.url) == f"{PROJECT}/auth/v1/.well-known/jwks.json"
        self.asked += 1
        if not self.up:
            return httpx.Response(503)
        return httpx.Response(200, json=KeySet(self.keys).as_dict())


def checker(project=None, secret=LEGACY, url=PROJECT):
    client = httpx.AsyncClient(transport=httpx.MockTransport(project or Project(EC, RSA)))
    return SupabaseTokens(client, url, secret)


def subject(tokens, token, now=NOW):
    return asyncio.run(tokens.claims(token, now))["sub"]


@pytest.mark.parametrize(
    "token",
    [sign(EC, "ES256", "ec-1"), sign(RSA, "RS256", "rsa-1"), sign(OctKey.import_key(LEGACY), "HS256")],
)
def test_tokens_of_the_project_are_good(token):
    assert subject(checker(), token) == USER


BAD = {
    "alg none": unsigned("none"),
    "alg none with a known key": unsigned("none", kid="ec-1"),
    "public key used as HMAC secret": forged_with(RSA.as_pem(private=False)),
    "kid of another key type": sign(EC, "ES256", "rsa-1"),
    "somebody else's key": sign(STRANGER, "ES256", "ec-1"),
    "unknown kid": sign(EC, "ES256", "ec-2"),
    "no kid": sign(EC, "ES256"),
    "expired": sign(EC, "ES256", "ec-1", exp=int((NOW - timedelta(minutes=2)).timestamp())),
    "no expiry": sign(EC, "ES256", "ec-1", exp=None),
    "not yet": sign(EC, "ES256", "ec-1", nbf=int((NOW + timedelta(minutes=5)).timestamp())),
    "other audience": sign(EC, "ES256", "ec-1", aud="somewhere"),
    "other issuer": sign(EC, "ES256", "ec-1", iss="https://evil.supabase.co/auth/v1"),
    "anonymous role": sign(EC, "ES256", "ec-1", role="anon"),
    "service role": sign(OctKey.import_key(LEGACY), "HS256", role="service_role"),
    "no subject": sign(EC, "ES256", "ec-1", sub=None),
    "subject that is no user": sign(EC, "ES256", "ec-1", sub="'; drop table"),
    "other secret": sign(OctKey.import_key("x" * 40), "HS256"),
    "other hash": sign(OctKey.import_key("y" * 64), "HS512"),
    "no token": "a.b.c",
    "empty": "..",
    "not even base64": "é.é.é",
}


@pytest.mark.parametrize("token", BAD.values(), ids=BAD.keys())
def test_everything_else_is_not(token):
    with pytest.raises(NotSignedInError):
        subject(checker(), token)


def test_without_settings_no_supabase_token_is_good():
    for token in (sign(EC, "ES256", "ec-1"), sign(OctKey.import_key(LEGACY), "HS256")):
        with pytest.raises(NotSignedInError):
            subject(checker(secret=None, url=None), token)


def test_keys_are_asked_once_and_again_after_a_rotation():
    project = Project(RSA)
    tokens = checker(project)

    async def story():
        await tokens.claims(sign(RSA, "RS256", "rsa-1"), NOW)
        await tokens.claims(sign(RSA, "RS256", "rsa-1"), NOW)
        assert project.asked == 1
        project.keys = [EC]
        with pytest.raises(NotSignedInError):
            await tokens.claims(sign(EC, "ES256", "ec-1"), NOW + timedelta(seconds=5))
        assert project.asked == 1, "an unknown key must not let anybody make us ask at every request"
        assert (await tokens.claims(sign(EC, "ES256", "ec-1"), NOW + timedelta(seconds=40)))["sub"] == USER

    asyncio.run(story())


def test_known_keys_stay_good_while_the_project_is_down():
    project = Project(EC)
    tokens = checker(project)

    async def story():
        await tokens.claims(sign(EC, "ES256", "ec-1"), NOW)
        project.up = False
        later = NOW + timedelta(minutes=11)
        assert (await tokens.claims(sign(EC, "ES256", "ec-1"), later))["sub"] == USER

    asyncio.run(story())


OWN = AccessTokens(derive_key("s" * 40, "access"))


def test_own_token_speaks_for_its_person_for_an_hour():
    token = OWN.issue(USER, NOW)
    assert OWN.subject(token, NOW + timedelta(minutes=59)) == USER
    with pytest.raises(NotSignedInError):
        OWN.subject(token, NOW + timedelta(minutes=62))


@pytest.mark.parametrize("purpose", ["launch", "play", "content"])
def test_a_token_for_another_purpose_signs_nobody_in(purpose):
    other = AccessTokens(derive_key("s" * 40, purpose))
    with pytest.raises(NotSignedInError):
        OWN.subject(other.issue(USER, NOW), NOW)


def test_own_token_with_changed_signature_or_algorithm_is_refused():
    head, body, signature = OWN.issue(USER, NOW).split(".")
    for token in (f"{head}.{body}.", f"{head}.{body}.{signature[:-2]}", unsigned("none")):
        with pytest.raises(NotSignedInError):
            OWN.subject(token, NOW)


def test_opaque_tokens_differ_and_their_hash_tells_nothing():
    (one, hash_one), (two, hash_two) = new_opaque_token(), new_opaque_token()
    assert len({one, two, hash_one, hash_two}) == 4
    assert len(one) >= 43


@pytest.mark.parametrize(
    ("given", "same"), [("key", True), ("Key", False), ("", False), ("key ", False), ("ké", False)]
)
def test_secrets_are_compared_whole(given, same):
    assert same_secret(given, "key") is same
