"""Makes packages for the tests: small, real zips."""

from __future__ import annotations

import zipfile
from pathlib import Path

MANIFEST12 = """<?xml version="1.0" encoding="UTF-8"?>
<manifest identifier="m" version="1.0" xmlns="http://www.imsproject.org/xsd/imscp_rootv1p1p2"
  xmlns:adlcp="http://www.adlnet.org/xsd/adlcp_rootv1p2">
  <metadata><schema>ADL SCORM</schema><schemaversion>1.2</schemaversion></metadata>
  <organizations default="o"><organization identifier="o"><title>Course</title>
    {items}
  </organization></organizations>
  <resources>{resources}</resources>
</manifest>"""

ITEM = '<item identifier="i" identifierref="r"><title>Part</title>{inner}</item>'
RESOURCE = '<resource identifier="r" type="webcontent" adlcp:scormtype="sco" href="index.html"><file href="index.html"/></resource>'


def manifest12(items: str = ITEM.format(inner=""), resources: str = RESOURCE) -> str:
    """A SCORM 1.2 manifest with these items and resources."""
    return MANIFEST12.format(items=items, resources=resources)


def manifest2004(body: str, *, version: str = "2004 4th Edition", resources: str = "", extra: str = "") -> str:
    """A SCORM 2004 manifest around the content of its organisation."""
    return f"""<manifest identifier="m" xmlns="http://www.imsglobal.org/xsd/imscp_v1p1"
  xmlns:adlcp="http://www.adlnet.org/xsd/adlcp_v1p3" xmlns:adlseq="http://www.adlnet.org/xsd/adlseq_v1p3"
  xmlns:adlnav="http://www.adlnet.org/xsd/adlnav_v1p3" xmlns:imsss="http://www.imsglobal.org/xsd/imsss">
  <metadata><schema>ADL SCORM</schema><schemaversion>{version}</schemaversion></metadata>
  <organizations default="o"><organization identifier="o"><title>Course</title>{body}</organization></organizations>
  <resources>{resources or '<resource identifier="r" type="webcontent" adlcp:scormType="sco" href="index.html"/>'}</resources>
  {extra}
</manifest>"""


def make_zip(path: Path, files: dict[str, str | bytes]) -> Path:
    """Write a zip with these files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def small_package(path: Path, **more: str | bytes) -> Path:
    """A SCORM 1.2 package of one SCO."""
    return make_zip(path, {"imsmanifest.xml": manifest12(), "index.html": "<p>Hello</p>", **more})
