#!/bin/sh
# Makes a backup of a site's database, and of what was uploaded, as one file on this server.
#
#   backup.sh [--held] SITE STATE DIRECTORY KEEP DATABASE USER MEDIA
#   backup.sh --ended SITE STATE
#
# With --held, whoever calls it has its turn on this host. --ended notes that a unit was ended
# before it could say so itself. MEDIA is the directory of uploads, or "-".
# What is cut off has a hidden name and goes with the next one; a name in full is there only for
# what is whole and on disk. How it ended, and what was made last, is left in STATE/backup; why it
# failed, in its last line on stderr.
set -eu
export LC_ALL=C
umask 077
how=run
case $1 in
--held | --ended)
    how=${1#--}
    shift
    ;;
esac
site=$1 state=$2
shift 2
why='' name='' bytes='' sha256='' tables='' rows='' work='' watcher=

# Notes how it ended: $1 is ok or failed.
note() {
    now=$(date +%s)
    ok=$now
    if [ "$1" = failed ]; then
        for key in ok name bytes sha256 tables rows; do
            eval "$key=\$(sed -n \"s/^$key=//p\" \"\$state/backup\" 2>/dev/null | sed -n '\$p')"
        done
    fi
    [ -d "$state" ] || install -d -m 755 -- "$state"
    new=$(mktemp "$state/.backup.XXXXXX") || return
    {
        printf 'ended=%s\nresult=%s\n' "$now" "$1"
        if [ -n "$ok" ]; then
            printf 'ok=%s\nname=%s\nbytes=%s\n' "$ok" "$name" "$bytes"
            printf 'sha256=%s\ntables=%s\nrows=%s\n' "$sha256" "$tables" "$rows"
        fi
        [ -z "$why" ] || printf 'message=%s\n' "$why"
    } >"$new" && chmod 644 -- "$new" && sync -- "$new" && mv -fT -- "$new" "$state/backup"
}

# One more reason why it fails, as one line of what can be shown anywhere.
fault() {
    line=$(printf '%s' "$1" | tr -s '[:space:]' ' ' | tr -cd ' -~' | cut -c 1-600)
    why="$why${why:+; }$line"
}

if [ "$how" = ended ]; then
    case ${SERVICE_RESULT-} in
    '' | success | exit-code) exit 0 ;;
    timeout) fault "it took too long and was ended" ;;
    *) fault "it was ended: $SERVICE_RESULT ${EXIT_STATUS-}" ;;
    esac
    note failed
    exit 0
fi

directory=$1 keep=$2 database=$3 user=$4 media=$5
container=$site-postgres

unwatch() {
    [ -z "$watcher" ] || kill "$watcher" 2>/dev/null || :
    watcher=
}

finish() {
    status=$?
    trap '' TERM INT HUP
    unwatch
    if [ "$status" -ne 0 ] && [ -z "$why" ]; then
        said=
        [ -z "$work" ] || said=$(sed -n '$p' "$work/said" 2>/dev/null) || :
        fault "${said:-it ended with $status before it was done}"
    fi
    [ -z "$work" ] || rm -rf -- "$work" "$work.tar"
    if [ -z "$why" ]; then
        note ok || exit 1
    else
        note failed || :
        echo "failed: $why" >&2
        exit 1
    fi
}

# Shows how large file $1 has become, while it grows and this script is there. It doesn't hold the
# turn. To be told to end may reach it too early to be heard: it ends with the files too.
watch() {
    (
        while sleep 2 && kill -0 "$$" 2>/dev/null && [ -d "$work" ]; do
            size=$(stat -c %s -- "$1" 2>/dev/null) || continue
            printf '%s: %s MB\n' "${1##*/}" $((size / 1000000))
        done
    ) 8>&- &
    watcher=$!
}

# Runs a program of PostgreSQL's in its container; what it complains of is kept for the record.
pg() {
    docker exec --interactive "$container" "$@" 2>"$work/said"
}

# How many rows each table has by the data of a dump: name in SQL, tab, count.
count_rows() {
    awk '
        within && $0 == "\\." { print name "\t" rows; within = 0; next }
        within { rows++; next }
        /^COPY .* FROM stdin;$/ {
            rest = substr($0, 6)
            match(rest, /^("([^"]|"")*"|[^" (.]+)\.("([^"]|"")*"|[^" (.]+)/)
            name = substr(rest, 1, RLENGTH); rows = 0; within = 1
        }'
}

# The member of an archive, with what the manifest says of it.
entry() {
    sum=$(sha256sum <"$work/$1")
    printf '{"name": "%s", "bytes": %s, "sha256": "%s"}' \
        "$1" "$(stat -c %s -- "$work/$1")" "${sum%% *}"
}

# The backups of this site that are whole, the newest first.
whole() {
    for old in "$directory/$site"-[0-9]*T[0-9]*Z.tar; do
        [ -f "$old" ] || continue
        last=${old##*/}
        last=${last#"$site"-}
        case $last in
        [0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]T[0-9][0-9][0-9][0-9][0-9][0-9]Z.tar) ;;
        *) continue ;;
        esac
        [ "$(tar --list --file="$old" 2>/dev/null | sed -n '$p')" = manifest.json ] || continue
        printf '%s\n' "$old"
    done | sort -r
}

trap finish EXIT
trap 'fault "it was ended before it was done"; exit 143' TERM INT HUP

if [ "$how" = run ]; then
    # One operation at a time, be it this one or one of a run.
    turn=${state%/*}/operation
    exec 8>>"$turn"
    if ! flock --nonblock 8; then
        echo "waiting: $(sed 1q "$turn") is being done"
        if ! flock --wait 3600 8; then
            fault "another operation has been going on for an hour: $(sed 1q "$turn")"
            exit 75
        fi
    fi
    printf 'the backup by %s-backup.timer\ntimer %s\n' "$site" "$$" >"$turn"
fi

[ -d "$directory" ] || install -d -m 700 -- "$directory"
chmod 700 -- "$directory"
# What was cut off: nobody else is at it, since it is our turn.
rm -rf -- "$directory/.$site"-[0-9]*Z "$directory/.$site"-[0-9]*Z.tar

stamp=$(date -u +%Y%m%dT%H%M%SZ)
while [ -e "$directory/$site-$stamp.tar" ]; do
    sleep 1
    stamp=$(date -u +%Y%m%dT%H%M%SZ)
done
work=$directory/.$site-$stamp
mkdir -- "$work"

case $(docker inspect --format '{{.State.Status}}' "$container" 2>&1) in
running) ;;
*)
    fault "$container doesn't run, so there is nothing to make a backup of"
    exit 1
    ;;
esac
version=$(pg psql -U postgres -XAtq --dbname="$database" \
    --command='show server_version_num' </dev/null)
major=$((version / 10000))

echo "dumping $database of PostgreSQL $major"
watch "$work/database.dump"
pg pg_dump -U postgres --format=custom --dbname="$database" </dev/null >"$work/database.dump"
unwatch
pg pg_dumpall -U postgres --globals-only --no-role-passwords </dev/null >"$work/globals.sql"

# Its list, and then all of it: a list would not miss what is cut off behind it.
pg pg_restore --list <"$work/database.dump" >/dev/null
echo "reading all of the dump"
{
    status=0
    pg pg_restore --data-only --file=- <"$work/database.dump" || status=$?
    echo "$status" >"$work/status"
} | count_rows >"$work/tables.txt"
read -r status <"$work/status"
[ "$status" = 0 ] || exit "$status"
tables=$(wc -l <"$work/tables.txt")
rows=$(awk -F '\t' '{ all += $2 } END { printf "%d", all }' "$work/tables.txt")

set -- database.dump globals.sql tables.txt
if [ "$media" != - ] && [ -d "$media" ]; then
    echo "reading what was uploaded"
    watch "$work/media.tar"
    status=0
    tar --create --numeric-owner --file="$work/media.tar" --directory="$media" . \
        2>"$work/said" || status=$?
    unwatch
    # 1: something was uploaded meanwhile.
    [ "$status" -le 1 ] || exit "$status"
    set -- "$@" media.tar
fi

{
    printf '{\n"format": 1,\n"site": "%s",\n"made": "%s",\n' "$site" "$stamp"
    printf '"postgres": %s,\n"database": "%s",\n"user": "%s",\n' "$major" "$database" "$user"
    printf '"tables": %s,\n"rows": %s,\n"files": [\n' "$tables" "$rows"
    comma=
    for member in "$@"; do
        printf '%s' "$comma"
        entry "$member"
        comma=',
'
    done
    printf '\n]\n}\n'
} >"$work/manifest.json"

echo "writing $site-$stamp.tar"
tar --create --format=gnu --owner=root:0 --group=root:0 --file="$work.tar" \
    --directory="$work" "$@" manifest.json 2>"$work/said"
for member in "$@" manifest.json; do
    sum=$(sha256sum <"$work/$member")
    again=$(tar --extract --to-stdout --file="$work.tar" "$member" | sha256sum)
    if [ "$sum" != "$again" ]; then
        fault "$member is not what it was in the archive: see whether the disk is sound"
        exit 1
    fi
done
sum=$(sha256sum <"$work.tar")
sha256=${sum%% *}
sync -- "$work.tar"
# The name in full, for what is on disk.
mv -T -- "$work.tar" "$directory/$site-$stamp.tar"
sync -- "$directory"
name=$site-$stamp.tar
bytes=$(stat -c %s -- "$directory/$name")

whole | sed "1,${keep}d" | while read -r old; do
    rm -f -- "$old"
    echo "removed ${old##*/}: $keep are kept"
done
echo "made $name: $bytes bytes, $rows rows in $tables tables"
