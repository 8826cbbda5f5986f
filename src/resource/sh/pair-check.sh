# Lets the nginx of image $1 load key and chain from file $2 in a container of its own, beside the
# one that serves.
conf=$(mktemp)
trap 'rm -f -- "$conf"' EXIT
cat >"$conf" <<'EOF'
server {
    listen 443 ssl;
    ssl_certificate /etc/nginx/pair.pem;
    ssl_certificate_key /etc/nginx/pair.pem;
}
EOF
docker run --rm --network none --volume "$conf:/etc/nginx/conf.d/default.conf:ro" \
    --volume "$2:/etc/nginx/pair.pem:ro" "$1" nginx -t 2>&1
