# Which app servers answered the requests that carry mark $2, by the log of container $1, whether
# that is text (upstream=ADDRESS) or JSON ("upstream":"ADDRESS").
docker logs --since 2m "$1" 2>&1 |
    sed -n "/$2/s/.*upstream[a-z_]*\"\{0,1\}[=:] *\"\{0,1\}\([][0-9a-f.:]*:[0-9][0-9]*\).*/\1/p" | sort -u
