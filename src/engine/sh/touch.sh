# Whether this host gets a connection to URL $1: curl's exit status and the HTTP status.
# $2 is the Host header, $3 the seconds to wait.
status=0
code=$(curl --silent --output /dev/null --connect-timeout "$3" --max-time 10 --noproxy '*' \
    --header "Host: $2" --header 'X-Forwarded-Proto: https' --write-out '%{http_code}' "$1") ||
    status=$?
echo "$status $code"
