"""The real commands as processes of their own, to be stopped and killed as on any machine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

COURSEYARD = str(Path(sys.executable).with_name("courseyard"))
START_SECONDS = 90


class Process:
    """A command that runs until it is told to stop."""

    def __init__(self, *arguments: str, data: Path, **environ: str) -> None:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("COURSEYARD_")}
        self.process = subprocess.Popen(
            [COURSEYARD, *arguments, "--data", str(data)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=clean | environ,
            start_new_session=True,
        )
        self.text = ""

    def wait_ready(self) -> str:
        """The address of the app, once it answers."""
        until = time.monotonic() + START_SECONDS
        while "Ctrl-C" not in self.text:
            line = self.process.stdout.readline()
            assert line, f"ended early: {self.text}"
            assert time.monotonic() < until
            self.text += line
        return re.search(r"http://localhost:\d+", self.text)[0]

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=60)
        self.text += rest
        return self.process.returncode

    def kill(self) -> None:
        """End it without a word, as a crash or the system's memory killer does."""
        self.process.kill()
        self.process.wait(30)


@pytest.fixture
def started() -> Iterator[Callable[..., Process]]:
    """Starts a command; whatever still runs at the end of the test is stopped."""
    running: list[Process] = []

    def start(*arguments: str, **options) -> Process:
        running.append(Process(*arguments, **options))
        return running[-1]

    yield start
    for command in running:
        if command.process.poll() is None:
            command.stop(signal.SIGTERM)
        command.process.stdout.close()
