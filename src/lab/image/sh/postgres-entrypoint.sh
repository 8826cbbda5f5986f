#!/bin/sh
# Entry point of the lab's PostgreSQL images: what operators count on in the official one.
# PGDATA and PG_MAJOR come from the image; the first start reads POSTGRES_PASSWORD,
# POSTGRES_USER, POSTGRES_DB and POSTGRES_INITDB_ARGS, or files that NAME_FILE names.
set -eu

fail() {
  printf 'entry point: %s\n' "$*" >&2
  exit 1
}

# Prints a setting: the variable's value, or that of the file.
setting() {
  eval "plain=\${$1-} file=\${$1_FILE-}"
  # shellcheck disable=SC2154 # the line above sets both
  if [ -n "$plain" ] && [ -n "$file" ]; then
    fail "$1 and $1_FILE are both set; keep one"
  fi
  if [ -n "$file" ]; then
    [ -r "$file" ] || fail "$1_FILE names $file, which can't be read"
    cat -- "$file"
  else
    printf '%s' "$plain"
  fi
}

# psql on the temporary server as the superuser.
sql() {
  psql -X -v ON_ERROR_STOP=1 -w -U "$POSTGRES_USER" "$@"
}

# A new cluster with its superuser and database. Like the official one it isn't made again
# once PG_VERSION is there, however far this came.
initialise() {
  POSTGRES_PASSWORD=$(setting POSTGRES_PASSWORD)
  POSTGRES_USER=$(setting POSTGRES_USER)
  POSTGRES_DB=$(setting POSTGRES_DB)
  arguments=$(setting POSTGRES_INITDB_ARGS)
  [ -n "$POSTGRES_PASSWORD" ] ||
    fail "the superuser has no password; set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE"
  POSTGRES_USER=${POSTGRES_USER:-postgres}
  POSTGRES_DB=${POSTGRES_DB:-$POSTGRES_USER}
  # Scripts in docker-entrypoint-initdb.d use them, under these names alone.
  export POSTGRES_PASSWORD POSTGRES_USER POSTGRES_DB
  unset POSTGRES_PASSWORD_FILE POSTGRES_USER_FILE POSTGRES_DB_FILE PGHOST PGHOSTADDR

  # The arguments are words with quotes, as an operator writes them.
  printf '%s\n' "$POSTGRES_PASSWORD" |
    eval "initdb --username=\"\$POSTGRES_USER\" --pwfile=/dev/stdin $arguments"
  printf '\nhost all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"

  pg_ctl --wait -o "-c listen_addresses=''" start
  if [ "$POSTGRES_DB" != postgres ]; then
    printf 'CREATE DATABASE :"name";\n' | sql -d postgres -v name="$POSTGRES_DB"
  fi
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh)
        if [ -x "$file" ]; then "$file"; else sh -eu "$file"; fi
        ;;
      *.sql) sql -d "$POSTGRES_DB" -f "$file" ;;
      *.sql.gz) gzip -dc "$file" | sql -d "$POSTGRES_DB" ;;
    esac
  done
  pg_ctl --wait --mode=fast stop
  echo 'entry point: the cluster is made'
}

case ${1-} in
  -*) set -- postgres "$@" ;;
esac
[ "${1-}" = postgres ] || exec "$@"
case ${2-} in
  -\? | --help | --describe-config | -V | --version) exec "$@" ;;
esac

if [ "$PG_MAJOR" -ge 18 ]; then
  ! grep -q ' /var/lib/postgresql/data ' /proc/self/mountinfo ||
    fail "something is mounted at /var/lib/postgresql/data; from PostgreSQL 18 on the volume belongs at /var/lib/postgresql"
fi
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /run/postgresql
  find "$PGDATA" /run/postgresql ! -user postgres -exec chown postgres:postgres {} +
  export HOME=/var/lib/postgresql
  exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
fi

mkdir -p "$PGDATA"
chmod 0700 "$PGDATA" || true
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  (initialise)
fi
exec "$@"
