#!/bin/sh
# Makes a certificate that signs itself: FILE DAYS KIND BITS DOMAIN... KIND is ecdsa (P-256) or
# rsa (of BITS). FILE gets key and certificate in one piece; a copy of the certificate alone lies
# beside it, for whoever is to trust it.
set -eu
umask 077
file=$1 days=$2 kind=$3 bits=$4
shift 4
directory=${file%/*} names=
for name in "$@"; do
    names="$names${names:+,}DNS:$name"
done
new=$(mktemp -d "$directory/.new.XXXXXX")
trap 'rm -rf -- "$new"' EXIT
case $kind in
rsa) set -- -newkey "rsa:$bits" ;;
*) set -- -newkey ec -pkeyopt ec_paramgen_curve:P-256 ;;
esac
first=${names%%,*}
openssl req -x509 -nodes -sha256 -days "$days" -subj "/CN=${first#DNS:}" "$@" \
    -addext "subjectAltName=$names" -addext "basicConstraints=critical,CA:FALSE" \
    -addext "extendedKeyUsage=serverAuth" -keyout "$new/key" -out "$new/chain" 2>"$new/said" || {
    cat -- "$new/said" >&2
    exit 1
}
cat -- "$new/key" "$new/chain" >"$new/joined"
chmod 644 -- "$new/chain"
sync -- "$new/joined" "$new/chain"
mv -fT -- "$new/joined" "$file"
mv -fT -- "$new/chain" "${file%.pem}.crt"
sync -- "$directory"
