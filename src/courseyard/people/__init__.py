"""Who is calling, and who is known: accounts, tokens, roles. No HTTP here."""

from courseyard.people.accounts import Accounts, LinkOwner
from courseyard.people.caller import ROLES, SERVICE, STAFF, Caller
from courseyard.people.directory import Directory, NewLearner
from courseyard.people.identity import Identity
from courseyard.people.passwords import Passwords
from courseyard.people.supabase import SupabaseAdmin, SupabaseTokens
from courseyard.people.tokens import AccessTokens

__all__ = [
    "ROLES",
    "SERVICE",
    "STAFF",
    "AccessTokens",
    "Accounts",
    "Caller",
    "Directory",
    "Identity",
    "LinkOwner",
    "NewLearner",
    "Passwords",
    "SupabaseAdmin",
    "SupabaseTokens",
]
