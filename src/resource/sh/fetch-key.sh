# Fetches a repository's signing key from URL $1 to file $2.
install -d -m 755 "${2%/*}"
temporary=$(mktemp "${2%/*}/.provision.XXXXXX")
trap 'rm -f "$temporary"' EXIT
curl --fail --silent --show-error --location --retry 3 --max-time 60 --output "$temporary" "$1"
if ! grep -q 'BEGIN PGP PUBLIC KEY BLOCK' "$temporary"; then
    echo "$1 did not answer with a public key" >&2
    exit 1
fi
chmod 644 "$temporary"
sync "$temporary"
mv -f "$temporary" "$2"
