"""The real commands: start, sign in, stop, start again, and the ways in which a start can go wrong."""

import re
import signal
import socket
import time

import httpx
import psycopg
import pytest

from courseyard.partners.sealing import Sealing

pytestmark = pytest.mark.slow


def links(text):
    return [re.search(rf"{who}\s+(http\S+)", text)[1] for who in ("administrator", "learner")]


def database_answers(data):
    port = int((data / "postgres" / "port").read_text())
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# The button of a course that Courseyard plays itself; those of partners open elsewhere.
OWN_COURSE = re.compile(r'action="/courses/[^"]+/launch"')


def test_demo_starts_stops_and_comes_back_with_its_data(started, open_folder):
    data = open_folder / "demo"
    first = started("demo", "--port", "0", data=data)
    app = first.wait_ready()
    admin, learner = links(first.text)
    with httpx.Client(headers={"Origin": app}) as browser:
        assert browser.post(admin).status_code == 303
        page = browser.get(f"{app}/packages")
        assert page.text.count('href="/packages/') >= 3
    with httpx.Client(headers={"Origin": app}) as browser:
        assert browser.post(learner).status_code == 303
        assert len(OWN_COURSE.findall(browser.get(f"{app}/courses").text)) == 3
        # The server does the background work itself: the demo's partner is synchronised without anybody asking.
        deadline = time.monotonic() + 60
        while "FA-2026-0417" not in browser.get(f"{app}/earned").text:
            assert time.monotonic() < deadline, "the partner's certificate did not arrive"
            time.sleep(0.5)
    assert first.stop() == 0
    assert first.text.endswith("Stopped.\n")
    assert not database_answers(data)

    begun = time.monotonic()
    second = started("demo", "--port", "0", data=data)
    app = second.wait_ready()
    assert time.monotonic() - begun < 20
    assert links(second.text) != [admin, learner]
    with httpx.Client(headers={"Origin": app}) as browser:
        assert browser.post(links(second.text)[1]).status_code == 303
        assert len(OWN_COURSE.findall(browser.get(f"{app}/courses").text)) == 3, "loaded and enrolled once"
    assert second.stop(signal.SIGTERM) == 0
    assert not database_answers(data)


def test_port_in_use_is_said_before_anything_is_started(started, open_folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = started("serve", "--port", str(port), data=open_folder / "unused")
        text, _ = command.process.communicate(timeout=30)
    assert command.process.returncode == 1
    assert f"Port {port}" in text
    assert "--port" in text
    assert "Traceback" not in text
    assert not (open_folder / "unused").exists()


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"COURSEYARD_APP_URL": "localhost"}, "COURSEYARD_APP_URL"),
        ({"COURSEYARD_APP_URL": "https://x.org", "COURSEYARD_CONTENT_URL": "https://x.org"}, "same host"),
        ({"COURSEYARD_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, "COURSEYARD_DATABASE_URL"),
        ({"COURSEYARD_PREPARED_STATEMENTS": "perhaps"}, "COURSEYARD_PREPARED_STATEMENTS"),
    ],
)
def test_bad_settings_are_one_message_with_what_to_do(started, open_folder, environ, said):
    command = started("serve", "--port", "0", data=open_folder / "unused", **environ)
    text, _ = command.process.communicate(timeout=60)
    assert command.process.returncode == 1
    assert said in text
    assert "Traceback" not in text
    assert len(text.splitlines()) <= 3


def test_serve_on_a_database_without_tables_asks_to_apply_first(started, open_folder, empty_db):
    command = started("serve", "--port", "0", data=open_folder / "external", COURSEYARD_DATABASE_URL=empty_db)
    text, _ = command.process.communicate(timeout=60)
    assert command.process.returncode == 1
    assert "courseyard db apply" in text


def test_serve_and_admin_on_a_database_of_ones_own(started, open_folder, db_url):
    data = open_folder / "own"
    server = started("serve", "--port", "0", data=data, COURSEYARD_DATABASE_URL=db_url)
    app = server.wait_ready()
    assert "Nobody can sign in yet" in server.text
    port = app.rsplit(":", 1)[1]
    admin = started("admin", "me@example.org", "--port", port, data=data, COURSEYARD_DATABASE_URL=db_url)
    link, _ = admin.process.communicate(timeout=60)
    with httpx.Client(headers={"Origin": app}) as browser:
        assert browser.post(link.strip()).status_code == 303
        assert browser.get(f"{app}/people").status_code == 200
    assert server.stop() == 0


def test_doctor_tells_good_from_bad(started, open_folder, db_url):
    good = started("doctor", data=open_folder, COURSEYARD_DATABASE_URL=db_url, COURSEYARD_SERVICE_KEY="k" * 40)
    text, _ = good.process.communicate(timeout=60)
    assert good.process.returncode == 0, text
    assert "PROBLEM" not in text
    bad = started("doctor", data=open_folder, COURSEYARD_DATABASE_URL=db_url, COURSEYARD_SERVICEKEY="x")
    text, _ = bad.process.communicate(timeout=60)
    assert bad.process.returncode == 1
    assert "PROBLEM No such setting: COURSEYARD_SERVICEKEY" in text


def test_doctor_tells_credentials_that_no_key_opens_and_work_that_nobody_does(started, open_folder, db_url):
    sealed = Sealing([b"x" * 32]).seal({"token": "t"})
    with psycopg.connect(db_url, autocommit=True) as connection:
        connection.execute(
            "with l as (insert into public.partner_lms_providers (provider_name, provider_type) values ('P', 'x') returning id)"
            " insert into courseyard.partner_settings (provider_id, kind, secrets) select id, 'moodle', %s from l",
            [sealed],
        )
    command = started("doctor", data=open_folder, COURSEYARD_DATABASE_URL=db_url, COURSEYARD_WORKER="false")
    text, _ = command.process.communicate(timeout=60)
    assert command.process.returncode == 1
    assert "PROBLEM Credentials of 1 partners cannot be decrypted." in text
    assert "note    Background jobs" in text and "courseyard worker" in text
