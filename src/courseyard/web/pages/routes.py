"""All pages of the app."""

from __future__ import annotations

from starlette.routing import BaseRoute

from courseyard.web.pages import (
    catalogue,
    courses,
    credentials,
    enrollments,
    packages,
    partner_enrolments,
    partner_mappings,
    people,
    providers,
    sign_in,
    webhooks,
)


def all_routes() -> list[BaseRoute]:
    """The routes of all pages."""
    return [
        *sign_in.routes,
        *courses.routes,
        *packages.routes,
        *enrollments.routes,
        *people.routes,
        *providers.routes,
        *catalogue.routes,
        *credentials.routes,
        *webhooks.routes,
        *partner_mappings.routes,
        *partner_enrolments.routes,
    ]
