# Which app servers answered the requests that carry mark $2, by the log of container $1.
docker logs --since 2m "$1" 2>&1 | sed -n "/$2/s/.*upstream=//p" | sort -u
