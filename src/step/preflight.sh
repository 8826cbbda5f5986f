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

holder=$(apt_holder)
printf 'apt_lock=%s\n' "$holder"

# Who listens on 80 and 443, but for Docker's proxy, which is looked at by its container.
ports=
if command -v ss >/dev/null; then
    ports=$(ss -Hltnp '( sport = :80 or sport = :443 )' | grep -v docker-proxy |
        sed 's/.*users:((//; s/"//g; s/,fd=.*//; s/,/ /' | sort -u | tr '\n' ' ')
fi
printf 'ports=%s\n' "${ports% }"
