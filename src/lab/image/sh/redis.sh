#!/bin/sh
# The official image's directory, and no service's files. $1: the image's root.
set -eu
cd "$1"
rm -rf etc/redis var/lib/redis var/log/redis
install -d -o 999 -g 999 -m 0755 data
