# For each guard under directory $1: stops its timer, puts the old state back unless the
# guard has done so itself, and removes it.
for guard in "$1"/*/; do
    [ -d "$guard" ] || continue
    guard=${guard%/}
    name=${guard##*/}
    systemctl stop "provision-guard-$name.timer" 2>/dev/null || :
    # A restore that is under way is waited for.
    while systemctl --quiet is-active "provision-guard-$name.service"; do
        sleep 0.2
    done
    # Without its own mark the snapshot was never finished, and nothing was changed under it.
    if [ -e "$guard/armed" ] && [ ! -e "$guard/rolled-back" ]; then
        sh "$guard/restore" "$guard"
    fi
    # What would have restored it at the next start.
    boot=/etc/systemd/system/provision-restore-$name.service
    rm -f -- "$boot" "${boot%/*}/multi-user.target.wants/${boot##*/}"
    rm -rf -- "$guard"
done
