#!/usr/bin/env bash
# Make sure that the tests can start a real STAC API: install stac-fastapi-pgstac in the separate
# environment $1, and PostgreSQL with PostGIS (Debian's packages, as root). A second call does nothing.
# Without them the tests use recorded responses; if CI is set, that is an error.
set -uo pipefail
venv=${1:-.venv-stac}
here=$(dirname "$0")
wanted=$here/../requirements-stac.txt

give_up() {
  if [ -n "${CI:-}" ]; then
    echo "error: $1; the tests of live imagery need it" >&2
    exit 1
  fi
  echo "note: $1; the tests of live imagery will use recorded responses" >&2
  exit 0
}

find_postgis() {
  compgen -G "/usr/share/postgresql/*/extension/postgis.control" >/dev/null && return
  command -v pg_config >/dev/null && [ -e "$(pg_config --sharedir)/extension/postgis.control" ]
}

install_postgis() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  # Debian's default cluster is not needed: the tests create one in a temporary folder.
  mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] ||
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
  apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      postgresql postgresql-postgis >/dev/null
}

find_postgis || install_postgis || give_up "PostgreSQL with PostGIS could not be installed"

if ! cmp -s "$wanted" "$venv/.stac"; then
  [ -x "$venv/bin/python" ] || bash "$here/make_venv.sh" "$venv" ||
    give_up "an environment for the STAC API could not be made"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile -r "$wanted" ||
    give_up "the STAC API could not be installed"
  cp "$wanted" "$venv/.stac"
fi
