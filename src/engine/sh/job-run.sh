# The job itself: waits for its turn, runs the command, and notes how it ended.
# Arguments: the job's directory; the operations' lock file; how many seconds it may take; what
# is done; and the command.
dir=$1 turn=$2 limit=$3 what=$4
shift 4
# Whoever started it has written the same, unless it was killed before.
printf '%s\n' "$$" >"$dir/pid"
ended() {
    printf '%s\n' "$1" >"$dir/status"
    exit
}
exec 8>>"$turn"
if ! flock --nonblock 8; then
    echo "provision:waiting $(sed 1q "$turn") is still being done"
    if ! flock --wait 1800 8; then
        echo "another operation has been going on for half an hour" >&2
        ended 75
    fi
fi
# Taken away while it waited: the run that wanted it is gone.
[ -d "$dir" ] || exit 75
printf '%s\njob %s\n' "$what" "$$" >"$turn"
status=0
timeout --kill-after=10 "$limit" "$@" || status=$?
ended "$status"
