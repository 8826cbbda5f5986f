# Follows job $2 in directory $1 from its first line to its end. The last line is ours, behind a
# line end of ours: "provision:ID" and the job's exit status, or "gone" if there is no such job
# and never will be. $3 is there if it is known to be started.
dir=$1/$2
umask 077
ended() {
    printf '\nprovision:%s %s\n' "$1" "$2"
    exit
}
if [ $# -lt 3 ]; then
    mkdir -p -- "$dir"
    # Not started yet: then it never will be. What is left here keeps it from it.
    if mkdir -- "$dir/go" 2>/dev/null; then
        ended "$2" gone
    fi
    tries=0
    until [ -s "$dir/pid" ] || [ "$tries" -gt 100 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
fi
read -r pid 2>/dev/null <"$dir/pid" || ended "$2" gone
# New output wakes them at once; whether the job still runs they look that often.
tail -s 0.02 --pid="$pid" -c +1 -f -- "$dir/err" >&2 &
tail -s 0.02 --pid="$pid" -c +1 -f -- "$dir/out"
wait
# Without a status it was killed with its supervisor, or never came to run.
read -r status 2>/dev/null <"$dir/status" || ended "$2" gone
ended "$2" "$status"
