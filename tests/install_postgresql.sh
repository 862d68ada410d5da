#!/bin/sh
# Installs the server that tests/test_journal_postgresql.py starts; run as root on Debian or Ubuntu.
set -eu
apt-get update -qq
# Without the cluster that the package would start by itself.
conf=/etc/postgresql-common/createcluster.conf
mkdir -p /etc/postgresql-common
[ -e "$conf" ] || echo "create_main_cluster = false" > "$conf"
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql
ls -d /usr/lib/postgresql/*/bin
