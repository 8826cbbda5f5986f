# What serves for site $1, whose state is in $2 and whose files in $3: a word and its values a line.
volume=$(sed -n 's/^POSTGRES_VOLUME=//p' "$3/.env" 2>/dev/null | tr -d "\"'" | sed -n '$p')
[ -n "$volume" ] || volume=$(cat -- "$2/postgres" 2>/dev/null) || :
[ -z "$volume" ] || echo "volume $volume"
[ ! -s "$2/postgres.kept" ] || sed 's/^/kept /' "$2/postgres.kept"
[ ! -e "$2/postgres.undone" ] || echo "undone $(cat -- "$2/postgres.undone")"
for left in "$3"/media-left-*; do
    [ ! -d "$left" ] || echo "left $left"
done
# What Docker has room for, in KiB.
room=$(df -Pk /var/lib/docker 2>/dev/null | awk 'NR == 2 { print $4 }')
echo "room ${room:-0}"
