# Lets the nginx of image $1 test the configuration file $3 in a container of its own, beside
# the one that serves. $2 is the directory of certificates that aren't certbot's.
docker run --rm --network none --volume "$3:/etc/nginx/conf.d/site.conf:ro" \
    --volume /etc/letsencrypt:/etc/letsencrypt:ro --volume "$2:/etc/nginx/tls:ro" "$1" nginx -t 2>&1
