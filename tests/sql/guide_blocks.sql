-- The SQL blocks of the database migration guide, word for word; tests run them by their names.

-- block: verify_tables
SELECT 
  schemaname,
  tablename,
  tableowner
FROM pg_tables
WHERE schemaname = 'public'
  AND tablename IN (
    'scorm_packages',
    'scorm_enrollments',
    'scorm_tracking',
    'partner_course_mappings',
    'external_module_progress',
    'lms_sync_log',
    'partner_credentials'
  )
ORDER BY tablename;

-- block: verify_views
SELECT 
  schemaname,
  viewname,
  viewowner
FROM pg_views
WHERE schemaname = 'public'
  AND viewname IN (
    'partner_enrollment_summary',
    'scorm_completion_summary'
  )
ORDER BY viewname;

-- block: verify_triggers
SELECT 
  trigger_name,
  event_object_table,
  action_statement
FROM information_schema.triggers
WHERE trigger_schema = 'public'
  AND trigger_name IN (
    'trigger_update_scorm_progress',
    'trigger_sync_partner_progress'
  );

-- block: test_table_access
-- Test scorm_packages table
SELECT COUNT(*) FROM scorm_packages;

-- Test scorm_enrollments table
SELECT COUNT(*) FROM scorm_enrollments;

-- Test partner_course_mappings table
SELECT COUNT(*) FROM partner_course_mappings;

-- block: example_package
INSERT INTO scorm_packages (
  title,
  description,
  version,
  package_url,
  launch_url,
  passing_score,
  is_active
) VALUES (
  'Test SCORM Package',
  'Test package for verification',
  '1.2',
  'https://example.com/scorm/package.zip',
  'https://example.com/scorm/index.html',
  80,
  true
);

-- block: example_mapping
-- First, ensure you have a partner course
SELECT id, course_name FROM partner_courses LIMIT 1;

-- Then create a mapping (replace UUIDs with actual values)
INSERT INTO partner_course_mappings (
  partner_course_id,
  internal_program_id,
  mapping_type,
  is_active
) VALUES (
  'your-partner-course-uuid',
  'your-program-uuid',
  'equivalent',
  true
);

-- block: drop_block
-- Only if you want to start fresh (DELETES ALL DATA!)
DROP TABLE IF EXISTS scorm_tracking CASCADE;
DROP TABLE IF EXISTS scorm_enrollments CASCADE;
DROP TABLE IF EXISTS scorm_packages CASCADE;
DROP TABLE IF EXISTS external_module_progress CASCADE;
DROP TABLE IF EXISTS partner_course_mappings CASCADE;
DROP TABLE IF EXISTS lms_sync_log CASCADE;
DROP TABLE IF EXISTS partner_credentials CASCADE;
DROP VIEW IF EXISTS partner_enrollment_summary;
DROP VIEW IF EXISTS scorm_completion_summary;

-- Then run the migration again

-- block: extensions
CREATE EXTENSION IF NOT EXISTS "uuid-ossp";
CREATE EXTENSION IF NOT EXISTS "pgcrypto";
