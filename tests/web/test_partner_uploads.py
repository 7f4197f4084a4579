"""Files that are uploaded on the pages of partners: their size is looked at before anything of them is in memory."""

from __future__ import annotations

import io
from pathlib import Path

import httpx
import pytest
from fix_web import RunningSite

from courseyard.limits import MAX_CERTIFICATE_BYTES, MAX_JSON_BYTES, MIB
from courseyard.partners.credentials import Entry
from courseyard.partners.providers import Draft, Settings
from courseyard.web.pages import partner_files


@pytest.fixture
def none_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is read as a whole fails the request."""

    def refuse(path: Path) -> bytes:
        raise AssertionError(f"{path} is read as a whole")

    monkeypatch.setattr(Path, "read_bytes", refuse)


class Office:
    """A partner that delivers files, a credential of a person, and an administrator on their pages."""

    def __init__(self, site: RunningSite) -> None:
        self.site, hub = site, site.services.hub
        settings = Settings(schedule_minutes=None, import_rule="all")
        options = {"source": "upload", "content": "delta"}
        self.provider = site.run(hub.providers.save(Draft("files", "Reports", options, settings)))
        self.credential = site.run(hub.credentials.enter(Entry(site.person(), self.provider, "Forklift driver"), None))
        self.admin = site.browser(site.person("admin"))
        self.files = f"/partners/providers/{self.provider}/files"
        self.certificate = f"/partners/credentials/{self.credential}/file"
        for path in ("/partners/mappings", self.files, f"/partners/credentials/{self.credential}"):
            assert self.admin.get(path).status_code == 200

    def upload(self, path: str, content: bytes, name: str, **headers: str) -> httpx.Response:
        return self.admin.post(path, files={"file": (name, io.BytesIO(content))}, headers=headers)


@pytest.fixture
def office(site: RunningSite) -> Office:
    return Office(site)


def test_a_certificate_that_is_too_large_is_refused_unread(
    office: Office, none_read_whole: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = office.upload(office.certificate, bytes(MAX_CERTIFICATE_BYTES + 1), "no.pdf")
    assert large.status_code == 413 and "larger than 20 MiB" in large.text and "no PDF" not in large.text
    most = b"%PDF-1.7" + bytes(MAX_CERTIFICATE_BYTES - 8)
    assert office.upload(office.certificate, most, "yes.pdf").status_code == 303
    assert office.upload(office.certificate, most + b"\0", "no.pdf").status_code == 413
    assert office.site.sql("select file_name, size from courseyard.credential_files") == [("yes.pdf", len(most))]
    monkeypatch.undo()
    kept = office.admin.get(f"/credentials/{office.credential}/file")
    assert kept.content == most


def test_a_partners_file_is_kept_block_by_block_and_not_beyond_its_limit(
    office: Office, none_read_whole: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partner_files, "MAX_PARTNER_FILE_BYTES", MIB)
    for accept in ("text/html", "application/json"):
        large = office.upload(office.files, bytes(MIB + 1), "large.csv", Accept=accept)
        assert large.status_code == 413 and "larger than 1 MiB" in large.text
    assert "large.csv" not in office.admin.get(office.files).text
    assert office.upload(office.files, b"7;" * (MIB // 2), "most.csv").status_code == 303
    assert "most.csv" in office.admin.get(office.files).text


def test_a_file_of_mappings_that_is_too_large_is_refused_unread(office: Office, none_read_whole: None) -> None:
    large = office.upload("/partners/mappings/upload", bytes(MAX_JSON_BYTES + 1), "mappings.csv")
    assert large.status_code == 413 and "larger than 1 MiB" in large.text
