# Lets the nginx of image $1 test the configuration file $2 in a container of its own, beside
# the one that serves.
docker run --rm --network none --volume "$2:/etc/nginx/conf.d/site.conf:ro" \
    --volume /etc/letsencrypt:/etc/letsencrypt:ro "$1" nginx -t 2>&1
