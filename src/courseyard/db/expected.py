"""What the public schema must look like: the promise of ``docs/data.md`` as a table, read by plan and verify."""

from __future__ import annotations

_ID = {"id": "uuid"}
_STAMPS = {"created_at": "timestamptz", "updated_at": "timestamptz"}

NEW_TABLES: dict[str, dict[str, str]] = {
    "scorm_packages": {
        **_ID, "title": "text", "description": "text", "version": "text", "package_url": "text",
        "manifest_url": "text", "launch_url": "text", "duration_minutes": "int4", "passing_score": "int4",
        "max_attempts": "int4", "is_active": "bool", "metadata": "jsonb", **_STAMPS,
    },
    "scorm_enrollments": {
        **_ID, "scorm_package_id": "uuid", "user_id": "uuid", "enrollment_id": "uuid", "status": "text",
        "progress_percentage": "numeric", "score": "numeric", "attempts": "int4", "time_spent_seconds": "int4",
        "started_at": "timestamptz", "completed_at": "timestamptz", "last_accessed_at": "timestamptz",
        "suspend_data": "jsonb", "cmi_data": "jsonb", **_STAMPS,
    },
    "scorm_tracking": {
        **_ID, "scorm_enrollment_id": "uuid", "element": "text", "value": "text", "timestamp": "timestamptz",
    },
    "partner_course_mappings": {
        **_ID, "partner_course_id": "uuid", "internal_program_id": "uuid", "internal_course_id": "uuid",
        "scorm_package_id": "uuid", "mapping_type": "text", "is_active": "bool", "metadata": "jsonb", **_STAMPS,
    },
    "external_module_progress": {
        **_ID, "user_id": "uuid", "partner_enrollment_id": "uuid", "module_id": "text", "module_name": "text",
        "status": "text", "progress_percentage": "numeric", "score": "numeric", "time_spent_seconds": "int4",
        "started_at": "timestamptz", "completed_at": "timestamptz", "last_accessed_at": "timestamptz",
        "metadata": "jsonb", **_STAMPS,
    },
    "lms_sync_log": {
        **_ID, "provider_id": "uuid", "sync_type": "text", "status": "text", "records_processed": "int4",
        "records_failed": "int4", "error_message": "text", "sync_data": "jsonb", "started_at": "timestamptz",
        "completed_at": "timestamptz", "created_at": "timestamptz",
    },
    "partner_credentials": {
        **_ID, "user_id": "uuid", "partner_enrollment_id": "uuid", "provider_id": "uuid", "credential_name": "text",
        "credential_type": "text", "credential_number": "text", "external_credential_id": "text",
        "issued_date": "date", "expiration_date": "date", "verification_url": "text", "certificate_url": "text",
        "metadata": "jsonb", **_STAMPS,
    },
}  # fmt: skip

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

# What authenticated may do; service_role may do all, anon nothing.
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
