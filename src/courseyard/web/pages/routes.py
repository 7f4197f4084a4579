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
    partner_files,
    partner_mappings,
    partner_people,
    people,
    providers,
    sign_in,
    sync_log,
    waiting_records,
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
        *partner_files.routes,
        *credentials.routes,
        *webhooks.routes,
        *sync_log.routes,
        *partner_people.routes,
        *waiting_records.routes,
        *partner_mappings.routes,
        *partner_enrolments.routes,
    ]
