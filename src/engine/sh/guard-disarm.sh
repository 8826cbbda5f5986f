# Disarms guard $1; says so if it has fired already.
dir=/var/lib/provision/guard/$1
systemctl stop "provision-guard-$1.timer" 2>/dev/null || :
# A restore that is under way is waited for.
while systemctl --quiet is-active "provision-guard-$1.service"; do
    sleep 0.2
done
if [ -e "$dir/rolled-back" ]; then
    # Told once, it is nothing that the next run has to settle.
    rm -rf -- "$dir"
    echo provision:rolled-back
    exit 0
fi
boot=/etc/systemd/system/provision-restore-$1.service
rm -f -- "$boot" "${boot%/*}/multi-user.target.wants/${boot##*/}"
sync "${boot%/*}"
rm -rf -- "$dir"
echo provision:disarmed
