#!/bin/sh
# Renews certificate $1 with certbot image $2 if it is time, and lets nginx in container $3
# read it again if it changed. $4 is the webroot, $5 (optional) a file of authorities to
# trust; "--dry-run" as $6 rehearses.
set -eu
live=/etc/letsencrypt/live/$1/fullchain.pem
before=$(sha256sum <"$live")
set -- "$1" "$2" "$3" "$4" "${5-}" "${6-}"
certificate=$1 image=$2 container=$3 webroot=$4 ca=$5 mode=$6
set -- run --rm --volume /etc/letsencrypt:/etc/letsencrypt \
    --volume /var/lib/letsencrypt:/var/lib/letsencrypt --volume "$webroot:/var/www/html"
if [ -n "$ca" ]; then
    set -- "$@" --volume "$ca:/etc/ssl/acme-ca.pem:ro" \
        --env REQUESTS_CA_BUNDLE=/etc/ssl/acme-ca.pem
fi
set -- "$@" "$image" renew --non-interactive --no-random-sleep-on-renew --cert-name "$certificate"
if [ "$mode" = --dry-run ]; then
    set -- "$@" --dry-run
fi
docker "$@"
if [ "$(sha256sum <"$live")" != "$before" ]; then
    # Not `docker kill -s HUP`: any signal marks a container as stopped by hand, and then it
    # stays down after a reboot.
    docker exec "$container" nginx -t
    docker exec "$container" nginx -s reload
    echo "renewed; nginx serves the new certificate"
else
    echo "not changed"
fi
