# For each guard under directory $1: stops its timer, puts the old state back unless the
# guard has done so itself or nothing was changed under it, and removes it.
for guard in "$1"/*/; do
    [ -d "$guard" ] || continue
    guard=${guard%/}
    name=${guard##*/}
    systemctl stop "provision-guard-$name.timer" 2>/dev/null || :
    # Without a mark the snapshot was never finished, or the guard was disarmed.
    if [ -e "$guard/armed" ] || [ -e "$guard/firing" ]; then
        # One that is under way is waited for.
        sh "$guard/restore" "$guard" / held || :
        if [ -e "$guard/armed" ] || [ -e "$guard/firing" ]; then
            echo "what guard $name saved in $guard could not be put back" >&2
            exit 1
        fi
    fi
    # What would have restored it at the next start.
    boot=/etc/systemd/system/provision-restore-$name.service
    rm -f -- "$boot" "${boot%/*}/multi-user.target.wants/${boot##*/}"
    rm -rf -- "$guard"
done
