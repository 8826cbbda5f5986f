#!/bin/sh
# Entry point of the lab's Redis image: what operators count on in the official one. Options
# or a configuration file alone go to the server, and root steps down.
set -eu
case ${1-} in
  -* | *.conf) set -- redis-server "$@" ;;
esac
if [ "${1-}" = redis-server ] && [ "$(id -u)" = 0 ]; then
  find . ! -user redis -exec chown redis:redis {} +
  exec setpriv --reuid=redis --regid=redis --init-groups -- "$0" "$@"
fi
umask 0077
exec "$@"
