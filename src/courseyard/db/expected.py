"""What the public schema must look like: the contract of the public tables as data, read by plan and verify.

What the engine keeps in its own schema is not listed: the SQL files say it, see ``scripts.engine_objects``.
"""

from __future__ import annotations

# Column by column: type, whether it must be filled, and its default.
NEW_TABLES: dict[str, dict[str, str]] = {
    "scorm_packages": {
        "id": "uuid not null default gen_random_uuid()",
        "title": "text not null",
        "description": "text",
        "version": "text default '1.2'",
        "package_url": "text not null",
        "manifest_url": "text",
        "launch_url": "text not null",
        "duration_minutes": "int4",
        "passing_score": "int4 default 80",
        "max_attempts": "int4",
        "is_active": "bool default true",
        "metadata": "jsonb default '{}'",
        "created_by": "uuid default auth.uid()",
        "created_at": "timestamptz default now()",
        "updated_at": "timestamptz default now()",
    },
    "scorm_enrollments": {
        "id": "uuid not null default gen_random_uuid()",
        "scorm_package_id": "uuid not null",
        "user_id": "uuid not null",
        "enrollment_id": "uuid",
        "status": "text default 'not_attempted'",
        "progress_percentage": "numeric default 0",
        "score": "numeric",
        "attempts": "int4 default 0",
        "time_spent_seconds": "int4 default 0",
        "started_at": "timestamptz",
        "completed_at": "timestamptz",
        "last_accessed_at": "timestamptz",
        "suspend_data": "jsonb default '{}'",
        "cmi_data": "jsonb default '{}'",
        "created_at": "timestamptz default now()",
        "updated_at": "timestamptz default now()",
    },
    "scorm_tracking": {
        "id": "uuid not null default gen_random_uuid()",
        "scorm_enrollment_id": "uuid not null",
        "element": "text not null",
        "value": "text",
        "timestamp": "timestamptz default now()",
    },
    "partner_course_mappings": {
        "id": "uuid not null default gen_random_uuid()",
        "partner_course_id": "uuid not null",
        "internal_program_id": "uuid",
        "internal_course_id": "uuid",
        "scorm_package_id": "uuid",
        "mapping_type": "text not null default 'equivalent'",
        "is_active": "bool default true",
        "metadata": "jsonb default '{}'",
        "created_at": "timestamptz default now()",
        "updated_at": "timestamptz default now()",
    },
    "external_module_progress": {
        "id": "uuid not null default gen_random_uuid()",
        "user_id": "uuid not null",
        "partner_enrollment_id": "uuid",
        "module_id": "text not null",
        "module_name": "text",
        "status": "text default 'not_started'",
        "progress_percentage": "numeric default 0",
        "score": "numeric",
        "time_spent_seconds": "int4 default 0",
        "started_at": "timestamptz",
        "completed_at": "timestamptz",
        "last_accessed_at": "timestamptz",
        "metadata": "jsonb default '{}'",
        "created_at": "timestamptz default now()",
        "updated_at": "timestamptz default now()",
    },
    "lms_sync_log": {
        "id": "uuid not null default gen_random_uuid()",
        "provider_id": "uuid not null",
        "sync_type": "text not null",
        "status": "text not null",
        "records_processed": "int4 default 0",
        "records_failed": "int4 default 0",
        "error_message": "text",
        "sync_data": "jsonb default '{}'",
        "started_at": "timestamptz default now()",
        "completed_at": "timestamptz",
        "created_at": "timestamptz default now()",
    },
    "partner_credentials": {
        "id": "uuid not null default gen_random_uuid()",
        "user_id": "uuid not null",
        "partner_enrollment_id": "uuid",
        "provider_id": "uuid not null",
        "credential_name": "text not null",
        "credential_type": "text",
        "credential_number": "text",
        "external_credential_id": "text",
        "issued_date": "date",
        "expiration_date": "date",
        "verification_url": "text",
        "certificate_url": "text",
        "metadata": "jsonb default '{}'",
        "created_at": "timestamptz default now()",
        "updated_at": "timestamptz default now()",
    },
}

# Of the seven tables that may stand already, only what we need.
BASE_TABLES: dict[str, tuple[str, ...]] = {
    "profiles": ("id", "email", "full_name"),
    "programs": ("id",),
    "courses": ("id",),
    "enrollments": ("id",),
    "partner_lms_providers": ("id", "provider_name"),
    "partner_courses": ("id", "course_name"),
    "partner_lms_enrollments": (
        "id", "provider_id", "student_id", "course_id", "status", "progress_percentage", "enrolled_at",
        "completed_at", "updated_at",
    ),
}  # fmt: skip

VIEWS: dict[str, tuple[str, ...]] = {
    "partner_enrollment_summary": (
        "id", "student_id", "student_name", "student_email", "course_name", "provider_name", "status",
        "progress_percentage", "enrolled_at", "completed_at", "module_count", "avg_module_progress",
    ),
    "scorm_completion_summary": (
        "id", "user_id", "student_name", "student_email", "scorm_title", "status", "progress_percentage", "score",
        "attempts", "time_spent_minutes", "started_at", "completed_at",
    ),
}  # fmt: skip

TRIGGERS: dict[str, str] = {
    "trigger_update_scorm_progress": "scorm_tracking",
    "trigger_sync_partner_progress": "external_module_progress",
}

# Foreign keys: where they lead, and what happens to the row when its parent goes.
REFERENCES: dict[tuple[str, str], tuple[str, str]] = {
    ("scorm_enrollments", "scorm_package_id"): ("scorm_packages", "cascade"),
    ("scorm_enrollments", "user_id"): ("profiles", "cascade"),
    ("scorm_enrollments", "enrollment_id"): ("enrollments", "set null"),
    ("scorm_tracking", "scorm_enrollment_id"): ("scorm_enrollments", "cascade"),
    ("partner_course_mappings", "partner_course_id"): ("partner_courses", "cascade"),
    ("partner_course_mappings", "internal_program_id"): ("programs", "set null"),
    ("partner_course_mappings", "internal_course_id"): ("courses", "set null"),
    ("partner_course_mappings", "scorm_package_id"): ("scorm_packages", "set null"),
    ("external_module_progress", "user_id"): ("profiles", "cascade"),
    ("external_module_progress", "partner_enrollment_id"): ("partner_lms_enrollments", "cascade"),
    ("lms_sync_log", "provider_id"): ("partner_lms_providers", "cascade"),
    ("partner_credentials", "user_id"): ("profiles", "cascade"),
    ("partner_credentials", "partner_enrollment_id"): ("partner_lms_enrollments", "set null"),
    ("partner_credentials", "provider_id"): ("partner_lms_providers", "cascade"),
}

# Keys beside the primary one, which every table has on its id.
UNIQUE: dict[str, tuple[str, ...]] = {"scorm_enrollments": ("scorm_package_id", "user_id")}

# What authenticated may do, and for each word there is a policy; service_role may do all, anon nothing.
AUTHENTICATED: dict[str, frozenset[str]] = {
    "scorm_packages": frozenset({"SELECT", "INSERT", "UPDATE"}),
    "scorm_enrollments": frozenset({"SELECT", "INSERT", "UPDATE"}),
    "partner_course_mappings": frozenset({"SELECT", "INSERT", "UPDATE"}),
    "external_module_progress": frozenset({"SELECT", "INSERT", "UPDATE"}),
    "scorm_tracking": frozenset({"SELECT", "INSERT"}),
    "lms_sync_log": frozenset({"SELECT"}),
    "partner_credentials": frozenset({"SELECT"}),
    "partner_enrollment_summary": frozenset({"SELECT"}),
    "scorm_completion_summary": frozenset({"SELECT"}),
}
