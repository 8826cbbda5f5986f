# Copies directory $2 of image $1 to directory $3. Old files stay for pages that still name
# them; a file is replaced by rename, so that none is ever served in part.
container=$(docker create "$1")
temporary=$3.new
trap 'docker rm --force "$container" >/dev/null; rm -rf "$temporary"' EXIT
rm -rf "$temporary"
install -d -m 755 "$temporary" "$3"
docker cp "$container:$2/." "$temporary"
chown -R root:root "$temporary"
chmod -R u=rwX,go=rX "$temporary"
cd "$temporary"
find . -type d -exec sh -c 'for d; do mkdir -p -- "$0/$d"; done' "$3" {} +
find . -type f -exec sh -c 'for f; do mv -f -- "$f" "$0/$f"; done' "$3" {} +
