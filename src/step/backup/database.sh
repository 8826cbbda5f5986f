# What becomes of the volumes with a site's databases, and which one is in use.
#
#   VERB SITE STATE DIRECTORY DATABASE USER IMAGE IDS DATA ENV CONF VOLUME [MORE]...
#
# restore puts the backup in file MORE[1] (SHA-256 in MORE[2]) into VOLUME, uploads too if MORE[3] is
# "yes"; undo goes back to VOLUME and notes that as MORE[1]; upgrade makes a backup by the script
# whose text is MORE[1] and whose arguments follow, and puts that into VOLUME; forget removes all
# that served before. IMAGE, IDS, ENV and CONF are those of the server on VOLUME: its image, who it
# runs as, and what DIRECTORY/.env and DIRECTORY/postgres/postgresql.conf say then. DATA is the directory
# of the host's that volumes stand for, or "-". On stdin comes the receipt of role and database on
# VOLUME, a line, and the SQL that makes them.
#
# STATE/postgres names the volume in use. STATE/postgres.kept names what served before, the last one
# last. Each volume has its uploads with it: those of the one in use are DIRECTORY/media, those of
# another one DIRECTORY/media-of-VOLUME.
export LC_ALL=C
umask 077
verb=$1 site=$2 state=$3 directory=$4 database=$5 user=$6 image=$7 ids=$8 data=$9
shift 9
env=$1 conf=$2 volume=$3
shift 3
container=$site-postgres
spare=$site-postgres-restore
work='' file='' new='' old='' made='' switching='' stopped=''
took=$(date +%s)

say() { printf '%s\n' "$*"; }
fail() {
    say "failed: $*" >&2
    exit 1
}

# Puts what it reads into file $1, whole or not at all.
put() {
    part=$(mktemp "${1%/*}/.${1##*/}.XXXXXX")
    cat >"$part"
    chmod "${2:-644}" -- "$part"
    sync -- "$part"
    mv -fT -- "$part" "$1"
    sync -- "${1%/*}"
}

in_use() { cat -- "$state/postgres" 2>/dev/null || :; }

kept() { cat -- "$state/postgres.kept" 2>/dev/null || :; }

# Volume $1 serves from the next start on, by the files $2 and $3.
use_volume() {
    say "$1" | put "$state/postgres"
    put "$directory/.env" <"$2"
    put "$directory/postgres/postgresql.conf" <"$3"
}

compose() {
    docker compose --project-name "$site" --project-directory "$directory" \
        --file "$directory/compose.yaml" "$@"
}

# Removes volume $1 with what it stands for.
remove_volume() {
    place=$(docker volume inspect --format \
        '{{with .Options}}{{with .device}}{{.}}{{end}}{{end}}' "$1" 2>/dev/null) || return 0
    docker volume rm "$1" >/dev/null || return 1
    case $place in
    ?*/"${1#"$site-postgres-"}") rm -rf -- "$place" ;;
    esac
}

# Whether $1 is the name of a volume of this site's databases.
is_ours() {
    case ${1#"$site-postgres-"} in
    "$1") return 1 ;;
    [1-9][0-9] | [1-9][0-9]-[0-9]*T[0-9]*Z) return 0 ;;
    *) return 1 ;;
    esac
}

# Clears away what was cut off: volumes that never served, and uploads without a database.
settle() {
    now=$(in_use)
    [ -n "$now" ] || fail "there is no database yet: provision run makes it"
    docker rm --force "$spare" >/dev/null 2>&1 || :
    for each in $(docker volume ls --quiet --filter "label=provision.restored=$site"); do
        [ "$each" != "$now" ] || continue
        kept | grep -qxF -- "$each" || remove_volume "$each"
    done
    if [ -d "$directory/media-of-$now" ]; then
        [ ! -d "$directory/media" ] || mv -T -- "$directory/media" "$directory/media-left-$(date -u +%Y%m%dT%H%M%SZ)"
        mv -T -- "$directory/media-of-$now" "$directory/media"
    fi
    for uploads in "$directory"/media-of-*; do
        [ -d "$uploads" ] || continue
        kept | grep -qxF -- "${uploads##*/media-of-}" || rm -rf -- "$uploads"
    done
    rm -rf -- "$state"/.restore.*
}

running() { [ "$(docker inspect --format '{{.State.Running}}' "$1" 2>/dev/null)" = true ]; }

# Containers that use the database or the uploads stand still while these are changed.
stop_app() {
    for name in "$site-app" ${1:+"$site-proxy"}; do
        if running "$name"; then
            stopped="$stopped $name"
            docker stop -t 30 "$name" >/dev/null
        fi
    done
}

start_app() {
    for name in $stopped; do
        docker start "$name" >/dev/null || say "$name doesn't start"
    done
    for name in $stopped; do
        tries=0
        while :; do
            health=$(docker inspect --format \
                '{{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}' "$name")
            case $health in
            healthy | running) break ;;
            esac
            tries=$((tries + 1))
            if [ "$tries" -gt 180 ]; then
                say "$name is $health: see docker logs $name"
                return 1
            fi
            sleep 1
        done
    done
    stopped=
}

swap_media() {
    [ -d "$directory/media-of-$2" ] || return 0
    [ ! -d "$directory/media" ] || mv -T -- "$directory/media" "$directory/media-of-$1"
    mv -T -- "$directory/media-of-$2" "$directory/media"
    sync -- "$directory"
}

# Starts the database on the volume in use. Compose takes a container for the same if only the
# name of an external volume is another.
serve() {
    compose up --detach --force-recreate --wait --wait-timeout 180 --no-deps postgres >"$work/up" 2>&1 ||
        fail "the database doesn't start: $(tail -n 3 "$work/up"; docker logs --tail 3 "$container" 2>&1)"
    docker inspect --format '{{range .Mounts}}{{.Name}}
{{end}}' "$container" | grep -qxF -- "$(in_use)" || fail "$container has another volume than $(in_use)"
}

# Makes role and database in container $1 as a run would.
make_role() {
    printf '%s\n' "$sql" | docker exec --interactive "$1" psql --no-psqlrc --quiet \
        --set=ON_ERROR_STOP=1 --username=postgres --dbname=postgres --file=- >"$work/said" 2>&1 ||
        fail "the role $user can't be made: $(sed -n '$p' "$work/said")"
}

# From the volume in use to $1, which is whole. If that one doesn't serve, back.
switch_to() {
    new=$1 old=$(in_use)
    media=
    [ ! -d "$directory/media-of-$new" ] || media=yes
    say "switching from $old to $new"
    switching=yes
    stop_app "$media"
    kept >"$work/kept"
    { grep -vxF -e "$old" -e "$new" -- "$work/kept" || :; say "$old"; } | put "$state/postgres.kept"
    swap_media "$old" "$new"
    cp -p -- "$directory/.env" "$work/env.old"
    cp -p -- "$directory/postgres/postgresql.conf" "$work/conf.old"
    use_volume "$new" "$work/env" "$work/conf"
    serve
    switching=
    # What was done once for the database that served before is due again.
    say "$receipt" | put "$state/postgres-role" 600
    rm -f -- "$state/migrate" "$state/superuser" "$state"/fixture*
}

back() {
    say "going back to $old"
    use_volume "$old" "$work/env.old" "$work/conf.old"
    swap_media "$new" "$old"
    put "$state/postgres.kept" <"$work/kept"
    serve
}

finish() {
    status=$?
    trap '' TERM INT HUP
    set +e
    [ "$status" = 0 ] || [ -z "$switching" ] || back
    [ -z "$stopped" ] || start_app
    docker rm --force "$spare" >/dev/null 2>&1
    if [ "$status" != 0 ] && [ -n "$made" ] && [ "$(in_use)" != "$made" ]; then
        remove_volume "$made" 2>/dev/null
        rm -rf -- "$directory/media-of-$made"
    fi
    [ -z "$work" ] || rm -rf -- "$work"
    case $file in
    */.*) rm -f -- "$file" ;;
    esac
    exit "$status"
}

in_spare() { docker exec --interactive "$spare" "$@"; }

# Unpacks backup $1 into $work and checks it against its manifest.
unpack() {
    tar --extract --file="$1" --directory="$work" --no-same-owner || fail "${1##*/} can't be read"
    [ -s "$work/manifest.json" ] || fail "${1##*/} is cut off: it has no manifest"
    sed -n 's/^{"name": "\([a-z.]*\)", "bytes": [0-9]*, "sha256": "\([0-9a-f]*\)"}.*/\2  \1/p' \
        "$work/manifest.json" >"$work/sums"
    grep -q '  database.dump$' "$work/sums" || fail "${1##*/} holds no database"
    (cd -- "$work" && sha256sum --check --strict --quiet sums) ||
        fail "${1##*/} is not what it was when it was made"
}

# Makes the new volume $1 with what lies unpacked in $work, by a server that nobody else reaches,
# and counts what is in it then. What roles there are beside the site's comes from the one in use.
load() {
    new=$1
    ! docker volume inspect "$new" >/dev/null 2>&1 ||
        fail "the volume $new is there already, and whose it is isn't known: see what it holds"
    made=$new
    say "restoring into the new volume $new"
    set --
    if [ "$data" != - ]; then
        place=$data/${new#"$site-postgres-"}
        install -d -- "$place"
        set -- --driver local --opt type=none --opt o=bind --opt "device=$place"
    fi
    docker volume create --label "provision.site=$site" --label "provision.restored=$site" \
        "$@" "$new" >/dev/null
    # shellcheck disable=SC2016 # for the shell inside
    docker run --rm --network none --user 0:0 --entrypoint sh --volume "$new:/volume" "$image" \
        -euc 'chown "$1" /volume; chmod 700 /volume' sh "$ids"
    compose --env-file "$work/env" run --detach --no-deps --name "$spare" postgres \
        >/dev/null 2>"$work/said" || fail "the new server doesn't start: $(sed -n '$p' "$work/said")"
    docker update --restart no "$spare" >/dev/null
    for network in $(docker inspect --format \
        '{{range $name, $network := .NetworkSettings.Networks}}{{$name}} {{end}}' "$spare"); do
        docker network disconnect "$network" "$spare"
    done
    tries=0
    # While it makes its files, it answers on its socket alone.
    until in_spare pg_isready --quiet --host=127.0.0.1 --username=postgres </dev/null; do
        tries=$((tries + 1))
        running "$spare" || fail "the new server ended: $(docker logs --tail 3 "$spare" 2>&1)"
        [ "$tries" -lt 180 ] || fail "the new server doesn't answer"
        sleep 1
    done
    docker exec "$container" pg_dumpall -U postgres --roles-only |
        sed '/^CREATE ROLE postgres;$/d' |
        in_spare psql -U postgres -XAtq --dbname=postgres >/dev/null 2>"$work/said" || :
    make_role "$spare"
    # Some extensions are for superusers to make; nobody else is on this server.
    in_spare psql -U postgres -XAtq --command="alter role $user superuser" </dev/null
    in_spare pg_restore -U postgres --exit-on-error --no-owner --no-privileges --role="$user" \
        --dbname="$database" <"$work/database.dump" 2>"$work/said" ||
        fail "the dump can't be restored: $(grep -m 1 error: "$work/said")"
    in_spare psql -U postgres -XAtq --command="alter role $user nosuperuser" </dev/null
    awk -F '\t' '{ print "select count(*) from only " $1 ";" }' "$work/tables.txt" |
        in_spare psql -U postgres -XAtq --set=ON_ERROR_STOP=1 --dbname="$database" \
            >"$work/counts" 2>"$work/said" || fail "the rows can't be counted: $(cat "$work/said")"
    # An extension may bring rows of its own.
    paste -- "$work/tables.txt" "$work/counts" | awk -F '\t' '
        NF != 3 || $3 < $2 { print $1 ": " $3 " rows, not " $2; bad = 1 }
        { rows += $2 } END { if (!bad) print rows + 0 " rows in " NR " tables are there"; exit bad }
    ' || fail "not all rows are there"
    in_spare vacuumdb -U postgres --quiet --analyze-only --dbname="$database" </dev/null
    docker stop -t 120 "$spare" >/dev/null
    code=$(docker inspect --format '{{.State.ExitCode}}' "$spare")
    [ "$code" = 0 ] || fail "the new server ended with $code"
    docker rm "$spare" >/dev/null
    sync
}

# What is put down for this run alone.
begin() {
    work=$(mktemp -d "$state/.restore.XXXXXX")
    printf '%s' "$env" >"$work/env"
    printf '%s' "$conf" >"$work/conf"
    read -r receipt
    sql=$(cat)
}

# Puts a backup in place of what serves. Until it is whole, and counted, nothing is changed.
restore() {
    file=$1 sum=$2 media=$3
    settle
    [ "$(sha256sum <"$file")" = "$sum  -" ] || fail "the backup didn't arrive as it was sent"
    running "$container" || fail "$container doesn't run: provision run starts it"
    begin
    say "unpacking"
    unpack "$file"
    case $file in
    */.*) rm -f -- "$file" ;;
    esac
    load "$volume"
    if [ "$media" = yes ] && [ -s "$work/media.tar" ]; then
        say "unpacking what was uploaded"
        # As the app's user may use it: the directory that is there shows how.
        mkdir -- "$directory/media-of-$volume"
        tar --extract --same-owner --same-permissions --file="$work/media.tar" \
            --directory="$directory/media-of-$volume"
        if [ -d "$directory/media" ]; then
            owner=$(stat -c %u:%g -- "$directory/media")
            chown -R -h -- "$owner" "$directory/media-of-$volume"
            chmod "$(stat -c %a -- "$directory/media")" -- "$directory/media-of-$volume"
        fi
        sync -- "$directory/media-of-$volume"
    fi
    switch_to "$volume"
    # What was done once for the data that served before is due again.
    rm -f -- "$state/migrate" "$state/superuser"
    start_app || fail "the backup is in place, and the app isn't well with it:" \
        "provision run migrates it, provision restore --undo goes back"
    say "restored in $(($(date +%s) - took)) s; $old is kept"
}

# Goes back to what served before the one in use.
undo() {
    settle
    [ "$(kept | sed -n '$p')" = "$volume" ] || fail "$volume is not what served before: look again"
    docker volume inspect "$volume" >/dev/null 2>&1 || fail "the volume $volume is gone"
    begin
    switch_to "$volume"
    rm -f -- "$state/migrate" "$state/superuser"
    # The password may have changed since.
    make_role "$container"
    # Before the app is waited for: it may not be well with it, and it is done all the same.
    say "$1" | put "$state/postgres.undone"
    start_app || fail "$volume serves again, and the app isn't well with it: provision run"
}

# Removes what served before, for good.
forget() {
    settle
    now=$(in_use)
    for volume in $(kept); do
        if ! is_ours "$volume" || [ "$volume" = "$now" ]; then
            continue
        fi
        remove_volume "$volume" || fail "$volume can't be removed: something uses it"
        rm -rf -- "$directory/media-of-$volume"
        say "removed $volume"
    done
    rm -rf -- "$directory"/media-left-*
    rm -f -- "$state/postgres.kept"
}

# From one major version to another: a backup while writes wait, a new volume from it, a switch.
upgrade() {
    backup=$1
    shift
    settle
    running "$container" || fail "$container doesn't run: it is needed to read what it holds"
    begin
    # Writes wait and reads go on for as long as this session stands, which ends with this script.
    mkfifo "$work/fence"
    docker exec --interactive "$container" psql -U postgres -XAtq --set=ON_ERROR_STOP=1 \
        --dbname="$database" <"$work/fence" >"$work/fenced" 2>&1 &
    exec 7>"$work/fence"
    cat >&7 <<'SQL'
begin;
set local lock_timeout = '60s';
set local idle_in_transaction_session_timeout = 0;
do $$
declare
    name text;
begin
    for name in
        select format('%I.%I', n.nspname, c.relname)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and c.relpersistence <> 't'
            and n.nspname not in ('pg_catalog', 'information_schema')
        order by c.oid
    loop
        execute 'lock table ' || name || ' in exclusive mode';
    end loop;
end
$$;
select 'fenced';
SQL
    tries=0
    until grep -q '^fenced$' "$work/fenced"; do
        tries=$((tries + 1))
        if grep -q 'ERROR\|FATAL' "$work/fenced" || [ "$tries" -gt 120 ]; then
            fail "writes can't be held: $(sed -n 1p "$work/fenced")"
        fi
        sleep 1
    done
    say "writes wait from here on; reads go on"
    sh -euc "$backup" provision --held "$@" 7>&- </dev/null
    file=$(sed -n 's/^name=//p' "$state/backup")
    unpack "$3/$file"
    file=
    load "$volume"
    switch_to "$volume"
    exec 7>&-
    start_app || say "the app isn't well yet; the next steps see to it"
    say "upgraded in $(($(date +%s) - took)) s; $old is kept"
}

trap finish EXIT
trap 'exit 143' TERM INT HUP
case $verb in
restore | undo | forget | upgrade) "$verb" "$@" ;;
esac
