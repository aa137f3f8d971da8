#!/usr/bin/env bash
# Make sure that the browser tests have a Chromium. $1: the environment's Python.
# Use the one on the PATH, or install Debian's package (as root), or Playwright's build.
set -uo pipefail
python=$1

for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  if apt-get update -q && apt-get install -y -q chromium; then exit 0; fi
fi
if "$python" -m playwright install chromium; then exit 0; fi
if [ -n "${CI:-}" ]; then
  echo "error: no Chromium on the PATH and none could be installed; the browser tests need one" >&2
  exit 1
fi
echo "note: no Chromium was found and none could be installed; the browser tests will be skipped" >&2
