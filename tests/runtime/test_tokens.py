"""Launch links, session tokens and content prefixes: what is let in, and that none passes for another."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courseyard.errors import LaunchLinkError, NotFoundError, PlayerTokenError
from courseyard.limits import CONTENT_PREFIX_BUCKET, LAUNCH_LINK_LIFETIME, PLAYER_TOKEN_LIFETIME
from courseyard.runtime import ContentPrefixes, LaunchLink, PlayerSession, PlayTokens

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ID = "7a0e7c36-5a92-4f29-8d0d-0f4e4b5b0c11"
OTHER = "7a0e7c36-5a92-4f29-8d0d-0f4e4b5b0c12"
TOKENS = PlayTokens("a secret of more than thirty-two characters")
PREFIXES = ContentPrefixes("a secret of more than thirty-two characters")
LINK = LaunchLink("normal", ID, redirect_url="https://example.org/done")
SESSION = PlayerSession(ID, 3, "normal")
MINUTE = timedelta(minutes=1)


def test_what_was_issued_is_read_back():
    assert TOKENS.read_launch(TOKENS.issue_launch(LINK, NOW), NOW) == LINK
    assert TOKENS.read_session(TOKENS.issue_session(SESSION, NOW), NOW) == (SESSION, False)


def test_a_launch_link_expires():
    token = TOKENS.issue_launch(LINK, NOW)
    with pytest.raises(LaunchLinkError):
        TOKENS.read_launch(token, NOW + LAUNCH_LINK_LIFETIME + MINUTE)


def test_a_session_is_renewed_in_time_and_expires():
    token = TOKENS.issue_session(SESSION, NOW)
    assert TOKENS.read_session(token, NOW + timedelta(hours=1)) == (SESSION, True)
    late = NOW + PLAYER_TOKEN_LIFETIME + MINUTE
    with pytest.raises(PlayerTokenError):
        TOKENS.read_session(token, late)
    assert TOKENS.read_session(token, late, timedelta(days=1))[0] == SESSION


def test_one_kind_does_not_pass_for_another():
    with pytest.raises(PlayerTokenError):
        TOKENS.read_session(TOKENS.issue_launch(LINK, NOW), NOW)
    with pytest.raises(LaunchLinkError):
        TOKENS.read_launch(TOKENS.issue_session(SESSION, NOW), NOW)


@pytest.mark.parametrize("token", ["", "a.b.c", "eyJhbGciOiJub25lIn0.eyJtb2RlIjoibm9ybWFsIn0.", "x" * 5000])
def test_nonsense_is_refused(token):
    with pytest.raises(LaunchLinkError):
        TOKENS.read_launch(token, NOW)
    with pytest.raises(PlayerTokenError):
        TOKENS.read_session(token, NOW)


def test_another_installations_tokens_are_refused():
    stranger = PlayTokens("another secret of more than thirty-two characters")
    with pytest.raises(LaunchLinkError):
        TOKENS.read_launch(stranger.issue_launch(LINK, NOW), NOW)


def test_a_prefix_opens_its_version_and_stays_the_same_for_caches():
    bucket = CONTENT_PREFIX_BUCKET.total_seconds()
    start = datetime.fromtimestamp(NOW.timestamp() // bucket * bucket, UTC)
    prefix = PREFIXES.sign(ID, start)
    assert prefix == PREFIXES.sign(ID, start + CONTENT_PREFIX_BUCKET - MINUTE) != PREFIXES.sign(OTHER, start)
    assert PREFIXES.version(prefix, start + CONTENT_PREFIX_BUCKET) == ID
    with pytest.raises(NotFoundError):
        PREFIXES.version(prefix, start + 2 * CONTENT_PREFIX_BUCKET)


@given(st.integers(0, 47), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))
def test_a_changed_prefix_opens_nothing(place, letter):
    prefix = PREFIXES.sign(ID, NOW)
    changed = prefix[:place] + letter + prefix[place + 1 :]
    if changed != prefix:
        with pytest.raises(NotFoundError):
            PREFIXES.version(changed, NOW)


@given(st.text(max_size=80))
def test_no_text_breaks_the_prefix_reader(text):
    with pytest.raises(NotFoundError):
        PREFIXES.version(text, NOW)
