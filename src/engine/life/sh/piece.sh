# Prints $3 MiB of file $1, from the one behind the first $2 on.
exec dd if="$1" bs=1048576 skip="$2" count="$3" status=none
