# Asks the nginx of image $1 (an id), as user $3, what it was built with. The id and the answer go to
# file $2, whole or not at all.
dir=${2%/*}
[ -d "$dir" ] || install -d -m 755 -- "$dir"
new=$(mktemp "$dir/.nginx.XXXXXX")
trap 'rm -f -- "$new"' EXIT
if ! said=$(docker run --rm --network none --user "$3" --cap-drop ALL \
    --entrypoint nginx "$1" -V 2>&1); then
    printf '%s\n' "$said" >&2
    exit 1
fi
printf '%s\n%s\n' "$1" "$said" >"$new"
sync -- "$new"
mv -fT -- "$new" "$2"
sync -- "$dir"
