# Starts a command that outlives this connection, and follows it to its end.
# Arguments: the directory of jobs (on tmpfs); the one where input is kept meanwhile, or "-" for
# none; the job's id; the file that says which connection holds the host, and ours ("-" to do
# without); the text that follows a job; the text that runs one, and its arguments.
jobs=$1 spool=$2 id=$3 holder=$4 fence=$5 follow=$6 run=$7
shift 7
# What we note is for root alone; what the command makes is for whomever it always is.
mask=$(umask)
umask 077
[ -d "$jobs" ] || mkdir -p -- "$jobs"
dir=$jobs/$id
mkdir -- "$dir"
exec 7</dev/null
if [ "$spool" != - ]; then
    mkdir -p -- "$spool"
    input=$spool/$id.in
    trap 'rm -f -- "$input"' EXIT
    cat >"$input"
    # To cat, a connection that broke looks like the end; the whole input ends with the id.
    if [ "$(tail -c "${#id}" -- "$input" | tr -d '\0')" != "$id" ]; then
        echo "what it was to read arrived cut off; nothing was done" >&2
        exit 74
    fi
    truncate -s "-${#id}" -- "$input"
    # Open, it needs no name: whatever happens, nothing is left of it.
    exec 7<"$input"
    rm -f -- "$input"
    trap - EXIT
fi
if [ "$fence" != - ]; then
    read -r held _ <"$holder" || held=
    if [ "$held" != "$fence" ]; then
        echo "the host is held by another connection by now; nothing was done" >&2
        exit 75
    fi
fi
# Whoever makes this first decides: we that it starts, a follower that it never will.
mkdir -- "$dir/go"
# A session of its own keeps it from what this connection gets at its end. That isn't enough
# where the end of a login ends all of its processes (KillUserProcesses=yes in logind.conf, a
# per-connection sshd@.service): a scope takes it out of their reach, and other than a service
# it leaves it the environment of the login, as proxies in /etc/environment.
scope=
if [ -d /run/systemd/system ]; then
    scope="systemd-run --scope --quiet --collect --unit=provision-job-$id"
fi
: >"$dir/out"
: >"$dir/err"
(
    umask "$mask"
    # shellcheck disable=SC2086
    exec setsid $scope sh -uc "$run" provision-job "$dir" "$@" 7<&-
) <&7 >>"$dir/out" 2>>"$dir/err" &
printf '%s\n' "$!" >"$dir/pid"
exec 7<&-
exec sh -uc "$follow" provision "$jobs" "$id" started
