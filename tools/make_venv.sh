#!/usr/bin/env bash
# Make a virtual environment at $1 with the first Python >= 3.11 found.
set -euo pipefail
venv=$1

find_python() {
  for name in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 python; do
    [ -n "$name" ] || continue
    if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2])' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  echo "error: no Python 3.11 or newer was found; install one, or name it: make PYTHON=/path/to/python3" >&2
  exit 2
}

python=$(find_python)
if ! "$python" -m venv "$venv" 2>/dev/null; then
  # Debian and Ubuntu package venv separately from Python.
  rm -rf "$venv"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -q && apt-get install -y -q python3-venv
    "$python" -m venv "$venv"
  else
    echo "error: Python's venv module is missing; on Debian or Ubuntu run: sudo apt-get install python3-venv" >&2
    exit 2
  fi
fi
