#!/bin/sh
# Before PostgreSQL's packages: the user with the official image's numbers, which the
# packages then find, and no cluster of the packages' own. $1: the image's root.
set -eu
cd "$1"
echo 'postgres:x:999:' >>etc/group
echo 'postgres:x:999:999::/var/lib/postgresql:/bin/bash' >>etc/passwd
mkdir -p etc/postgresql-common
echo 'create_main_cluster = false' >etc/postgresql-common/createcluster.conf
