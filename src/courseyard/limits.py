"""Every limit of the product, each with its reason. Nothing here is secret or per installation."""

from __future__ import annotations

from datetime import timedelta

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

# A manifest of 2,000 activities with full sequencing takes about 4 MiB; more is an attack or a mistake.
MAX_MANIFEST_BYTES = 16 * MIB

# Elements of the sequencing collection that the items of one manifest may share in: 2,000 items with 100 each.
MAX_SHARED_ELEMENTS = 200_000

# Video-heavy courses reach 3 GiB; the upload is streamed to disk, so memory does not set this limit.
MAX_UPLOAD_BYTES = 4 * GIB

# What unpacking may write: protects the disk from a zip bomb.
MAX_UNPACKED_BYTES = 8 * GIB

# The largest real packages seen hold some 30,000 files (tiled images).
MAX_PACKAGE_FILES = 100_000

# Text deflates to 1:20 at best in real courses; a run of zeros reaches 1:1032. Small files are exempt.
MAX_COMPRESSION_RATIO = 200
COMPRESSION_RATIO_FROM_BYTES = 1 * MIB

# Most file systems end at 255 bytes a name; S3 takes keys of 1,024, of which the version's prefix needs some.
MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 900

# Courses save up to 80,000 characters of suspend data where the standard allows 4,096 or 64,000.
MAX_VALUE_CHARS = 1 * MIB

# One commit: a full resend of a SCO with 250 interactions and 1 MiB of suspend data stays below.
MAX_COMMIT_BYTES = 4 * MIB
MAX_COMMIT_ELEMENTS = 20_000

# JSON bodies of the REST interface are small; packages go as multipart.
MAX_JSON_BYTES = 1 * MIB

# How long a launch link may lie unopened; opening it gives the page a session of its own.
LAUNCH_LINK_LIFETIME = timedelta(minutes=15)

# An import or upload that was killed is cleaned up when nothing was added to it for this long: no file takes so long.
ABANDONED_AFTER = timedelta(hours=6)

# A session token is renewed while the learner works; this is how long a laptop may sleep in between.
PLAYER_TOKEN_LIFETIME = timedelta(hours=12)
PLAYER_TOKEN_RENEW_AFTER = timedelta(minutes=30)

# A page that was left open over a weekend opens a new session by itself.
RELAUNCH_LINK_LIFETIME = timedelta(days=4)

# What a closed window left in the browser may come this late; the epoch keeps it from overwriting newer data.
JOURNAL_LIFETIME = timedelta(days=90)

# Content addresses stay the same this long, so that caches help; they work for one to two such spans.
CONTENT_PREFIX_BUCKET = timedelta(days=7)

# Two requests of one window overtake each other by fractions of a second; a lost one never comes.
COMMIT_GAP_WAIT_SECONDS = 1.5

# Parsed manifests and trees that a process keeps at hand; a large one takes some 10 MiB.
MAX_CACHED_COURSES = 64

# Requests of players that one process works on at once; more wait their turn. Twice the database pool.
MAX_PARALLEL_PLAYER_REQUESTS = 24

# Copies for browse, review and preview are thrown away when the next one is opened after this long.
THROW_AWAY_LIFETIME = timedelta(days=1)

# The page reports every 30 s that it is open; longer gaps are not counted as learning time.
HEARTBEAT_SECONDS = 30
MAX_MEASURED_GAP_SECONDS = 90

# So far the page's clock of a time limit may be ahead of the server's, which hears of the page every 30 s.
TIME_LIMIT_GRACE_SECONDS = 45

# Links for signing in are used at once or never.
SIGN_IN_LINK_LIFETIME = timedelta(hours=24)
WEB_SESSION_LIFETIME = timedelta(days=14)

# A token for scripts of a person; the service key is for servers.
ACCESS_TOKEN_LIFETIME = timedelta(hours=1)

# Clocks of two servers differ by some seconds.
TOKEN_LEEWAY_SECONDS = 30

# NIST SP 800-63B: length beats rules. The upper end keeps a request from feeding megabytes to argon2.
MIN_PASSWORD_CHARS = 10
MAX_PASSWORD_CHARS = 200

# A person mistypes a few times; a guessing program is slowed to about 1,000 tries a day per account.
SIGN_IN_WINDOW = timedelta(minutes=15)
MAX_SIGN_IN_FAILURES = 10
MAX_SIGN_IN_FAILURES_PER_ADDRESS = 100

# The JWKS of a Supabase project changes when its keys are rotated: an unknown key asks again.
JWKS_LIFETIME = timedelta(minutes=10)
JWKS_MIN_INTERVAL = timedelta(seconds=30)

# argon2 takes 64 MiB and most of a core: two at once leave room for tracking.
MAX_PARALLEL_PASSWORD_CHECKS = 2

# The last requests an author looks at; older traces are dropped.
TRACES_KEPT_PER_ATTEMPT = 20

PAGE_SIZE = 50
MAX_PAGE_SIZE = 200

# One answer of a partner: a page of 1,000 records takes about 1 MiB; Moodle tells a whole catalogue at once.
MAX_PARTNER_ANSWER_BYTES = 64 * MIB

# A partner that has not begun to answer by then is down; the request is made again.
PARTNER_TIMEOUT_SECONDS = 30.0

# A shorter secret may be part of an ordinary word: it is not blotted out of a partner's answers.
MIN_BLOTTED_CHARS = 8

# Somebody signs in at the partner and reads what is asked for; whoever takes longer begins again.
CONSENT_LIFETIME = timedelta(minutes=15)

# Tries of one call to a partner within a run; after that the run ends and is resumed by the schedule.
PARTNER_TRIES = 5

# Longer waits than this (Retry-After) are left to the queue: a worker does not sit through them.
MAX_PARTNER_WAIT_SECONDS = 120.0

# A quota by the day is the longest that partners have; who asks for more is asked again after this.
MAX_PARTNER_PUT_OFF_SECONDS = 24 * 3600.0

# Gentle enough for every partner's documented limit; a provider's settings may say otherwise.
DEFAULT_PARTNER_REQUESTS_PER_MINUTE = 120

# One file of a partner, held in memory while it is read: a million rows of 200 bytes.
MAX_PARTNER_FILE_BYTES = 256 * MIB

# Files of one provider's place; a folder with hourly files fills this in a year.
MAX_PARTNER_FILES = 10_000

# A file in a folder that changed this recently may still be being written by somebody else.
PARTNER_FILE_SETTLE_SECONDS = 30

# Columns of a partner's table; the widest reports seen have some 120.
MAX_PARTNER_COLUMNS = 500

# An identifier at a partner, in UTF-8. Two make the key of a module, and an index of PostgreSQL holds 2,704 bytes.
MAX_PARTNER_KEY_BYTES = 1_000

# Records written by one call: large enough that round trips do not count, small enough that a lock is short.
SYNC_BATCH_RECORDS = 1_000

# Records that the database refuses one after another, all for one reason and before any is taken, until a run gives
# up: a table that takes nothing would be tried for hours. Some 15 seconds.
MAX_REFUSED_IN_A_ROW = 1_000

# Pages of one stream in one run: 100 records each make 10 million; a partner whose pages never end is stopped here.
MAX_SYNC_PAGES = 100_000

# A listing that holds less than this share of what is known is taken for broken: nothing is marked as gone by it.
MIN_LISTED_SHARE = 0.5

# What a dry run shows of what it would change; the counts are complete.
DRY_RUN_CHANGES_SHOWN = 200

# Failed runs in a row after which a provider counts as failing.
FAILING_AFTER_RUNS = 3

# Tries of a run whose partner is down or busy, 4, 16, 64, 256 and 1,024 seconds apart, or as far as the partner asks
# for; then the schedule takes over.
SYNC_TRIES = 6

# Deliveries that a partner pushed are kept this long after they were written, to answer what came when.
INBOX_LIFETIME = timedelta(days=30)

# One delivery of a partner: SCORM Cloud's largest postbacks and batches of statements stay far below.
MAX_DELIVERY_BYTES = 4 * MIB

# What Standard Webhooks asks of its own signatures; the same for others that sign a time.
MAX_DELIVERY_AGE_SECONDS = 300

# Waits between the tries of delivering a webhook, some three days in all, as Standard Webhooks proposes.
WEBHOOK_RETRIES = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 60, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
WEBHOOK_TIMEOUT_SECONDS = 15.0

# A receiver that does not answer is left alone so long: others do not wait for it, and it is asked about once a minute.
WEBHOOK_REST = timedelta(seconds=30)

# A receiver that has not accepted anything for this long is switched off, and the page says so.
WEBHOOK_DISABLE_AFTER = timedelta(days=5)
WEBHOOK_LOG_LIFETIME = timedelta(days=30)

# Days before a credential expires on which its reminder goes out; 0 is the day itself.
CREDENTIAL_REMINDER_DAYS = (60, 30, 7, 0)

# A certificate is a page or two; scans of them reach some megabytes.
MAX_CERTIFICATE_BYTES = 20 * MIB

# Verification addresses looked at in one minute, and side by side: nobody's server notices it.
VERIFICATIONS_PER_ROUND = 40
VERIFICATIONS_AT_ONCE = 8
VERIFICATION_TIMEOUT_SECONDS = 10.0

# Lines of pasted mappings: a large catalogue; the whole paste stays below MAX_JSON_BYTES.
MAX_MAPPING_LINES = 10_000

# Courses or targets that one form offers to choose from; a browser's list stays usable up to here.
MAX_OFFERED = 5_000

# Courses that one look at the suggestions compares with everything of ours: a second for 2,000 targets.
SUGGESTED_COURSES = 200
SUGGESTIONS_PER_COURSE = 3

# Titles that are less alike than this only share a common word.
SUGGESTION_FLOOR = 0.4

# People enrolled at a partner by one request; each is a call or two at the partner.
MAX_GROUP = 5_000

# Tries of what is to be done at a partner, 1, 4, 16, 64 minutes and then 4 hours apart: two days of an outage.
OUTBOX_TRIES = 16
OUTBOX_FIRST_WAIT = timedelta(minutes=1)
OUTBOX_LONGEST_WAIT = timedelta(hours=4)

# A worker says this often that it is alive; one that has been silent for that long is dead, and another goes on.
OUTBOX_BEAT_SECONDS = 10.0
OUTBOX_DEAD_AFTER = timedelta(seconds=60)
