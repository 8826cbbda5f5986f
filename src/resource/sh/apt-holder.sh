# Who holds one of apt's locks, as "name (pid N)"; fails if nobody does. The kernel knows
# locks by inode. Comes before the scripts that use it.
apt_holder() {
    [ -r /proc/locks ] || return 1
    # Once: read line by line, the list would lose locks while others go.
    held=$(cat /proc/locks)
    for inode in $(stat -c %i /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock \
        /var/lib/apt/lists/lock /var/cache/apt/archives/lock 2>/dev/null); do
        case $held in
        *":$inode "*) ;;
        *) continue ;;
        esac
        while read -r _ _ _ _ pid place _; do
            if [ "${place##*:}" = "$inode" ] && [ -r "/proc/$pid/comm" ]; then
                read -r comm <"/proc/$pid/comm"
                printf '%s (pid %s)' "$comm" "$pid"
                return 0
            fi
        done <<EOF
$held
EOF
    done
    return 1
}
