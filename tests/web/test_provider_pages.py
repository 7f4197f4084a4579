"""Pages of partner providers: added, tried, run, paused and deleted by an administrator, and by nobody else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fix_web import RunningSite
from partners.scripted import Scripted, course, draft, enrolment, page, scripted_kind

from courseyard.errors import PartnerRefusedError, PartnerUnreachableError
from courseyard.partners.connector import Stream

SECRET = "s3cr3t-of-the-partner"


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Scripted]]:
    with scripted_kind(monkeypatch) as kind:
        yield kind


@pytest.fixture
def admin(site: RunningSite, partner: type[Scripted]) -> httpx.Client:
    return site.browser(site.person("admin"))


def filled(**changes: Any) -> dict[str, Any]:
    """The form as a browser sends it."""
    return {
        "kind": "scripted",
        "name": "Partner Academy",
        "active": "on",
        "option.base_url": "http://partner.test",
        "option.token": SECRET,
        "schedule_minutes": "60",
        "requests_per_minute": "120",
        "identity_rules": ["email", "sis_id", ""],
        "unknown_people": "wait",
        "import_rule": "choose",
        "stale_after_minutes": "2880",
        "keep_changes_days": "30",
    } | changes


def add(admin: httpx.Client, **changes: Any) -> str:
    answer = admin.post("/partners/providers/new", data=filled(**changes))
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"]).partition("?")[0]


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_an_administrator_adds_a_partner_and_the_secret_is_never_shown(site: RunningSite, admin: httpx.Client) -> None:
    assert "No partners yet" in admin.get("/partners").text
    chosen = admin.get("/partners/providers/new").text
    for title in ("Moodle", "Canvas", "CSV or JSON files", "Scripted"):
        assert title in chosen
    fresh = admin.get("/partners/providers/new?kind=scripted").text
    assert 'name="option.token"' in fresh
    own = add(admin)
    provider = site.run(site.services.hub.providers.get(own.rpartition("/")[2]))
    assert provider.settings.identity_rules == ("email", "sis_id")
    assert provider.settings.schedule_minutes == 60
    for path in (own, f"{own}/settings", f"{own}/delete", "/partners"):
        answer = admin.get(path)
        assert answer.status_code == 200, path
        assert SECRET not in answer.text, path
        assert "Partner Academy" in answer.text, path
    assert "Stored; leave empty to keep" in admin.get(f"{own}/settings").text
    assert admin.post(f"{own}/settings", data=filled(**{"option.token": "", "name": "Academy"})).status_code == 303
    kept = site.run(site.services.hub.providers.get(provider.id))
    assert kept.name == "Academy"
    assert site.services.hub.providers.open(kept).config.text("token") == SECRET


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": " "}, "no name"),
        ({"option.base_url": "javascript:alert(1)"}, "no web address"),
        ({"requests_per_minute": "many"}, "Requests a minute"),
        ({"requests_per_minute": "0"}, "The rate"),
        ({"schedule_minutes": "1"}, "The schedule"),
        ({"identity_rules": ["luck"]}, "no such identity rule"),
        ({"unknown_people": "eat"}, "no such choice"),
    ],
)
def test_a_mistake_keeps_what_was_typed_but_no_secret(
    site: RunningSite, admin: httpx.Client, change: dict[str, Any], said: str
) -> None:
    answer = admin.post("/partners/providers/new", data=filled(support_email="help@partner.test", **change))
    assert answer.status_code == 422
    assert said in re.search(r'role="alert">(.*?)</div>', answer.text, re.DOTALL)[1]  # type: ignore[index]
    assert "help@partner.test" in answer.text
    assert SECRET not in answer.text
    assert site.sql("select count(*) from public.partner_lms_providers") == [(0,)]


def test_an_optional_secret_is_removed_and_a_needed_one_is_not(site: RunningSite, admin: httpx.Client) -> None:
    hook = {"kind": "webhook", "import_rule": "all", "option.scheme": "bearer", "option.secret": SECRET}
    own = add(admin, **hook)
    offered = 'name="remove"'
    assert offered not in admin.get("/partners/providers/new?kind=webhook").text
    assert offered not in admin.get(f"{own}/settings").text, "no optional one is stored"
    kept = hook | {"option.secret": ""}

    def save(**changes: Any) -> httpx.Response:
        return admin.post(f"{own}/settings", data=filled(**(kept | changes)))

    def stored() -> dict[str, str]:
        [(sealed,)] = site.sql("select secrets from courseyard.partner_settings")
        return site.services.hub.providers._sealing.open(sealed)

    assert save(**{"option.previous_secret": "before"}).status_code == 303
    shown = admin.get(f"{own}/settings").text
    assert re.findall(r'name="remove" value="(\w+)"', shown) == ["previous_secret"]
    assert "Remove the stored one: Previous secret" in text_of(shown).replace("one :", "one:")
    assert save().status_code == 303
    assert stored() == {"secret": SECRET, "previous_secret": "before"}, "left empty, it stays"

    mistake = save(remove="previous_secret", name=" ")
    assert mistake.status_code == 422
    assert re.search(r'name="remove" value="previous_secret" checked', mistake.text), "what was ticked stays ticked"
    assert "previous_secret" in stored()
    refused = save(remove=["previous_secret", "secret"])
    assert refused.status_code == 422
    assert "Secret is needed, so it cannot be removed" in refused.text
    assert "previous_secret" in stored()

    assert save(remove="previous_secret", **{"option.previous_secret": "newer"}).status_code == 303
    assert stored()["previous_secret"] == "newer", "what is typed takes the other's place"
    assert save(remove="previous_secret").status_code == 303
    assert stored() == {"secret": SECRET}
    assert offered not in admin.get(f"{own}/settings").text


def test_a_kind_that_only_receives_brings_everything_in(admin: httpx.Client) -> None:
    text = admin.get("/partners/providers/new?kind=webhook").text
    assert re.search(r'value="all" checked', text)
    own = add(
        admin,
        kind="webhook",
        import_rule="all",
        schedule_minutes="",
        **{"option.scheme": "bearer", "option.secret": SECRET, "option.content": "events"},
    )
    shown = admin.get(own).text
    assert re.search(rf'value="[^"]+/{own.rpartition("/")[2]}"', shown), "the address to push to"
    assert "Sync now" not in shown


def test_one_that_was_entered_by_hand_is_set_up(site: RunningSite, admin: httpx.Client) -> None:
    [(provider_id,)] = site.sql(
        "insert into public.partner_lms_providers (provider_name, provider_type) values ('Old Friends', 'other')"
        " returning id::text"
    )
    own = f"/partners/providers/{provider_id}"
    listed = admin.get("/partners").text
    assert "Not set up" in listed
    assert f'{own}/settings"' in listed
    assert admin.get(own).status_code == 200
    assert "Choose" in admin.get(f"{own}/settings").text
    assert 'value="Old Friends"' in admin.get(f"{own}/settings?kind=scripted").text
    assert admin.post(f"{own}/settings", data=filled(name="Old Friends")).status_code == 303
    assert "Not set up" not in admin.get("/partners").text


def test_testing_the_connection_says_what_was_found(
    admin: httpx.Client, partner: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = add(admin)
    assert "Not tried yet" in admin.get(own).text
    assert admin.post(f"{own}/check").status_code == 303
    assert "The token works." in admin.get(own).text

    async def refuse(_self: Scripted) -> None:
        raise PartnerRefusedError("The token was withdrawn.", hint="Make another one.")

    monkeypatch.setattr(Scripted, "check", refuse)
    admin.post(f"{own}/check")
    text = text_of(admin.get(own).text)
    assert "Failed The token was withdrawn. Make another one." in text


def test_a_run_is_followed_until_it_ends(site: RunningSite, admin: httpx.Client, partner: type[Scripted]) -> None:
    site.person(email="lea@example.org")
    partner.script = {Stream.CATALOGUE: [page(course(1))], Stream.ENROLMENTS: [page(enrolment(1))]}
    own = add(admin, import_rule="all", schedule_minutes="")
    assert admin.post(f"{own}/sync", data={"how": "sync"}).status_code == 422, "nothing chosen"
    assert admin.post(f"{own}/sync", data={"how": "sync", "streams": ["catalogue", "enrolments"]}).status_code == 303
    waiting = admin.get(f"{own}/state").text
    assert "hx-trigger" in waiting
    assert "<html" not in waiting
    site.work()
    done = admin.get(f"{own}/state").text
    assert "hx-trigger" not in done
    assert "Succeeded" in done
    assert "Full sync" in done
    assert "just now" in done
    assert "never fetched" in done, "progress was not chosen"
    listed = text_of(admin.get("/partners").text)
    assert "1 courses, Partner Academy" in listed
    assert "1 enrolments, Partner Academy" in listed


def test_a_dry_run_and_a_check_for_drift_are_their_own_kinds(
    site: RunningSite, admin: httpx.Client, partner: type[Scripted]
) -> None:
    partner.script = {Stream.CATALOGUE: [page(course(1))]}
    own = add(admin, import_rule="all", schedule_minutes="")
    admin.post(f"{own}/sync", data={"how": "dry", "streams": ["catalogue"]})
    site.work()
    assert site.sql("select count(*) from public.partner_courses") == [(0,)]
    admin.post(f"{own}/sync", data={"how": "drift"})
    site.work()
    assert sorted(
        site.sql("select l.sync_type, r.dry_run from public.lms_sync_log l join courseyard.sync_runs r using (id)")
    ) == [
        ("catalogue", True),
        ("drift", False),
    ]


def test_a_run_that_was_not_begun_is_not_called_begun(
    site: RunningSite, admin: httpx.Client, partner: type[Scripted]
) -> None:
    own = add(admin, schedule_minutes="")

    def asked(**form: Any) -> str:
        return text_of(admin.get(admin.post(f"{own}/sync", data=form).headers["location"]).text)

    assert "The run is on its way" in asked(how="sync", streams=["catalogue", "enrolments"])
    assert "The run is on its way" in asked(how="sync", streams=["catalogue"]), "it is part of the one that waits"
    for name, other in (
        ("dry run", {"how": "dry", "streams": ["catalogue"]}),
        ("sync", {"how": "sync", "streams": ["progress"]}),
        ("check for drift", {"how": "drift"}),
    ):
        said = asked(**other)
        assert f"The {name} was not begun: another run of this partner is on: “ Full sync ”, since" in said, other
        assert "The run is on its way" not in said
    assert len(site.sql("select 1 from courseyard.sync_runs")) == 1
    answer = admin.post(f"{own}/sync", data={"how": "drift"})
    link = re.search(r'id="standing" href="([^"]+)"', admin.get(answer.headers["location"]).text)[1]
    assert "it begins as soon as a background worker is free" in text_of(admin.get(link).text)
    looked = admin.post(f"{own}/catalogue/look")
    assert "done" not in looked.headers["location"], "the courses are looked at by the one that waits"
    site.work()
    asked(how="sync", streams=["progress"])
    looked = admin.post(f"{own}/catalogue/look")
    shown = looked.headers["location"]
    assert "The look at the catalogue was not begun: another run of this partner is on: “ Progress" in text_of(
        admin.get(shown).text
    )
    site.work()
    assert "another run of this partner was on" in text_of(admin.get(shown).text)
    for wrong in ("asked=Pay!", "asked=dry&standing=x", f"asked=dry&standing={own[-36:]}"):
        assert "was not begun" not in text_of(admin.get(f"{own}?{wrong}").text), wrong


def test_a_secret_of_ours_can_be_made_and_one_of_the_partner_not(admin: httpx.Client) -> None:
    form = admin.get("/partners/providers/new?kind=webhook").text
    assert re.findall(r'data-make="([^"]+)"', form) == ["option-secret"]
    assert "data-make" not in admin.get("/partners/providers/new?kind=moodle").text


def test_trouble_stands_first(site: RunningSite, admin: httpx.Client, partner: type[Scripted]) -> None:
    partner.script = {Stream.CATALOGUE: [PartnerUnreachableError("Nobody answers.")]}
    own = add(admin)
    for _ in range(3):
        run_id = site.run(site.services.hub.runs.start(own.rpartition("/")[2], [Stream.CATALOGUE]))
        site.run(site.services.hub.syncs.work(run_id))
    site.run(site.services.hub.runs.start(own.rpartition("/")[2], [Stream.CATALOGUE]))
    text = admin.get("/partners").text
    alert = text_of(re.search(r'role="alert">(.*?)</div>', text, re.DOTALL)[1])  # type: ignore[index]
    assert "Partner Academy has failed 3 times in a row" in alert
    assert "Nobody answers." in alert, "also while the next run waits"
    assert "Failing" in text
    assert "The last 3 runs failed" in text_of(admin.get(own).text)


def test_pausing_and_going_on(site: RunningSite, admin: httpx.Client) -> None:
    own = add(admin)
    assert admin.post(f"{own}/pause").status_code == 303
    assert "Paused" in admin.get("/partners").text
    assert "Go on" in admin.get(own).text
    admin.post(f"{own}/settings", data=filled(**{"option.token": ""}))
    assert site.sql("select paused from courseyard.partner_settings") == [(True,)], "saving does not start it again"
    assert admin.post(f"{own}/resume").status_code == 303
    assert site.sql("select paused from courseyard.partner_settings") == [(False,)]


def test_deleting_says_first_what_would_be_lost(
    site: RunningSite, admin: httpx.Client, partner: type[Scripted]
) -> None:
    site.person(email="lea@example.org")
    partner.script = {Stream.CATALOGUE: [page(course(1), course(2))], Stream.ENROLMENTS: [page(enrolment(1))]}
    own = add(admin, import_rule="all", schedule_minutes="")
    admin.post(f"{own}/sync", data={"how": "sync", "streams": ["catalogue", "enrolments"]})
    site.work()
    question = admin.get(f"{own}/delete").text
    for lost in ("2 partner courses", "1 enrolment<", "1 account of a person", "1 entry of the sync log"):
        assert lost in question
    assert site.sql("select count(*) from public.partner_lms_providers") == [(1,)]
    assert admin.post(f"{own}/delete").headers["location"] == "/partners?done=provider-deleted"
    assert site.sql("select count(*) from public.partner_courses") == [(0,)]
    assert admin.get(own).status_code == 404


def test_only_administrators_come_in_and_instructors_see_the_list(site: RunningSite, admin: httpx.Client) -> None:
    own = add(admin)
    instructor, learner = site.browser(site.person("instructor")), site.browser(site.person())
    listed = instructor.get("/partners")
    assert listed.status_code == 200
    assert "Partner Academy" in listed.text
    assert "/partners/providers" not in listed.text
    assert learner.get("/partners").status_code == 403
    for path in (own, f"{own}/state", f"{own}/settings", f"{own}/delete", "/partners/providers/new"):
        for somebody in (instructor, learner):
            assert somebody.get(path).status_code == 403, path
        assert site.browser().get(path).headers["location"].startswith("/sign-in"), path
    for path in ("check", "sync", "pause", "resume", "delete", "settings"):
        for somebody in (instructor, learner):
            assert somebody.post(f"{own}/{path}", data=filled()).status_code == 403, path
    assert instructor.post("/partners/providers/new", data=filled()).status_code == 403
    assert site.sql("select count(*) from public.partner_lms_providers") == [(1,)]


def test_what_a_partner_says_is_text_and_unknown_kinds_do_not_break_the_list(
    site: RunningSite, admin: httpx.Client
) -> None:
    evil = "<img src=x onerror=alert(1)>"
    provider_id = site.run(site.services.hub.providers.save(draft()))
    site.sql("update public.partner_lms_providers set provider_name = %s, website_url = 'javascript:alert(1)'", evil)
    site.sql("update courseyard.partner_settings set kind = 'from-the-future'")
    for path in ("/partners", f"/partners/providers/{provider_id}"):
        answer = admin.get(path)
        assert answer.status_code == 200
        assert evil not in answer.text
        assert 'href="javascript' not in answer.text
