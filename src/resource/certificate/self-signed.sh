#!/bin/sh
# Makes a private key and a certificate that signs itself: both in one file $1 (NAME.pem), which
# only root and the group of its directory may read, and the certificate alone beside it
# (NAME.crt), for whoever looks at it.
# It holds for $2 days; the key is $3 ("rsa" of $4 bits, or "ecdsa" on P-256). All further
# arguments are its names. The key never leaves this directory, and what is there stays until the
# new one is whole.
set -eu
umask 077
file=$1 days=$2 kind=$3 bits=$4
shift 4
directory=${file%/*} copy=${file%.pem}.crt
# What a run that was killed here left behind.
rm -rf -- "$directory"/.self-signed.??????
new=$(mktemp -d "$directory/.self-signed.XXXXXX")
trap 'rm -rf -- "$new"' EXIT
trap 'exit 1' HUP INT TERM
case $kind in
rsa)
    set -- "$@" -algorithm RSA -pkeyopt "rsa_keygen_bits:$bits"
    # Clients of TLS 1.2 without elliptic curves encrypt to it.
    usage=digitalSignature,keyEncipherment
    ;;
ecdsa)
    set -- "$@" -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve
    usage=digitalSignature
    ;;
*)
    echo "$kind is no kind of key: rsa or ecdsa" >&2
    exit 64
    ;;
esac
# Up to here the names, from here on what the key is made with.
common=$1 names=
while [ "$1" != -algorithm ]; do
    names="$names${names:+,}DNS:$1"
    shift
done
# A common name has at most 64 characters (RFC 5280, A.1); clients look at the names alone.
[ "${#common}" -le 64 ] || common=self-signed
# A configuration of our own: the distribution's would make an authority of it.
cat >"$new/openssl.cnf" <<EOF
[req]
prompt = no
distinguished_name = subject
x509_extensions = server
[subject]
CN = $common
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,$usage
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
subjectAltName = $names
EOF
openssl genpkey "$@" -out "$new/key" 2>"$new/said" || {
    cat -- "$new/said" >&2
    exit 1
}
openssl req -new -x509 -sha256 -config "$new/openssl.cnf" -key "$new/key" -days "$days" \
    -out "$new/crt"
cat -- "$new/key" "$new/crt" >"$new/pem"
chmod 640 -- "$new/pem"
chmod 644 -- "$new/crt"
sync -- "$new/pem" "$new/crt"
# The copy last: whoever sees the new copy can be sure of the new file.
mv -fT -- "$new/pem" "$file"
mv -fT -- "$new/crt" "$copy"
sync -- "$directory"
