# Lets nginx in container $1 read its configuration again, if it is one that it accepts.
# Not `docker kill -s HUP`: any signal marks the container as stopped by hand, and then it
# stays down after a reboot (moby issue 41302).
if [ "$(docker inspect --format '{{.State.Running}}' "$1" 2>/dev/null)" != true ]; then
    echo "container $1 is not running; it will read the configuration when it starts"
    exit 0
fi
docker exec "$1" nginx -t 2>&1
docker exec "$1" nginx -s reload 2>&1
