# What a proxy says of its certificate and of what renews it, as lines key=value, and last the
# certificate in PEM; never its key. $1 is the site's name, $2 where its state is kept, $3 the file
# with the certificate that nginx is to serve ("" where there is none: then nothing is said), $4
# nginx's container if it serves HTTP/3.
ask() {
    TZ=UTC LC_ALL=C systemctl show --property="$1" -- "$2" | sed "s/^/$3./"
}
if [ -n "$3" ]; then
    ask UnitFileState,ActiveState,ActiveEnterTimestamp,NextElapseUSecRealtime "$1-renew.timer" timer
    ask Result,ExecMainExitTimestamp "$1-renew.service" service
    [ ! -f "$2/renewal" ] || sed 's/^/renewal./' "$2/renewal"
    if [ -n "$4" ]; then
        case $(curl -q -sS --fail --max-time 10 --unix-socket /var/run/docker.sock \
            "http://docker/containers/$4/json" 2>/dev/null) in
        *'"443/udp":[{'*) echo 'udp=published' ;;
        *'"443/tcp"'*) echo 'udp=no' ;;
        esac
    fi
    if [ -f "$3" ]; then
        sed -n -e '/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/p' \
            -e '/^-----END CERTIFICATE-----/q' "$3"
    fi
fi
