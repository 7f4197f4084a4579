#!/usr/bin/env bash
# Checks the types in the player's and the pages' JavaScript, by their JSDoc. Needs node and npm; says so and passes where
# they are not there.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v node >/dev/null; then
  echo "node is not installed: the types in the JavaScript are not checked." >&2
  exit 0
fi
typescript=$(tests/tools/fetch_npm.sh typescript 5.9.3)
if [ -n "$typescript" ]; then
  node "$typescript/bin/tsc" -p tools/tsconfig.json
fi
