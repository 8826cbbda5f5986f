# The first start of container $1 has come to its end: its marker $2 goes. A container that has
# started anew on the way may stand on half of what the first start makes.
restarts=$(docker inspect --format '{{.RestartCount}}' "$1")
if [ "$restarts" != 0 ]; then
    echo "$1 came down $restarts times in its first start; the next run begins again" >&2
    docker logs --tail 15 "$1" >&2
    exit 1
fi
rm -f -- "$2"
sync -- "${2%/*}"
