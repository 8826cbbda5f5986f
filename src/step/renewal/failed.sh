#!/bin/sh
# Tells the operator that a certificate's renewal failed.
#
#   renew-failed.sh SITE HOST NAME STATE FILE webhook CONFIG
#   renew-failed.sh SITE HOST NAME STATE FILE command PROGRAM [ARGUMENT]...
#
# STATE/renewal says why, FILE is the certificate. CONFIG is a file for curl with the URL, which
# gets a JSON object; the command gets the message on stdin and in its environment.
set -eu
export LC_ALL=C
site=$1 host=$2 name=$3 state=$4 file=$5 kind=$6
shift 6

value() {
    sed -n "s/^$1=//p" "$state/renewal" 2>/dev/null | sed -n '$p'
}
message=
[ "$(value result)" != failed ] || message=$(value message)
[ -n "$message" ] ||
    message="it failed before it could say why; see journalctl -u $site-renew.service"

if [ "$kind" = command ]; then
    export PROVISION_SITE="$site" PROVISION_CERTIFICATE="$name" PROVISION_MESSAGE="$message"
    # Not in a pipe: the command needn't read it.
    input=$(mktemp)
    trap 'rm -f -- "$input"' EXIT
    printf '%s\n' "$message" >"$input"
    timeout --kill-after=10 300 "$@" <"$input"
    exit
fi

text() {
    printf '"%s"' "$(printf '%s' "$1" | tr -cd ' -~' | sed 's/[\\"]/\\&/g')"
}
expires=null
if end=$(openssl x509 -in "$file" -noout -enddate 2>/dev/null); then
    expires=$(text "$(date -u -d "${end#notAfter=}" +%Y-%m-%dT%H:%M:%SZ)")
fi
code=$(
    printf '{"site":%s,"host":%s,"certificate":%s,"message":%s,"expires":%s}\n' \
        "$(text "$site")" "$(text "$host")" "$(text "$name")" "$(text "$message")" "$expires" |
        curl --disable --config "$1" --proto '=http,https' --fail --silent --show-error \
            --header 'Content-Type: application/json' --data-binary @- --output /dev/null \
            --write-out '%{http_code}' --max-time 30 \
            --retry 5 --retry-delay 15 --retry-max-time 300 --retry-all-errors
)
case $code in
2*) ;;
*)
    echo "the webhook answered $code" >&2
    exit 1
    ;;
esac
