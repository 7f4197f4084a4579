"""Partner LMSs: their catalogues, enrolments, module progress and credentials in the organisation's own tables."""
