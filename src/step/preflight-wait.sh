# Waits until cloud-init has finished and nobody holds apt's locks; says whom it waits for.
locked() {
    for lock in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock \
        /var/cache/apt/archives/lock; do
        [ -e "$lock" ] || continue
        inode=$(stat -c %i "$lock")
        while read -r _ _ _ _ pid place _; do
            if [ "${place##*:}" = "$inode" ] && [ -r "/proc/$pid/comm" ]; then
                printf '%s (pid %s)' "$(cat "/proc/$pid/comm")" "$pid"
                return 0
            fi
        done </proc/locks
    done
    return 1
}
seconds=0
while :; do
    if [ -d /run/cloud-init ] && [ ! -e /run/cloud-init/disabled ] &&
        [ ! -e /var/lib/cloud/instance/boot-finished ]; then
        what="cloud-init still sets the host up"
    elif who=$(locked); then
        what="$who holds the apt lock"
    else
        exit 0
    fi
    if [ "$seconds" -ge 900 ]; then
        echo "$what, after 15 minutes of waiting" >&2
        exit 75
    fi
    echo "provision:waiting $what"
    sleep 2
    seconds=$((seconds + 2))
done
