#!/bin/sh
# The official image's places on Debian's PostgreSQL: a server that listens to everybody,
# and directories that are the user's, so that a new volume is too. $1: the image's root.
set -eu
cd "$1"
for sample in usr/share/postgresql/*/postgresql.conf.sample; do
  sed -i "s/^#*listen_addresses *=.*/listen_addresses = '*'/" "$sample"
  grep -q "^listen_addresses = '\*'$" "$sample"
done
rm -rf var/lib/postgresql run/postgresql
# A tmpfs mounted there takes the directory's mode, so everybody may write to it.
mkdir -p docker-entrypoint-initdb.d
install -d -o 999 -g 999 -m 3777 run/postgresql
install -d -o 999 -g 999 -m 1777 var/lib/postgresql
# From 18 on the volume is the directory above.
if [ ! -d usr/lib/postgresql/18 ]; then
  install -d -o 999 -g 999 -m 1777 var/lib/postgresql/data
fi
