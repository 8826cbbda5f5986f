# What preflight wants to know, as key=value lines.
printf 'uid=%s\n' "$(id -u)"
printf 'clock=%s\n' "$(date +%s)"
printf 'disk_mb=%s\n' "$(df -Pm /var | while read -r _ _ _ free _; do echo "$free"; done | tail -n 1)"

cloud_init=finished
if [ -d /run/cloud-init ] && [ ! -e /run/cloud-init/disabled ] &&
    [ ! -e /var/lib/cloud/instance/boot-finished ]; then
    cloud_init=running
fi
printf 'cloud_init=%s\n' "$cloud_init"

# Who holds one of apt's locks: the kernel knows it by inode.
holder=
if [ -r /proc/locks ]; then
    locks=$(stat -c %i /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock \
        /var/cache/apt/archives/lock 2>/dev/null)
    while read -r _ _ _ _ pid place _; do
        for inode in $locks; do
            if [ "${place##*:}" = "$inode" ] && [ -r "/proc/$pid/comm" ]; then
                read -r comm <"/proc/$pid/comm"
                holder="$comm (pid $pid)"
            fi
        done
    done </proc/locks
fi
printf 'apt_lock=%s\n' "$holder"

# Who listens on 80 and 443, but for Docker's proxy, which is looked at by its container.
ports=
if command -v ss >/dev/null; then
    ports=$(ss -Hltnp '( sport = :80 or sport = :443 )' | grep -v docker-proxy |
        sed 's/.*users:((//; s/"//g; s/,fd=.*//; s/,/ /' | sort -u | tr '\n' ' ')
fi
printf 'ports=%s\n' "${ports% }"
