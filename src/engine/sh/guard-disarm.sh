# Ends guard $1, in the way $2 on the file system with root $3:
# "disarm": the new state stays, unless the old one is back already;
# "fire": the old state comes back now;
# "forget": that it came back has been told.
# Told is how it ended ("taken-back" if it was for us to put the old state back), and on stderr
# what could not be put back.
root=${3%/}
unit=provision-guard-$1
boot=provision-restore-$1.service
dir=$root/var/lib/provision/guard/$1
# The answer to an earlier connection may have been lost.
if [ ! -d "$dir" ]; then
    echo provision:disarmed
    exit 0
fi
remove() {
    systemctl stop "$unit.timer" "$unit.service" 2>/dev/null || :
    units=$root/etc/systemd/system
    rm -f -- "$units/$boot" "$units/multi-user.target.wants/$boot"
    rm -rf -- "$dir"
}
exec 9>>"$dir/lock"
# A restore that is under way is waited for.
flock --wait 50 9
if [ "$2" = disarm ] && [ -e "$dir/armed" ]; then
    # From here on it is the new state, whatever happens.
    rm -f -- "$dir/armed"
    sync -- "$dir"
    remove
    echo provision:disarmed
    exit 0
fi
flock --unlock 9
word=rolled-back
# Also one that was broken off.
if [ -e "$dir/armed" ] || [ -e "$dir/firing" ]; then
    word=taken-back
    sh "$dir/restore" "$dir" "${root:-/}" now >/dev/null 2>&1 9>&- || :
fi
if [ ! -e "$dir/rolled-back" ]; then
    echo "the old state could not be put back" >&2
    exit 1
fi
if [ "$2" = forget ]; then
    remove
    exit 0
fi
cat -- "$dir/failed" >&2 2>/dev/null || :
echo "provision:$word"
