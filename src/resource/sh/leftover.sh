# For each guard under directory $1: stops its timer, puts the old state back unless the
# guard has done so itself, and removes it.
for guard in "$1"/*/; do
    [ -d "$guard" ] || continue
    guard=${guard%/}
    systemctl stop "provision-guard-${guard##*/}.timer" 2>/dev/null || :
    # A restore that is under way is waited for.
    while systemctl --quiet is-active "provision-guard-${guard##*/}.service"; do
        sleep 0.2
    done
    # Without its own mark the snapshot was never finished, and nothing was changed under it.
    if [ -e "$guard/armed" ] && [ ! -e "$guard/rolled-back" ]; then
        sh "$guard/restore" "$guard"
    fi
    rm -rf -- "$guard"
done
