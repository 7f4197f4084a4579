-- Of large values (suspend data) only the latest row of an element stays. This finds the one before without reading
-- the whole history of an enrolment; octet_length does not fetch the value.
create index if not exists scorm_tracking_large_values_idx
  on public.scorm_tracking (scorm_enrollment_id) where octet_length(value) > 2048;
