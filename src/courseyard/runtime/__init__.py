"""An attempt's life: enrol, launch, open, commit, navigate, resume. Joins the engines to the database.

Knows nothing of HTTP. A window on an attempt is an epoch: the newest may write, older ones are refused. Surprise: an
attempt's session may stay open for ever, because closing a tab tells nobody; the next launch tidies up.
"""

from courseyard.runtime.enrolment import Enrolments
from courseyard.runtime.player import Commit, Navigation, Player
from courseyard.runtime.tokens import ContentPrefixes, LaunchLink, PlayerSession, PlayTokens

__all__ = [
    "Commit",
    "ContentPrefixes",
    "Enrolments",
    "LaunchLink",
    "Navigation",
    "PlayTokens",
    "Player",
    "PlayerSession",
]
