# Which connections come about from this host: stdin is configuration for curl(1) with a URL a
# connection, $1 the container from whose network they are made ("" for the host's own), $2 the
# addresses of which the source is told. Needs nothing but curl, and for a container root.
command -v curl >/dev/null || {
    echo 'lacks curl'
    exit 0
}
for address in $2; do
    source=$(ip -o route get "$address" 2>/dev/null | sed -n 's/^.* src \([^ ]*\).*/\1/p') || :
    [ -z "$source" ] || echo "source $address $source"
done
container=$1
set --
if [ -n "$container" ]; then
    pid=$(curl -q -sS --fail --max-time 10 --unix-socket /var/run/docker.sock \
        "http://docker/containers/$container/json" 2>/dev/null |
        sed -n 's/.*"Pid": *\([0-9]*\).*/\1/p') || :
    case $pid in
        '' | 0)
            echo "lacks $container"
            exit 0
            ;;
    esac
    set -- nsenter -t "$pid" -n
fi
# curl tells the system's words about a failure to stderr only, among much else.
{
    "$@" curl -q --silent --verbose --parallel --parallel-immediate --parallel-max 300 \
        --globoff --noproxy '*' --config - 2>&1 >&3 | sed -n \
        -e 's/^.*connect to \([^ ]*\) port \([0-9]*\) .*failed: \(.*\)$/failed \1 \2 \3/p' \
        -e 's/^.*Immediate connect fail for \([^ ]*\): \(.*\)$/failed \1 0 \2/p' >&2
} 3>&1
