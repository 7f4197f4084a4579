"""What is wrong or odd in a package: a catalogue of codes, and the findings that name them.

``docs/packages.md`` is made from this catalogue.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of finding: how bad it is, and what an author can do."""

    severity: Severity
    title: str
    hint: str


CODES: dict[str, Code] = {
    # The file itself
    "not-a-zip": Code("error", "The file is no zip archive.", "Export the course as a SCORM package (.zip) and upload that file."),
    "damaged-zip": Code("error", "The zip archive is damaged.", "Export or download it again; the transfer may have been cut off."),
    "too-large": Code("error", "The package is larger than this server accepts.", "Compress media, or split the course."),
    "too-many-files": Code("error", "The package has too many files.", "Remove what the course does not use, or split it."),
    "suspicious-compression": Code("error", "A file would grow beyond measure when unpacked.", "Leave the file out; it looks like a zip bomb."),
    "unsafe-path": Code("error", "A file name leads out of the package.", "Rename the file; names must not be absolute or contain '..'."),
    "special-file": Code("error", "The archive holds a link or a device.", "Replace it by a plain file."),
    "encrypted": Code("error", "The archive is protected by a password.", "Save it without a password."),
    "duplicate-name": Code("warning", "Two files differ only in case, or have the same name.", "Rename one; the first one is used."),
    "backslash-name": Code("info", "File names are written with backslashes.", "They were read as folders; a better zip program writes slashes."),
    "odd-name": Code("info", "A file name is not written in UTF-8.", "It was read as the old code page 437; letters with accents may look different."),
    "junk-file": Code("info", "The archive holds files of the operating system.", "They were left out (__MACOSX, .DS_Store, Thumbs.db)."),
    # Finding the course
    "no-manifest": Code("error", "There is no imsmanifest.xml.", "Zip the contents of the course's folder so that imsmanifest.xml lies at the top."),
    "other-standard": Code("error", "This is a package of another standard.", "Export the course as SCORM 1.2 or SCORM 2004; that is what Courseyard plays."),
    "nested-root": Code("warning", "The course lies in a folder inside of the archive.", "It was read from there; zip the folder's contents instead."),
    "manifest-case": Code("warning", "The manifest's name is not written imsmanifest.xml.", "It was read all the same; servers that mind the case would not find it."),
    "bad-xml": Code("error", "The manifest is no well-formed XML.", "Correct the place that is named, or export the course again."),
    "byte-order-mark": Code("info", "The manifest begins with a byte order mark.", "Nothing has to be done."),
    "wrong-encoding": Code("warning", "The manifest is not written in the encoding it names.", "Save it as UTF-8."),
    "doctype": Code("warning", "The manifest has a document type with declarations of its own.", "They are not read; remove the DOCTYPE."),
    "not-a-manifest": Code("error", "The file imsmanifest.xml holds something else.", "Its first element must be <manifest>."),
    "unusual-namespace": Code("info", "The manifest uses an unusual namespace.", "It was read by the names of its elements."),
    "unclear-version": Code("warning", "The manifest does not say its SCORM version.", "Add <schemaversion>; the version was concluded from the rest."),
    "submanifest": Code("warning", "The manifest holds manifests inside of it.", "They are not read; export the course as one manifest."),
    # Organisations and items
    "no-organization": Code("warning", "There is no organisation.", "A course of one part was made from the first launchable resource."),
    "unknown-default": Code("warning", "The default organisation does not exist.", "The first one was taken; correct the attribute 'default'."),
    "several-organizations": Code("info", "There are several organisations.", "The default one is played."),
    "no-identifier": Code("warning", "An element has no identifier.", "One was made; give it an identifier, as learners' results hang on it."),
    "duplicate-identifier": Code("error", "Two items have the same identifier.", "Give each item an identifier of its own; results are kept by it."),
    "no-title": Code("info", "An item has no title.", "Its identifier is shown; add a <title>."),
    "unknown-resource": Code("error", "An item names a resource that does not exist.", "Correct identifierref, or add the resource."),
    "item-with-children-and-resource": Code("warning", "An item has both parts below it and a resource.", "SCORM 2004 ignores the resource; move it into an item of its own."),
    "empty-item": Code("warning", "An item has neither a resource nor parts below it.", "Nothing can be shown for it; remove it or give it a resource."),
    "nothing-to-launch": Code("error", "No item leads to a page that can be opened.", "At least one item needs a resource with an href."),
    # Resources and files
    "no-href": Code("error", "The resource of an item has no href.", "Name the page that opens first."),
    "missing-launch-file": Code("error", "The page of an item is not in the package.", "Add the file or correct the href; mind upper and lower case."),
    "missing-file": Code("warning", "A listed file is not in the package.", "Add it, or remove the <file> element."),
    "file-case": Code("warning", "A file is named in another case than it has.", "It is found all the same; correct the name for other systems."),
    "external-launch": Code("warning", "A part of the course lies on another server.", "It is opened there and cannot report results, as browsers keep the two apart."),
    "unknown-dependency": Code("warning", "A resource depends on one that does not exist.", "Correct or remove the <dependency>."),
    "no-scorm-type": Code("warning", "A resource does not say whether it is a SCO.", "It is treated as an asset; add scormType=\"sco\" if it reports results."),
    "unsafe-href": Code("error", "An href leads out of the package.", "Hrefs are relative to the package and must not climb out of it."),
    # Values
    "bad-value": Code("warning", "A value cannot be read.", "The default is used; correct it."),
    "unknown-sequencing": Code("error", "An item names a sequencing collection entry that does not exist.", "Correct IDRef, or add the entry."),
    "auxiliary-resources": Code("info", "Auxiliary resources are not used.", "The standard leaves their meaning open; nothing has to be done."),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found, and where."""

    code: str
    message: str
    file: str | None = None
    line: int | None = None

    @property
    def severity(self) -> Severity:
        """How bad it is: an error keeps the package out."""
        return CODES[self.code].severity

    @property
    def hint(self) -> str:
        """What to do about it."""
        return CODES[self.code].hint

    def as_json(self) -> dict[str, Any]:
        """As stored and as answered."""
        return {"severity": self.severity, **asdict(self), "hint": self.hint}


def has_errors(findings: list[Finding]) -> bool:
    """Whether the package cannot be used."""
    return any(f.severity == "error" for f in findings)


def finding(code: str, detail: str = "", *, file: str | None = None, line: int | None = None) -> Finding:
    """A finding with the catalogue's sentence, and a detail behind it."""
    title = CODES[code].title
    return Finding(code, f"{title} {detail}".strip(), file, line)
