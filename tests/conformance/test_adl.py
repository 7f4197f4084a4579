"""Cases of ADL's LMS conformance test suite, played in Chromium against a running server by the suite's own runner.

Beside every case that has once been wrong here, some of each category; `docs/adl-cases.md` tells of all. They are
played once, two at a time, strictly (the values of ``adl.nav.request_valid`` count too).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fix_browser import installed_browser
from fix_db import TEMPLATE, Clusters
from fix_web import SERVICE_KEY, running_site

from courseyard.settings import Settings

CASES = (
    *("API", "DMI"),
    *("CM-01", "CM-03a", "CM-05", "CM-07a", "CM-07b", "CM-07c", "CM-07d", "CM-09ba", "CM-09ca", "CM-11", "CM-16"),
    *("CO-03", "CO-07a", "CO-07b", "CO-11", "CT-01"),
    *("MS-03", "MS-07"),
    *("OB-03a", "OB-03b", "OB-03c", "OB-07a", "OB-09a", "OB-11a", "OB-11b", "OB-13a", "OB-15"),
    *("RU-01aa", "RU-03a", "RU-07c", "RU-11", "RU-13e", "RU-15b", "RU-15c", "RU-17a", "RU-17b", "RU-19a"),
    *("SX-02", "SX-04a", "SX-04b", "SX-08a", "SX-08b", "SX-10d", "SX-12a"),
)

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("adl")]


@pytest.fixture(scope="module")
def results(clusters: Clusters, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the runner says of each case."""
    suite, folder = shared / "adl", tmp_path_factory.mktemp("adl")
    cluster = clusters.get("embedded")
    database = cluster.create(TEMPLATE)
    _run([suite / "build.py", "--out", folder / "packages", *CASES])
    with running_site(Settings(data=folder / "data", service_key=SERVICE_KEY), database) as site:
        options = {
            "--url": site.app,
            "--key": SERVICE_KEY,
            "--packages": folder / "packages",
            "--chromium": installed_browser(),
            "--jobs": 2,
            "--results": folder / "results.json",
        }
        _run([suite / "run.py", *(part for option in options.items() for part in option), "--strict", *CASES])
    cluster.drop(database)
    told = json.loads((folder / "results.json").read_text("utf-8"))
    yield {case["id"]: case for case in told["cases"]}
    shutil.rmtree(folder)


@pytest.mark.parametrize("case", CASES)
def test_the_player_does_what_adl_expects(results: dict[str, Any], case: str) -> None:
    assert results[case]["failures"] == []
    assert results[case]["visits_done"] == results[case]["visits"] > 0


def _run(command: list[Any]) -> None:
    """Run a program of the suite, which lies where nothing may be written. A case that fails is told by the results."""
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *map(str, command)], env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stdout + done.stderr
