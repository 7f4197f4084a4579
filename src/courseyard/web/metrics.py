"""``/metrics``: what Prometheus and its like collect; for the service key and administrators."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from courseyard.web.context import require_caller, services


async def show(request: Request) -> Response:
    """Numbers in the text format of Prometheus.

    Raises:
        NotSignedInError, ForbiddenError: the caller may not see them.
    """
    (await require_caller(request)).require_admin()
    lines: list[str] = []
    for row in await services(request).db.all("sync.metrics"):
        name = f"courseyard_{row['name']}"
        kind = f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}"
        if kind not in lines:
            lines.append(kind)
        label = "" if row["provider"] is None else f'{{provider="{_escaped(row["provider"])}"}}'
        lines.append(f"{name}{label} {row['value']:g}")
    return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


route = Route("/metrics", show, methods=["GET"])
