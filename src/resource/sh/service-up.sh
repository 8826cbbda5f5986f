# Brings service $3 of the project $1, whose compose.yaml lies in $2, up as container $4 and waits
# until it is healthy; if it doesn't become so, says what it is and what it logged last.
cd -- "$2" || exit
# A container of that name that another project made would be in the way.
owner=$(docker inspect --format '{{index .Config.Labels "com.docker.compose.project"}}' "$4" 2>/dev/null) || owner=$1
if [ "$owner" != "$1" ]; then
    docker rm --force "$4" 2>&1
    # Earlier versions made a project, and with it a network, for each container.
    [ "$owner" != "$4" ] || docker network rm "${4}_default" 2>&1 || :
fi
status=0
docker compose --project-name "$1" up --detach --wait --wait-timeout 180 --no-deps "$3" 2>&1 ||
    status=$?
[ "$status" -ne 0 ] || exit 0
docker compose --project-name "$1" ps --all "$3" 2>&1
echo "last health check:"
docker inspect --format '{{with .State.Health}}{{range .Log}}{{.Output}}{{end}}{{end}}' "$4" 2>&1 |
    tail -n 5
echo "last log lines:"
docker logs --tail 15 "$4" 2>&1
exit "$status"
