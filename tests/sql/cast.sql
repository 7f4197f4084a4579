-- The people and courses of the access tests.
insert into public.profiles (id, email, full_name, role) values
  ('a0000000-0000-4000-8000-000000000001', 'ada@example.org', 'Ada Admin', 'admin'),
  ('a0000000-0000-4000-8000-000000000002', 'ines@example.org', 'Ines Instructor', 'instructor'),
  ('a0000000-0000-4000-8000-000000000003', 'ivan@example.org', 'Ivan Instructor', 'instructor'),
  ('a0000000-0000-4000-8000-000000000004', 'lea@example.org', 'Lea Learner', 'student'),
  ('a0000000-0000-4000-8000-000000000005', 'leo@example.org', 'Leo Learner', 'student');

insert into public.programs (id, title) values ('e0000000-0000-4000-8000-000000000003', 'Welding');
insert into public.courses (id, program_id, title)
  values ('e0000000-0000-4000-8000-000000000004', 'e0000000-0000-4000-8000-000000000003', 'Arc welding');
insert into public.enrollments (user_id, course_id) values
  ('a0000000-0000-4000-8000-000000000004', 'e0000000-0000-4000-8000-000000000004'),
  ('a0000000-0000-4000-8000-000000000005', 'e0000000-0000-4000-8000-000000000004');

insert into public.scorm_packages (id, title, package_url, launch_url, is_active, created_by) values
  ('b0000000-0000-4000-8000-000000000001', 'Safety', 'https://example.org/safety.zip', 'https://example.org/safety/',
    true, 'a0000000-0000-4000-8000-000000000001'),
  ('b0000000-0000-4000-8000-000000000002', 'First aid', 'https://example.org/aid.zip', 'https://example.org/aid/',
    true, 'a0000000-0000-4000-8000-000000000002'),
  ('b0000000-0000-4000-8000-000000000003', 'Retired', 'https://example.org/old.zip', 'https://example.org/old/',
    false, 'a0000000-0000-4000-8000-000000000001'),
  ('b0000000-0000-4000-8000-000000000004', 'Unused', 'https://example.org/new.zip', 'https://example.org/new/',
    true, null);

insert into public.scorm_enrollments (id, scorm_package_id, user_id) values
  ('c0000000-0000-4000-8000-000000000001', 'b0000000-0000-4000-8000-000000000001',
    'a0000000-0000-4000-8000-000000000004'),
  ('c0000000-0000-4000-8000-000000000002', 'b0000000-0000-4000-8000-000000000001',
    'a0000000-0000-4000-8000-000000000005'),
  ('c0000000-0000-4000-8000-000000000003', 'b0000000-0000-4000-8000-000000000002',
    'a0000000-0000-4000-8000-000000000004'),
  ('c0000000-0000-4000-8000-000000000004', 'b0000000-0000-4000-8000-000000000003',
    'a0000000-0000-4000-8000-000000000004');

insert into public.scorm_tracking (scorm_enrollment_id, element, value) values
  ('c0000000-0000-4000-8000-000000000001', 'cmi.core.lesson_location', '1'),
  ('c0000000-0000-4000-8000-000000000002', 'cmi.core.lesson_location', '2'),
  ('c0000000-0000-4000-8000-000000000003', 'cmi.core.lesson_location', '3');

insert into public.partner_lms_providers (id, provider_name, provider_type, api_config)
  values ('e0000000-0000-4000-8000-000000000001', 'Skills Partner', 'rest', '{"key": "secret"}');
insert into public.partner_courses (id, provider_id, course_name)
  values ('e0000000-0000-4000-8000-000000000002', 'e0000000-0000-4000-8000-000000000001', 'Forklifts');
insert into public.partner_lms_enrollments (id, provider_id, student_id, course_id) values
  ('d0000000-0000-4000-8000-000000000001', 'e0000000-0000-4000-8000-000000000001',
    'a0000000-0000-4000-8000-000000000004', 'e0000000-0000-4000-8000-000000000002'),
  ('d0000000-0000-4000-8000-000000000002', 'e0000000-0000-4000-8000-000000000001',
    'a0000000-0000-4000-8000-000000000005', 'e0000000-0000-4000-8000-000000000002');
insert into public.partner_course_mappings (partner_course_id, scorm_package_id)
  values ('e0000000-0000-4000-8000-000000000002', 'b0000000-0000-4000-8000-000000000001');
insert into public.external_module_progress (user_id, partner_enrollment_id, module_id) values
  ('a0000000-0000-4000-8000-000000000004', 'd0000000-0000-4000-8000-000000000001', 'm1'),
  ('a0000000-0000-4000-8000-000000000005', 'd0000000-0000-4000-8000-000000000002', 'm1');
insert into public.lms_sync_log (provider_id, sync_type, status)
  values ('e0000000-0000-4000-8000-000000000001', 'progress', 'success');
insert into public.partner_credentials (user_id, provider_id, credential_name) values
  ('a0000000-0000-4000-8000-000000000004', 'e0000000-0000-4000-8000-000000000001', 'Forklift licence'),
  ('a0000000-0000-4000-8000-000000000005', 'e0000000-0000-4000-8000-000000000001', 'Forklift licence');
