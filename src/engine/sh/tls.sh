# What a proxy has to serve: the line udp=published or udp=no, and last the certificate in PEM;
# never its key. $1 is the file with the certificate that nginx is to serve ("" where there is none:
# then nothing is said), $2 nginx's container if it serves HTTP/3.
if [ -n "$1" ]; then
    if [ -n "$2" ]; then
        case $(curl -q -sS --fail --max-time 10 --unix-socket /var/run/docker.sock \
            "http://docker/containers/$2/json" 2>/dev/null) in
        *'"443/udp":[{'*) echo 'udp=published' ;;
        *'"443/tcp"'*) echo 'udp=no' ;;
        esac
    fi
    if [ -f "$1" ]; then
        sed -n -e '/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/p' \
            -e '/^-----END CERTIFICATE-----/q' "$1"
    fi
fi
