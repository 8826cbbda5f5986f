#!/bin/sh
# `python` and `pip` on the path, and free to install: the container is the environment.
# $1: the image's root.
set -eu
ln -s ../../bin/python3 "$1/usr/local/bin/python"
rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED
if [ -f /etc/pip.conf ]; then cp /etc/pip.conf "$1/etc/pip.conf"; fi
