#!/bin/sh
# The directory in which the official image's commands start. $1: the image's root.
set -eu
mkdir -p "$1/opt/certbot"
