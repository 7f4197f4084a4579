"""What is refused before anything is unpacked, and what is merely odd."""

from __future__ import annotations

import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making import make_zip, manifest12, small_package

from courseyard.content import archive as module
from courseyard.content.archive import BadPackageError, open_archive


def codes(error_or_archive) -> list[str]:
    return [f.code for f in error_or_archive.findings]


def test_a_plain_package_opens_without_findings(tmp_path):
    with open_archive(small_package(tmp_path / "p.zip")) as archive:
        assert archive.names == ["imsmanifest.xml", "index.html"]
        assert archive.read("index.html", 100) == b"<p>Hello</p>"
        assert archive.findings == []


@pytest.mark.parametrize("name", ["../evil.html", "a/../../evil.html", "/etc/passwd", "C:/evil.html", "./../x"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    path = make_zip(tmp_path / "p.zip", {"imsmanifest.xml": manifest12(), name: "x"})
    with pytest.raises(BadPackageError) as caught:
        open_archive(path)
    assert "unsafe-path" in codes(caught.value)


def test_backslashes_are_folders_and_may_not_climb_either(tmp_path):
    path = tmp_path / "p.zip"
    make_zip(path, {"imsmanifest.xml": manifest12(), "media/pic.png": "x"})
    path.write_bytes(path.read_bytes().replace(b"media/pic.png", b"media\\pic.png"))
    with open_archive(path) as archive:
        assert "media/pic.png" in archive.names
        assert "backslash-name" in codes(archive)
    make_zip(path, {"imsmanifest.xml": manifest12(), "a/../../b": "x"})
    path.write_bytes(path.read_bytes().replace(b"a/../../b", b"a\\..\\..\\b"))
    with pytest.raises(BadPackageError):
        open_archive(path)


def test_links_and_devices_are_refused(tmp_path):
    path = small_package(tmp_path / "p.zip")
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("link")
        link.create_system = 3
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BadPackageError) as caught:
        open_archive(path)
    assert codes(caught.value) == ["special-file"]


def test_a_bomb_is_refused_by_its_directory(tmp_path):
    path = small_package(tmp_path / "p.zip", **{"zeros.bin": b"\0" * 5_000_000})
    with pytest.raises(BadPackageError) as caught:
        open_archive(path)
    assert codes(caught.value) == ["suspicious-compression"]


def test_a_directory_that_lies_about_the_size_is_caught_while_reading(tmp_path):
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("imsmanifest.xml", manifest12())
        archive.writestr("index.html", b"A" * 3000)
    data = path.read_bytes().replace(struct.pack("<I", 3000), struct.pack("<I", 10))
    path.write_bytes(data)
    with open_archive(path) as archive, pytest.raises(BadPackageError):
        archive.read("index.html", 100_000)


def test_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_PACKAGE_FILES", 3)
    path = small_package(tmp_path / "p.zip", **{f"f{n}.txt": "x" for n in range(3)})
    with pytest.raises(BadPackageError) as caught:
        open_archive(path)
    assert codes(caught.value) == ["too-many-files"]


def test_names_that_differ_in_case_only_are_both_kept(tmp_path):
    path = small_package(tmp_path / "p.zip", **{"Pic.png": "1", "pic.PNG": "2"})
    with open_archive(path) as archive:
        assert codes(archive) == ["similar-names"]
        assert (archive.read("Pic.png", 10), archive.read("pic.PNG", 10)) == (b"1", b"2")


def test_of_two_entries_of_one_name_the_later_counts_as_when_unzipping(tmp_path):
    path = small_package(tmp_path / "p.zip")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("index.html", "new")
    with open_archive(path) as archive:
        assert codes(archive) == ["duplicate-name"]
        assert archive.read("index.html", 10) == b"new"


def test_untidy_names_are_tidied(tmp_path):
    path = make_zip(tmp_path / "p.zip", {"./imsmanifest.xml": manifest12(), "a//b.html": "x", ".//c/./d.html": "y"})
    with open_archive(path) as archive:
        assert archive.names == ["imsmanifest.xml", "a/b.html", "c/d.html"]
        assert archive.findings == []


@pytest.mark.parametrize("name", ["a\x01.html", "n" * 256, "version#12", "/".join(["d" * 99] * 10)])
def test_names_that_no_store_takes_are_left_out(tmp_path, name):
    with open_archive(small_package(tmp_path / "p.zip", **{name: "x"})) as archive:
        assert codes(archive) == ["unusable-name"]
        assert archive.names == ["imsmanifest.xml", "index.html"]


def test_a_name_that_is_a_file_and_a_folder_is_a_folder(tmp_path):
    with open_archive(small_package(tmp_path / "p.zip", **{"media": "x", "media/a.png": "y"})) as archive:
        assert archive.names == ["imsmanifest.xml", "index.html", "media/a.png"]
        assert codes(archive) == ["unusable-name"]


def test_folders_of_old_windows_programs_are_no_files(tmp_path):
    path = small_package(tmp_path / "p.zip", **{"media/": "", "media/a.png": "x"})
    path.write_bytes(path.read_bytes().replace(b"media/", b"media\\"))
    with open_archive(path) as archive:
        assert archive.names == ["imsmanifest.xml", "index.html", "media/a.png"]


@pytest.mark.parametrize(("written", "read"), [("utf-8", "Übung.html"), ("cp437", "Übung.html")])
def test_names_without_the_utf8_mark_are_read_as_they_were_meant(tmp_path, written, read):
    raw = "Übung.html".encode(written)
    path = small_package(tmp_path / "p.zip", **{"x" * len(raw): "x"})
    path.write_bytes(path.read_bytes().replace(b"x" * len(raw), raw))
    with open_archive(path) as archive:
        assert read in archive.names
        assert codes(archive) == ["odd-name"]


def test_a_method_that_python_cannot_unpack_is_named(tmp_path):
    path = small_package(tmp_path / "p.zip")
    data = path.read_bytes()
    at = data.rindex(b"PK\x01\x02") + 10
    path.write_bytes(data[:at] + struct.pack("<H", 9) + data[at + 2 :])
    with pytest.raises(BadPackageError) as caught:
        open_archive(path)
    assert codes(caught.value) == ["compression-method"]


def test_a_directory_too_large_for_memory_is_not_even_read(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MAX_DIRECTORY_BYTES", 50)
    with pytest.raises(BadPackageError) as caught:
        open_archive(small_package(tmp_path / "p.zip"))
    assert codes(caught.value) == ["too-many-files"]


def test_zip64_is_read(tmp_path):
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (("imsmanifest.xml", manifest12()), ("index.html", "x")):
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(text.encode())
    with open_archive(path) as archive:
        assert archive.read("index.html", 10) == b"x"


def test_a_zip_in_a_zip_and_plain_web_pages_are_told(tmp_path):
    for name, word in (("course.zip", "upload that"), ("story.html", "plain web pages")):
        with pytest.raises(BadPackageError) as caught:
            open_archive(make_zip(tmp_path / "p.zip", {name: "x"}))
        assert word in caught.value.detail


def test_a_course_in_a_folder_is_read_from_there(tmp_path):
    path = make_zip(
        tmp_path / "p.zip",
        {
            "My course/imsmanifest.xml": manifest12(),
            "My course/index.html": "x",
            "__MACOSX/._x": "junk",
            "readme.txt": "y",
        },
    )
    with open_archive(path) as archive:
        assert archive.names == ["imsmanifest.xml", "index.html"]
        assert set(codes(archive)) == {"nested-root", "junk-file", "outside-files"}


def test_a_manifest_in_capitals_is_found(tmp_path):
    path = make_zip(tmp_path / "p.zip", {"IMSMANIFEST.XML": manifest12(), "index.html": "x"})
    with open_archive(path) as archive:
        assert codes(archive) == ["manifest-case"]
        assert archive.manifest().startswith(b"<?xml")


@pytest.mark.parametrize(
    ("content", "code", "word"),
    [
        (b"", "not-a-zip", "empty"),
        (b"<!DOCTYPE html><p>Sign in</p>", "not-a-zip", "web page"),
        (b"7z\xbc\xaf\x27\x1c", "not-a-zip", "7-Zip"),
        (b"Rar!\x1a\x07", "not-a-zip", "RAR"),
        (b"PK\x03\x04 cut off", "damaged-zip", "damaged"),
    ],
)
def test_what_is_no_zip_is_told_by_what_it_is(tmp_path, content, code, word):
    path = tmp_path / "p.zip"
    path.write_bytes(content)
    with pytest.raises(BadPackageError) as caught:
        open_archive(path)
    assert codes(caught.value) == [code]
    assert word in caught.value.findings[0].message


@pytest.mark.parametrize(("name", "word"), [("cmi5.xml", "cmi5"), ("tincan.xml", "xAPI"), ("h5p.json", "H5P")])
def test_other_standards_are_named(tmp_path, name, word):
    with pytest.raises(BadPackageError) as caught:
        open_archive(make_zip(tmp_path / "p.zip", {name: "x"}))
    assert codes(caught.value) == ["other-standard"]
    assert word in caught.value.detail


def test_a_zip_without_manifest(tmp_path):
    with pytest.raises(BadPackageError) as caught:
        open_archive(make_zip(tmp_path / "p.zip", {"index.html": "x"}))
    assert codes(caught.value) == ["no-manifest"]


def test_a_damaged_entry_is_a_finding_not_a_crash(tmp_path):
    path = small_package(tmp_path / "p.zip", **{"big.txt": "courseyard " * 500})
    data = bytearray(path.read_bytes())
    at = data.index(b"big.txt") + 12
    data[at : at + 8] = b"\xff" * 8
    path.write_bytes(bytes(data))
    with open_archive(path) as archive, pytest.raises(BadPackageError) as caught:
        archive.read("big.txt", 100_000)
    assert codes(caught.value) == ["damaged-zip"]


@settings(deadline=None)
@given(noise=st.binary(max_size=60), at=st.integers(0, 900))
def test_noise_in_a_zip_never_crashes(tmp_path_factory, noise, at):
    path = small_package(tmp_path_factory.mktemp("noise") / "p.zip")
    data = path.read_bytes()
    path.write_bytes(data[:at] + noise + data[at + len(noise) :])
    try:
        with open_archive(path) as archive:
            archive.manifest()
    except BadPackageError as error:
        assert error.findings
