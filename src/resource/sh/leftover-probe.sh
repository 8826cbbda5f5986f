# The guards under directory $1 that were never disarmed.
for guard in "$1"/*/; do
    [ -d "$guard" ] || continue
    guard=${guard%/}
    echo "${guard##*/}"
done
