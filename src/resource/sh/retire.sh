# Stops, disables and removes the first $1 of the units that follow, and then removes files. The
# last file goes last: while it is there, this is due.
count=$1
shift
reload=
while [ "$count" -gt 0 ]; do
    systemctl disable --now --quiet -- "$1" 2>/dev/null || systemctl stop -- "$1" 2>/dev/null || :
    rm -f -- "/etc/systemd/system/$1"
    systemctl reset-failed -- "$1" 2>/dev/null || :
    reload=yes
    shift
    count=$((count - 1))
done
[ -z "$reload" ] || systemctl daemon-reload
for file in "$@"; do
    rm -f -- "$file"
    sync -- "${file%/*}"
done
