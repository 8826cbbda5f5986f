# Sees to volume $1 for the data of PostgreSQL $2: made, or taken over if it holds such data.
# $3 is the image, $4 who it runs as, $5 the container, $6 the file that names the volume in use,
# $7 a marker, $8 the site, $9 the directory on the host that the volume stands for, or nothing.
#
# While the marker is there the volume holds what a first start has begun and not brought to its
# end, and nobody's data: that alone is thrown away here.
volume=$1 major=$2 image=$3 ids=$4 container=$5 state=$6 marker=$7 site=$8 device=$9
dir=${state%/*}
[ -d "$dir" ] || install -d -m 755 -- "$dir"

note() {
    new=$(mktemp "$dir/.postgres.XXXXXX")
    printf '%s\n' "$volume" >"$new"
    chmod 644 "$new"
    sync -- "$new"
    mv -fT -- "$new" "$1"
    sync -- "$dir"
}

# By a container, since only Docker knows where a volume lies, and a bound one is not mounted.
inside() {
    docker run --rm --network none --user 0:0 --entrypoint sh --volume "$volume:/volume" \
        "$image" -euc "$@"
}

unsure() {
    echo "$1 is there, and nothing says that it isn't in use: write the name of the volume in use" \
        "($container-VERSION) to $state, or move $1 out of the way" >&2
    exit 1
}

volumes=$(docker volume ls --quiet)
there=
case "
$volumes
" in
*"
$volume
"*) there=yes ;;
esac

if [ -e "$state" ] && [ ! -e "$marker" ] && [ -z "$there" ]; then
    echo "volume $volume, which holds the database's data, is gone" >&2
    exit 1
fi
if [ ! -e "$state" ] && [ ! -e "$marker" ]; then
    # Of several, the one in use can't be told by looking: an older one is whole too.
    for other in $volumes; do
        case "$other" in
        "$volume") ;;
        "$container"-[0-9]*) unsure "volume $other" ;;
        esac
    done
    [ -z "$device" ] || for other in "${device%/*}"/[0-9]*; do
        [ ! -d "$other" ] || [ "$other" = "$device" ] || unsure "$other"
    done
fi
if [ -n "$there" ]; then
    # What the volume really stands for; nothing where it is one of Docker's own.
    is=$(docker volume inspect --format '{{with .Options}}{{with .device}}{{.}}{{end}}{{end}}' "$volume")
    if [ "$is" != "$device" ]; then
        echo "volume $volume lies in ${is:-the directory of Docker}, not in ${device:-that}" >&2
        exit 1
    fi
elif [ -n "$device" ]; then
    # A user of the host may have the numbers of the container's.
    [ -d "${device%/*}" ] || install -d -m 700 -- "${device%/*}"
    install -d -m 700 -- "$device"
    docker volume create --driver local --opt type=none --opt o=bind --opt "device=$device" \
        --label "provision.site=$site" "$volume" >/dev/null
else
    docker volume create --label "provision.site=$site" "$volume" >/dev/null
fi

if [ -e "$marker" ]; then
    for id in $(docker ps --all --quiet --filter "name=^/$container\$"); do
        docker rm --force "$id" >/dev/null
    done
    echo "the first start was cut off: beginning again with an empty volume"
    # shellcheck disable=SC2016 # for the shell inside
    inside 'find /volume -mindepth 1 -delete' sh
elif [ -e "$state" ]; then
    exit 0
fi

case "$major" in
1[0-7]) file=/volume/PG_VERSION ;;
*) file=/volume/$major/docker/PG_VERSION ;;
esac
# shellcheck disable=SC2016 # for the shell inside
found=$(inside '
    for file in /volume/PG_VERSION /volume/*/docker/PG_VERSION; do
        [ -e "$file" ] || continue
        version=$(cat "$file")
        [ "$file $version" != "$1 $2" ] || { echo "$version"; exit 0; }
        others="${others-} $version"
    done
    if [ -n "${others-}" ]; then
        echo "data of PostgreSQL$others"
    elif [ -n "$(ls -A /volume)" ]; then
        echo "other files"
    else
        chown "$3" /volume
        chmod 700 /volume
    fi
' sh "$file" "$major" "$ids")
case "$found" in
'')
    note "$marker"
    ;;
"$major")
    echo "taking over the data in volume $volume"
    ;;
*)
    echo "volume $volume was there before and holds $found; it is left as it is" >&2
    exit 1
    ;;
esac
note "$state"
