"""The cross-site check and the cookie, without a server."""

import pytest
from starlette.datastructures import Headers
from starlette.responses import Response

from courseyard.web.origins import Origin
from courseyard.web.pages.sign_in import safe_path
from courseyard.web.security import is_forged, set_session_cookie

ORIGIN = "https://learn.example.org"


@pytest.mark.parametrize(
    ("method", "headers", "forged"),
    [
        ("GET", {"sec-fetch-site": "cross-site", "cookie": "a=b"}, False),
        ("POST", {"sec-fetch-site": "same-origin", "origin": ORIGIN, "cookie": "a=b"}, False),
        ("POST", {"sec-fetch-site": "same-origin", "cookie": "a=b"}, False),
        (
            "POST",
            {"sec-fetch-site": "same-site", "origin": "https://play.example.org", "cookie": "a=b"},
            True,
        ),
        ("POST", {"sec-fetch-site": "cross-site", "origin": "https://evil.net", "cookie": "a=b"}, True),
        ("POST", {"sec-fetch-site": "cross-site", "origin": ORIGIN}, True),
        ("POST", {"sec-fetch-site": "none", "cookie": "a=b"}, True),
        ("POST", {"sec-fetch-site": "same-origin", "origin": "null", "cookie": "a=b"}, True),
        ("POST", {"origin": ORIGIN, "cookie": "a=b"}, False),
        ("POST", {"origin": "null", "cookie": "a=b"}, True),
        ("POST", {"origin": "https://learn.example.org.evil.net"}, True),
        ("POST", {"cookie": "a=b"}, True),
        ("POST", {}, False),
        ("DELETE", {"cookie": "a=b"}, True),
        ("POST", {"authorization": "Bearer x"}, False),
        ("POST", {"authorization": "Basic x", "sec-fetch-site": "cross-site"}, True),
    ],
)
def test_cross_site_check(method, headers, forged):
    assert is_forged(method, Headers(headers), ORIGIN) is forged


def test_session_cookie_on_https_is_bound_to_the_host_and_hidden_from_scripts():
    response = Response()
    set_session_cookie(response, Origin.parse(ORIGIN, "X"), "token")
    cookie = response.headers["set-cookie"]
    assert cookie.startswith("__Host-courseyard=token;")
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "domain" not in cookie.lower()


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("/packages?q=1", "/packages?q=1"),
        (None, "/"),
        ("", "/"),
        ("//evil.net", "/"),
        ("/\\evil.net", "/"),
        ("https://evil.net", "/"),
        ("/\t/evil.net", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_signing_in_never_leads_to_another_site(given, path):
    assert safe_path(given) == path
