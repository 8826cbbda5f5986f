# Stops site $1: the units that follow, for good, and whatever containers still run. A container
# that was stopped stays so when Docker starts again.
site=$1
shift
for unit in "$@"; do
    [ "$(systemctl show --property=LoadState --value -- "$unit")" != not-found ] || continue
    systemctl disable --now --quiet -- "$unit"
done
command -v docker >/dev/null || exit 0
# The app before what it needs.
for role in proxy app redis postgres; do
    if [ "$(docker inspect --format '{{.State.Running}}' "$site-$role" 2>/dev/null)" = true ]; then
        docker stop -t 60 "$site-$role" >/dev/null
    fi
done
for project in "$site" "$site-app" "$site-proxy"; do
    for id in $(docker ps --quiet --filter "label=com.docker.compose.project=$project"); do
        docker stop -t 60 "$id" >/dev/null
    done
done
