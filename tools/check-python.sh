#!/bin/sh
# Says what is missing before a half-made virtual environment does.
python=${1:-python3}
if ! command -v "$python" >/dev/null 2>&1; then
  echo "Python 3.11 or later is needed and '$python' was not found. Install it, or name another: make demo PYTHON=python3.12" >&2
  exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "Python 3.11 or later is needed; '$python' is $("$python" -V 2>&1). Name another: make demo PYTHON=python3.12" >&2
  exit 1
fi
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
  echo "'$python' lacks the venv module. On Debian and Ubuntu: apt install python3-venv" >&2
  exit 1
fi
