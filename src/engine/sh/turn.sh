# Runs a command when it is its turn on this host: one operation at a time.
# Arguments: the operations' lock file; the file that says which connection holds the host, and
# ours ("-" to do without); what is done; and the command.
turn=$1 holder=$2 fence=$3 what=$4
shift 4
exec 8>>"$turn"
if ! flock --nonblock 8; then
    echo "provision:waiting $(sed 1q "$turn") is still being done"
    flock --wait 1800 8 || {
        echo "another operation has been going on for half an hour" >&2
        exit 75
    }
fi
# A request that was held up on the way must not act once another connection holds the host.
if [ "$fence" != - ]; then
    read -r held _ <"$holder" || held=
    if [ "$held" != "$fence" ]; then
        echo "the host is held by another connection by now; nothing was done" >&2
        exit 75
    fi
fi
# Behind the name: state, parent, process group, …, and as the 20th the time it was started.
note() {
    printf '%s\nop %s %s %s\n' "$what" "$$" "${20}" "$3" >"$turn"
}
read -r stat <"/proc/$$/stat"
# shellcheck disable=SC2086
note ${stat##*) }
exec "$@"
