#!/usr/bin/env bash
# Fetches a package of npm that tests or checks use (fetch_npm.sh NAME VERSION) into a cache, pinned, its scripts not run.
# Prints the folder; without npm or network it says so, prints nothing, and what needs the package is skipped.
set -euo pipefail
name=$1 version=$2
cache="${XDG_CACHE_HOME:-$HOME/.cache}/courseyard-tests/$name-$version"
folder="$cache/node_modules/$name"
if [ ! -d "$folder" ]; then
  if ! command -v npm >/dev/null; then
    echo "npm is not installed, so $name is not there." >&2
    exit 0
  fi
  # Beside, then moved: two at once do no harm, and a half fetched one is never taken for whole.
  mkdir -p "${cache%/*}"
  part=$(mktemp -d "${cache%/*}/part-XXXXXX")
  if ! npm install --prefix "$part" --no-audit --no-fund --ignore-scripts --loglevel=error "$name@$version" >&2; then
    rm -rf "$part"
    echo "$name could not be fetched from npm." >&2
    exit 0
  fi
  mv -T "$part" "$cache" 2>/dev/null || rm -rf "$part"
fi
echo "$folder"
