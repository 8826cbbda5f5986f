# Lets the nginx of image $1, as user $2, load key and chain from file $3 in a container of its own,
# beside the one that serves.
conf=$(mktemp)
trap 'rm -f -- "$conf"' EXIT
chmod 644 -- "$conf"
cat >"$conf" <<'EOF'
server {
    listen 443 ssl;
    ssl_certificate /etc/nginx/pair.pem;
    ssl_certificate_key /etc/nginx/pair.pem;
}
EOF
docker run --rm --network none --user "$2" --cap-drop ALL --tmpfs /run:mode=1777 \
    --tmpfs /var/cache/nginx:mode=1777 --volume "$conf:/etc/nginx/conf.d/default.conf:ro" \
    --volume "$3:/etc/nginx/pair.pem:ro" "$1" nginx -t 2>&1
