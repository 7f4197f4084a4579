"""One process, two origins: nothing of the one exists on the other."""

import pytest


@pytest.mark.parametrize(
    "path", ["/", "/sign-in", "/packages", "/api/packages", "/api/openapi.json", "/static/app.css"]
)
def test_app_routes_do_not_exist_on_the_content_origin(site, path):
    client = site.client()
    assert client.get(path).status_code != 404
    assert client.get(site.content + path).status_code == 404


@pytest.mark.parametrize("path", ["/play/x", "/content/x/y", "/play/api/open"])
def test_content_routes_do_not_exist_on_the_app_origin(site, path):
    assert site.client().get(path).status_code == 404


def test_unknown_host_says_which_setting_to_set(site):
    answer = site.client().get("/", headers={"Host": "learn.example.org"})
    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown-host"
    assert "COURSEYARD_APP_URL" in answer.json()["hint"]


def test_health_is_told_under_every_name(site):
    client = site.client(None)
    for base in (site.app, site.content):
        for path in ("/healthz", "/readyz"):
            assert client.get(base + path).json() == {"status": "ok"}
    assert client.get("/healthz", headers={"Host": "10.0.0.7"}).status_code == 200


def test_not_ready_without_tables_yet_alive(site):
    site.sql("drop schema courseyard cascade")
    client = site.client(None)
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "courseyard db" in answer.json()["hint"]


def test_pages_carry_a_policy_without_anything_inline(site):
    answer = site.client(None).get("/sign-in")
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "style=" not in answer.text
    assert "<script>" not in answer.text
    assert "onclick" not in answer.text


def test_forwarded_headers_of_strangers_change_nothing(site):
    headers = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.example"}
    answer = site.client(None).get("/packages", headers=headers)
    assert answer.headers["location"] == "/sign-in?next=/packages"
