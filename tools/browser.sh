#!/bin/sh
# A Chromium for the browser tests: the system's, else Playwright's own, else the distribution's package.
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  command -v "$name" >/dev/null 2>&1 && exit 0
done
python=.venv/bin/python
have='from playwright.sync_api import sync_playwright as p
import os, sys
with p() as w: sys.exit(not os.path.exists(w.chromium.executable_path))'
"$python" -c "$have" 2>/dev/null && exit 0
echo "Browser tests need Chromium: installing it."
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null 2>&1 && exit 0
fi
"$python" -m playwright install chromium && exit 0
echo "No Chromium could be installed. Install one (package 'chromium'), then run 'make test' again." >&2
exit 1
