#!/usr/bin/env bash
# Fetches Supabase's own program, whose advisors tests/sql/test_advisors.py asks, from npm (135 MB, pinned) into a cache.
# Prints where it is. Without npm, or on a machine it is not made for, it says so and the test is skipped.
set -euo pipefail
version=3.1.0
cache="${XDG_CACHE_HOME:-$HOME/.cache}/courseyard-tests/supabase"
program="$cache/node_modules/@supabase/cli-linux-x64/bin/supabase"
if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "Supabase's advisors are fetched for Linux on x86_64 only." >&2
  exit 0
fi
if ! command -v npm >/dev/null; then
  echo "npm is not installed, so Supabase's advisors are not asked." >&2
  exit 0
fi
if [ ! -x "$program" ] || [ "$(cat "$cache/version" 2>/dev/null)" != "$version" ]; then
  mkdir -p "$cache"
  npm install --prefix "$cache" --no-audit --no-fund --ignore-scripts --loglevel=error "@supabase/cli-linux-x64@$version" >&2
  echo "$version" >"$cache/version"
fi
echo "$program"
