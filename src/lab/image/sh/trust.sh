#!/bin/sh
# After an image's packages are in: the machine's certificate authorities. $1: the image's
# root.
set -eu
if [ -d /usr/local/share/ca-certificates ] && [ -x "$1/usr/sbin/update-ca-certificates" ]; then
  mkdir -p "$1/usr/local/share/ca-certificates"
  cp -rL /usr/local/share/ca-certificates/. "$1/usr/local/share/ca-certificates/"
  chroot "$1" update-ca-certificates >/dev/null
fi
