# What preflight wants to know, as key=value lines. Each program that is started costs a
# millisecond or more on every run, so the shell reads what it can by itself.
while read -r key _ effective _; do
    [ "$key" = Uid: ] || continue
    printf 'uid=%s\n' "$effective"
    break
done </proc/self/status
printf 'clock=%s\n' "$(date +%s)"
# What users other than root may still write (statfs(2): f_bavail and f_frsize).
# shellcheck disable=SC2046 # two numbers
set -- $(stat -f -c '%a %S' /var)
printf 'disk_mb=%s\n' "$(($1 * $2 / 1048576))"

cloud_init=finished
if [ -d /run/cloud-init ] && [ ! -e /run/cloud-init/disabled ] &&
    [ ! -e /var/lib/cloud/instance/boot-finished ]; then
    cloud_init=running
fi
printf 'cloud_init=%s\n' "$cloud_init"

holder=$(apt_holder)
printf 'apt_lock=%s\n' "$holder"

# Who listens on 80 and 443, but for Docker's proxy, which is looked at by its container. To name
# who listens, ss goes through the open files of every process; where the kernel says that all
# of it is Docker's service, nobody need be named.
ports=unknown
if command -v ss >/dev/null; then
    ports=$(ss -Hltn --cgroup '( sport = :80 or sport = :443 )' 2>&1 |
        sed '/ cgroup:[^ ]*\/docker\.service *$/d')
    [ -z "$ports" ] ||
        ports=$(ss -Hltnp '( sport = :80 or sport = :443 )' | grep -v docker-proxy |
            sed 's/.*users:((//; s/"//g; s/,fd=.*//; s/,/ /' | sort -u | tr '\n' ' ')
fi
printf 'ports=%s\n' "${ports% }"
