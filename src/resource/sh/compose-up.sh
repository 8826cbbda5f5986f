# Brings Compose project $1 of file $2 up and waits until its containers are healthy; if they
# don't become so, says what they are and what they logged last.
status=0
docker compose --project-name "$1" --file "$2" up --detach --wait --wait-timeout 180 \
    --remove-orphans 2>&1 || status=$?
[ "$status" -ne 0 ] || exit 0
docker compose --project-name "$1" --file "$2" ps --all 2>&1
for id in $(docker compose --project-name "$1" --file "$2" ps --all --quiet); do
    echo "last health check:"
    docker inspect --format '{{with .State.Health}}{{with index .Log 0}}{{.Output}}{{end}}{{end}}' "$id" 2>&1 || :
done
echo "last log lines:"
docker compose --project-name "$1" --file "$2" logs --no-color --tail 15 2>&1
exit "$status"
