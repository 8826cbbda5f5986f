# What there is of site $1 beside its data, whose state is in $2 and whose files in $3: a word and
# its value a line.
[ ! -s "$2/postgres.kept" ] || sed 's/^/kept /' "$2/postgres.kept"
[ ! -e "$2/postgres.undone" ] || echo "undone $(cat -- "$2/postgres.undone")"
for left in "$3"/media-left-*; do
    [ ! -d "$left" ] || echo "left $left"
done
# What Docker has room for, in KiB.
room=$(df -Pk /var/lib/docker 2>/dev/null | awk 'NR == 2 { print $4 }')
echo "room ${room:-0}"
