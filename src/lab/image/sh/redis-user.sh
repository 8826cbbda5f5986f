#!/bin/sh
# Before Redis' packages: the user with the official image's numbers, which the packages
# then find. $1: the image's root.
set -eu
echo 'redis:x:999:' >>"$1/etc/group"
echo 'redis:x:999:999::/data:/bin/sh' >>"$1/etc/passwd"
