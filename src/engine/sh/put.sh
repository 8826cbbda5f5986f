# Puts what comes on stdin in place of a file, whole or not at all.
# Arguments: path, mode, owner, SHA-256, number of markers, the markers, and then a command
# that must accept the new file (its path is added), or nothing.
dest=$1 mode=$2 owner=$3 sum=$4 markers=$5
shift 5
dir=${dest%/*}
[ -d "$dir" ] || install -d -m 755 -- "$dir"
# What a run that was killed here left behind.
rm -f -- "$dir"/.provision.??????
umask 077
new=$(mktemp "$dir/.provision.XXXXXX")
trap 'rm -f -- "$new"' EXIT
cat >"$new"
# To cat, a connection that broke looks like the end of the file.
if [ "$(sha256sum <"$new")" != "$sum  -" ]; then
    echo "the content of $dest arrived damaged or cut off; nothing was written" >&2
    exit 74
fi
chown -- "$owner" "$new"
chmod -- "$mode" "$new"
marked=
while [ "$markers" -gt 0 ]; do
    marked="$marked$1
"
    shift
    markers=$((markers - 1))
done
if [ $# -gt 0 ]; then
    "$@" "$new"
fi
# What has to be read again is noted before it is written.
printf '%s' "$marked" | while read -r marker; do
    install -d -m 700 -- "${marker%/*}"
    : >"$marker"
    sync -- "${marker%/*}"
done
sync -- "$new"
mv -fT -- "$new" "$dest"
sync -- "$dir"
