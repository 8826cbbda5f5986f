# What keeps a command from being attached, in a word: "running" if nothing does.
# Arguments: "container" and its name, or "project" and its directory.
if ! command -v docker >/dev/null; then
    echo without-docker
elif [ "$1" = project ]; then
    if [ -f "$2/compose.yaml" ]; then echo running; else echo missing; fi
elif state=$(docker container inspect --format '{{.State.Status}}' "$2" 2>/dev/null); then
    echo "$state"
elif docker version >/dev/null 2>&1; then
    echo missing
else
    echo docker-down
fi
