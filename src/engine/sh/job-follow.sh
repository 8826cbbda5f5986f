# Follows job $2 in directory $1 from its first line to its end. The last line is ours:
# "provision:ID" and its exit status, and "open" if the line before had no end; or "gone" if
# there is no such job and never will be.
dir=$1/$2
umask 077
mkdir -p -- "$dir"
# Not started yet: then it never will be. What is left here keeps it from it.
if mkdir -- "$dir/go" 2>/dev/null; then
    echo "provision:$2 gone"
    exit
fi
tries=0
until [ -s "$dir/pid" ] || [ "$tries" -gt 100 ]; do
    tries=$((tries + 1))
    sleep 0.05
done
read -r pid <"$dir/pid" || pid=
if [ -z "$pid" ]; then
    echo "provision:$2 gone"
    exit
fi
# Both look that often whether it still runs; new output wakes them at once.
tail -s 0.02 --pid="$pid" -c +1 -f -- "$dir/err" >&2 &
tail -s 0.02 --pid="$pid" -c +1 -f -- "$dir/out"
wait
if [ ! -s "$dir/status" ]; then
    # It was killed with its supervisor, or never came to run.
    echo "provision:$2 gone"
    exit
fi
read -r status <"$dir/status"
if [ -n "$(tail -c 1 -- "$dir/out" | tr '\0' x)" ]; then
    printf '\nprovision:%s %s open\n' "$2" "$status"
else
    printf 'provision:%s %s\n' "$2" "$status"
fi
