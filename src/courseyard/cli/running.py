"""Running the web server: sockets, signals, a clean stop. What it serves is handed in."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

import uvicorn

from courseyard.errors import SetupError

# How long a request that is under way may still take after the stop signal.
_GRACE_SECONDS = 5


def listen(host: str | None, port: int) -> list[socket.socket]:
    """Bind the port before anything slow is started, so that "port in use" is said at once.

    Without a host, both loopback addresses: browsers take either for ``localhost``. Port 0: any free one.

    Raises:
        SetupError: the port is in use, not allowed, or the host is unknown.
    """
    addresses = ["127.0.0.1", "::1"] if host is None else [host]
    sockets: list[socket.socket] = []
    for address in addresses:
        try:
            bound = _bind(address, sockets[0].getsockname()[1] if sockets else port)
        except OSError as error:
            if address == "::1" and sockets and error.errno != errno.EADDRINUSE:
                continue  # a machine without IPv6
            for opened in sockets:
                opened.close()
            raise _cannot_listen(address, port, error) from error
        sockets.append(bound)
    return sockets


def _bind(address: str, port: int) -> socket.socket:
    family, kind, protocol, _, target = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(target)
        bound.listen(1024)
    except OSError:
        bound.close()
        raise
    return bound


def _cannot_listen(address: str, port: int, error: OSError) -> SetupError:
    if error.errno == errno.EADDRINUSE:
        return SetupError(
            f"Port {port} on {address} is in use by another program.",
            hint=f"Stop that program, or choose another port, for example: --port {port + 1}",
        )
    return SetupError(
        f"Cannot listen on {address}, port {port}: {error.strerror or error}.",
        hint="Choose another --host or --port; ports below 1024 need special rights.",
    )


class StopSignals:
    """Ctrl-C and SIGTERM: stop the server if it runs, break off a start under way, else be patient."""

    def __init__(self) -> None:
        """Take the signals over; call from the main thread."""
        self.server: uvicorn.Server | None = None
        self.stopping = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.server is not None:
            self.server.handle_exit(number, frame)
        elif not self.stopping:
            self.stopping = True
            sys.exit(128 + number)


class Server(uvicorn.Server):
    """uvicorn without its own signal handling, which would end the process before the database is stopped."""

    def __init__(
        self, app: Any, *, trusted_proxies: str | None, started: Callable[[], None], signals: StopSignals
    ) -> None:
        """``started`` is called once the server answers."""
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                access_log=False,
                log_level="warning",
                server_header=False,
                proxy_headers=trusted_proxies is not None,
                forwarded_allow_ips=trusted_proxies,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        self._on_started = started
        self._signals = signals

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let the signals stop this server while it runs."""
        self._signals.server = self
        try:
            yield
        finally:
            self._signals.server = None
            self._signals.stopping = True

    async def startup(self, sockets: Sequence[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(list(sockets) if sockets is not None else None)
        self._on_started()
