"""Two origins, told apart by the Host header."""

import pytest

from courseyard.errors import SetupError
from courseyard.web.origins import Origin, Origins


@pytest.mark.parametrize(
    ("url", "host", "yes"),
    [
        ("http://localhost:8000", "localhost:8000", True),
        ("http://localhost:8000", "LOCALHOST:8000", True),
        ("http://localhost:8000", "localhost", False),
        ("http://localhost:8000", "localhost:8001", False),
        ("http://localhost:8000", "127.0.0.1:8000", False),
        ("http://localhost:8000", "", False),
        ("http://localhost:8000", "localhost:8000@evil", False),
        ("http://localhost:8000", "localhost:port", False),
        ("https://learn.example.org", "learn.example.org", True),
        ("https://learn.example.org", "learn.example.org:443", True),
        ("https://learn.example.org", "learn.example.org.evil.net", False),
        ("http://[::1]:8000", "[::1]:8000", True),
    ],
)
def test_host_header_means_origin(url, host, yes):
    assert Origin.parse(url, "X").answers_to(host) is yes


@pytest.mark.parametrize(
    "url", ["ftp://x", "localhost:8000", "https://x/path", "https://", "http://x:99999", "https://x?a=1"]
)
def test_unusable_address_names_the_setting(url):
    with pytest.raises(SetupError, match="COURSEYARD_APP_URL"):
        Origins.of(url, None, 8000)


def test_one_host_for_both_is_refused_even_on_two_ports():
    with pytest.raises(SetupError, match="cookies"):
        Origins.of("https://x.org", "https://x.org:8443", 8000)


def test_defaults_are_two_names_of_this_machine():
    origins = Origins.of(None, None, 8123)
    assert (str(origins.app), str(origins.content)) == ("http://localhost:8123", "http://127.0.0.1:8123")


@pytest.mark.parametrize("url", ["https://x.org:443", "https://x.org/", "https://X.org"])
def test_written_as_browsers_write_it(url):
    assert str(Origin.parse(url, "X")) == "https://x.org"
