"""Signing in and out, and how one might get in without being let in."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fix_web import PASSWORD

from courseyard.limits import MAX_SIGN_IN_FAILURES


def cookie_of(site):
    return f"courseyard-{site.origins.app.port}"


def sign_in(client, email, password, **extra):
    return client.post("/sign-in", data={"email": email, "password": password, **extra})


def test_password_signs_in_and_leads_to_the_wanted_page(site):
    site.person("admin", "a@example.org", PASSWORD)
    browser = site.browser()
    assert browser.get("/people?q=x").headers["location"] == "/sign-in?next=/people%3Fq%3Dx"
    answer = sign_in(browser, "A@Example.org", PASSWORD, next="/people?q=x")
    assert (answer.status_code, answer.headers["location"]) == (303, "/people?q=x")
    assert browser.get("/people").status_code == 200


@pytest.mark.parametrize(
    ("email", "password"),
    [("a@example.org", "wrong"), ("nobody@example.org", PASSWORD), ("", ""), ("a@example.org", "")],
)
def test_wrong_credentials_are_told_in_the_same_words(site, email, password):
    site.person("admin", "a@example.org", PASSWORD)
    browser = site.browser()
    answer = sign_in(browser, email, password)
    assert answer.status_code == 401
    assert "The e-mail or the password is wrong" in answer.text
    assert cookie_of(site) not in browser.cookies


def test_guessing_is_stopped_and_the_right_password_does_not_help_then(site):
    site.person("student", "a@example.org", PASSWORD)
    browser = site.browser()
    codes = [sign_in(browser, "a@example.org", f"guess {n}").status_code for n in range(MAX_SIGN_IN_FAILURES + 1)]
    assert codes == [401] * MAX_SIGN_IN_FAILURES + [429]
    assert sign_in(browser, "a@example.org", PASSWORD).status_code == 429
    other = site.person("student", "b@example.org", PASSWORD)
    assert other
    assert sign_in(browser, "b@example.org", PASSWORD).status_code == 303, "one account's guesses lock no other"


def test_many_guesses_at_once_are_counted_one_by_one(site):
    site.person("student", "a@example.org", PASSWORD)
    with ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(lambda n: sign_in(site.browser(), "a@example.org", f"guess {n}").status_code, range(16)))
    assert codes.count(401) == MAX_SIGN_IN_FAILURES


def test_signing_in_often_is_no_guessing(site):
    site.person("student", "a@example.org", PASSWORD)
    assert {sign_in(site.browser(), "a@example.org", PASSWORD).status_code for _ in range(14)} == {303}


def test_a_session_that_stood_before_signing_in_does_not_become_valid(site):
    site.person("student", "a@example.org", PASSWORD)
    browser = site.browser()
    planted = "planted-by-somebody-else-0123456789abcdefghi"
    browser.cookies.set(cookie_of(site), planted, domain="localhost.local")
    browser.headers["Cookie"] = f"{cookie_of(site)}={planted}"
    answer = sign_in(browser, "a@example.org", PASSWORD)
    fresh = answer.cookies[cookie_of(site)]
    assert fresh != planted
    assert site.client(None, Cookie=f"{cookie_of(site)}={planted}").get("/courses").status_code == 303
    assert site.client(None, Cookie=f"{cookie_of(site)}={fresh}").get("/courses").status_code == 200


def test_signing_out_ends_the_session_on_the_server(site):
    browser = site.browser(site.person())
    kept = browser.cookies[cookie_of(site)]
    assert browser.post("/sign-out").status_code == 303
    assert site.client(None, Cookie=f"{cookie_of(site)}={kept}").get("/courses").status_code == 303


@pytest.mark.parametrize("change", ["expired", "disabled", "deleted"])
def test_a_session_ends_with_its_time_its_account_or_its_person(site, change):
    person = site.person()
    browser = site.browser(person)
    assert browser.get("/courses").status_code == 200
    site.sql(
        {
            "expired": "update courseyard.sessions set expires_at = now() where profile_id = %s",
            "disabled": "update courseyard.accounts set disabled_at = now() where profile_id = %s",
            "deleted": "delete from public.profiles where id = %s",
        }[change],
        person,
    )
    assert browser.get("/courses").status_code == 303


def test_the_database_keeps_no_token_in_the_clear(site):
    person = site.person(password=PASSWORD)
    link = site.run(site.services.accounts.make_link(person))
    browser = site.browser()
    browser.post(f"/sign-in/link/{link}")
    session = browser.cookies[cookie_of(site)]
    kept = str(site.sql("select token_hash from courseyard.sessions"))
    kept += str(site.sql("select token_hash from courseyard.sign_in_links"))
    kept += str(site.sql("select password_hash from courseyard.accounts"))
    assert link not in kept
    assert session not in kept
    assert "$argon2id$" in kept


VISIT = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


def test_link_signs_in_once(site):
    link = f"/sign-in/link/{site.run(site.services.accounts.make_link(site.person()))}"
    browser = site.browser()
    assert browser.get(link, headers=VISIT).headers["location"] == "/"
    assert browser.get("/courses").status_code == 200
    again = site.browser()
    answer = again.get(link, headers=VISIT)
    assert answer.status_code == 401
    assert "does not work any more" in answer.text
    assert cookie_of(site) not in again.cookies
    assert again.post(link).status_code == 401


@pytest.mark.parametrize("headers", [{}, VISIT | {"Sec-Purpose": "prefetch"}, {"Sec-Fetch-Dest": "image"}])
def test_looking_at_a_link_does_not_spend_it(site, headers):
    link = f"/sign-in/link/{site.run(site.services.accounts.make_link(site.person()))}"
    preview = site.client(None).get(link, headers=headers)
    assert preview.status_code == 200
    assert "set-cookie" not in preview.headers
    assert site.browser().post(link).status_code == 303


def test_a_link_opened_many_times_at_once_lets_in_once(site):
    link = f"/sign-in/link/{site.run(site.services.accounts.make_link(site.person()))}"
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: site.browser().post(link).status_code, range(8)))
    assert sorted(codes) == [303] + [401] * 7


def test_a_new_link_makes_the_older_one_useless(site):
    person = site.person()
    older = site.run(site.services.accounts.make_link(person))
    newer = site.run(site.services.accounts.make_link(person))
    assert site.browser().post(f"/sign-in/link/{older}").status_code == 401
    assert site.browser().post(f"/sign-in/link/{newer}").status_code == 303


def test_an_old_link_does_not_work(site):
    link = site.run(site.services.accounts.make_link(site.person()))
    site.sql("update courseyard.sign_in_links set expires_at = now()")
    assert site.browser().post(f"/sign-in/link/{link}").status_code == 401


FORGED = {
    "another site": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "a sibling host": {"Origin": "http://play.localhost", "Sec-Fetch-Site": "same-site"},
    "a sandboxed frame": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "an old browser": {"Origin": "https://evil.example"},
}


@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED.keys())
def test_other_sites_cannot_act_for_who_is_signed_in(site, headers):
    admin = site.browser(site.person("admin"))
    victim = site.person("student", "v@example.org")
    token = admin.cookies[cookie_of(site)]
    forged = httpx.Client(base_url=site.app, headers=headers | {"Cookie": f"{cookie_of(site)}={token}"})
    with forged:
        assert forged.post(f"/people/{victim}/role", data={"role": "admin"}).status_code == 403
        answer = forged.post("/api/enrollments", json={})
        assert (answer.status_code, answer.json()["code"]) == (403, "cross-site")
        assert forged.post("/sign-in", data={"email": "v@example.org", "password": "x"}).status_code == 403
    assert site.sql("select role from public.profiles where id = %s", victim) == [("student",)]


def test_content_origin_cannot_act_either(site):
    admin = site.browser(site.person("admin"))
    answer = admin.post("/sign-out", headers={"Origin": site.content, "Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert admin.get("/people").status_code == 200


def test_changing_the_password_asks_for_the_old_one_and_signs_other_devices_out(site):
    person = site.person("student", "a@example.org", PASSWORD)
    here, there = site.browser(person), site.browser(person)
    wrong = here.post("/account/password", data={"current": "not it", "new": "another good password"})
    assert wrong.status_code == 401
    short = here.post("/account/password", data={"current": PASSWORD, "new": "short"})
    assert short.status_code == 422
    assert sign_in(site.browser(), "a@example.org", PASSWORD).status_code == 303
    good = here.post("/account/password", data={"current": PASSWORD, "new": "another good password"})
    assert good.status_code == 303
    assert here.get("/account").status_code == 200
    assert there.get("/account").status_code == 303
    assert sign_in(site.browser(), "a@example.org", "another good password").status_code == 303


@pytest.mark.parametrize("role", ["student", "instructor"])
def test_roles_are_given_by_administrators_alone(site, role):
    person = site.person(role)
    browser = site.browser(person)
    for path, data in [
        (f"/people/{person}/role", {"role": "admin"}),
        ("/people", {"email": "x@example.org", "role": "admin"}),
        (f"/people/{site.person('admin')}/link", {}),
    ]:
        assert browser.post(path, data=data).status_code == 403
    assert browser.get("/people").status_code == 403
    assert site.sql("select role from public.profiles where id = %s", person) == [(role,)]


def test_an_administrator_remains(site):
    admin = site.person("admin")
    assert site.browser(admin).post(f"/people/{admin}/role", data={"role": "student"}).status_code == 422
    assert site.sql("select role from public.profiles where id = %s", admin) == [("admin",)]


def test_learners_find_no_staff_pages(site):
    browser = site.browser(site.person())
    assert {browser.get(path).status_code for path in ("/packages", "/enrollments", "/people")} == {403}
    assert browser.get("/").headers["location"] == "/courses"


def test_access_token_opens_the_rest_interface_with_the_persons_rights(site):
    site.person("student", "a@example.org", PASSWORD)
    nobody = site.client(None)
    assert nobody.post("/api/token", json={"email": "a@example.org", "password": "wrong"}).status_code == 401
    token = nobody.post("/api/token", json={"email": "a@example.org", "password": PASSWORD}).json()["access_token"]
    learner = site.client(token)
    assert learner.get("/api/enrollments").json() == []
    assert learner.post("/api/packages", files={"file": ("a.zip", b"x")}).status_code == 403


@pytest.mark.parametrize("key", ["-", "wrong", "a.b.c", "x" * 20_000, "é"])
def test_wrong_keys_are_refused(site, key):
    answer = site.client(None).get("/api/packages", headers={b"Authorization": f"Bearer {key}".encode()})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_bad_token_is_not_made_good_by_a_cookie(site):
    browser = site.browser(site.person("admin"))
    assert browser.get("/api/packages", headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_the_service_key_opens_no_pages(site):
    assert site.client().get("/packages").headers["location"].startswith("/sign-in")
