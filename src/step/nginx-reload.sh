#!/bin/sh
# Lets nginx in container $1 read its configuration and certificate again, if it accepts them,
# and ends when its new workers serve. $2 is the file of the certificate ("-": there is none to
# be), whose digest is left in $3: what nginx has loaded.
#
# Not `docker kill -s HUP`: any signal marks the container as stopped by hand, and then it
# stays down after a reboot (moby issue 41302).
set -eu
container=$1 file=$2 served=$3

# What the master $pid has started.
started() {
    cat "/proc/$pid/task/$pid/children" 2>/dev/null || :
}
# Whether one of them was started since.
renewed() {
    after=$(started)
    for now in $after; do
        case " $before " in
        *" $now "*) ;;
        *) return 0 ;;
        esac
    done
    return 1
}
# Whether one of before still takes connections: nginx says in its name when it doesn't.
accepts() {
    name=$(tr '\000' ' ' 2>/dev/null <"/proc/$1/cmdline") || return 1
    case $name in
    '' | *'shutting down'*) return 1 ;;
    esac
}
# Whether all of before have turned to go.
handed_over() {
    for old in $before; do
        case " $after " in
        *" $old "*) ! accepts "$old" || return 1 ;;
        esac
    done
}

state=$(docker inspect --format '{{.State.Running}} {{.State.Pid}}' "$container" 2>/dev/null) || state=
pid=${state#true }
if [ "$state" = "$pid" ]; then
    echo "container $container is not running; it will read the configuration when it starts"
    exit 0
fi
# Before nginx reads it: if it is replaced meanwhile, what is noted is too old, and the next
# look finds the difference.
sum=
[ "$file" = - ] || sum=$(sha256sum 2>/dev/null <"$file") || sum=
docker exec "$container" nginx -t 2>&1
before=$(started)
docker exec "$container" nginx -s reload 2>&1
if [ -n "$before" ]; then
    tries=0
    until renewed && handed_over; do
        tries=$((tries + 1))
        [ "$tries" -le 100 ] || break
        sleep 0.1
    done
    # One that is too busy to notice that it should go may stay.
    if ! renewed; then
        docker logs --tail 5 "$container" 2>&1
        echo "nginx was told to read its configuration again and goes on with the old one" >&2
        exit 1
    fi
else
    # A system that doesn't tell which processes are whose.
    sleep 1
fi
if [ -z "$sum" ]; then
    rm -f -- "$served"
    exit 0
fi
directory=${served%/*}
[ -d "$directory" ] || install -d -m 755 -- "$directory"
new=$(mktemp "$directory/.served.XXXXXX")
trap 'rm -f -- "$new"' EXIT
printf '%s\n' "${sum%% *}" >"$new"
chmod 644 -- "$new"
sync -- "$new"
mv -fT -- "$new" "$served"
sync -- "$directory"
