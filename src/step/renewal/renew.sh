#!/bin/sh
# Keeps the certificate of a site young and lets nginx read a new one; run by a timer.
#
#   renew.sh [--rehearse] SITE STATE FILE CONTAINER letsencrypt NAME IMAGE USER WEBROOT SERVER CA
#   renew.sh [--rehearse] SITE STATE FILE CONTAINER self-signed DAYS KIND BITS DOMAIN...
#   renew.sh [--rehearse] SITE STATE FILE CONTAINER provided
#   renew.sh --ended SITE STATE
#
# STATE is the directory of the site's receipts; FILE the certificate, which may hold its key
# too; USER whom certbot runs as; CA "-" or a file of authorities that certbot trusts. A rehearsal asks the authority for
# all but the certificate; whoever calls it sees to it that nothing else goes on. "--ended" notes
# the end of a run that couldn't do so itself; systemd says in the environment what it was.
#
# How it ended is left in STATE/renewal, unless it was a rehearsal; why it failed, in its last line
# on stderr.
set -eu
export LC_ALL=C
umask 077
here=${0%/*}
how=run
case $1 in
--rehearse | --ended)
    how=${1#--}
    shift
    ;;
esac
site=$1 state=$2
shift 2
did='' why='' out=

# Notes how it ended: $1 is ok or failed. What was only tried says nothing of what was done.
note() {
    [ "$how" != rehearse ] || return 0
    now=$(date +%s)
    ok=$now
    if [ "$1" = failed ]; then
        ok=$(sed -n 's/^ok=//p' "$state/renewal" 2>/dev/null | sed -n '$p')
    fi
    [ -d "$state" ] || install -d -m 755 -- "$state"
    new=$(mktemp "$state/.renewal.XXXXXX") || return
    {
        printf 'ended=%s\nresult=%s\n' "$now" "$1"
        [ -z "$did" ] || printf 'did=%s\n' "$did"
        [ -z "$ok" ] || printf 'ok=%s\n' "$ok"
        [ -z "$why" ] || printf 'message=%s\n' "$why"
    } >"$new" && chmod 644 -- "$new" && sync -- "$new" && mv -fT -- "$new" "$state/renewal"
}

# One more reason why it fails, as one line of what can be shown anywhere.
fault() {
    line=$(printf '%s' "$1" | tr -s '[:space:]' ' ' | tr -cd ' -~' | cut -c 1-600)
    why="$why${why:+; }$line"
}

if [ "$how" = ended ]; then
    case ${SERVICE_RESULT-} in
    '' | success | exit-code) exit 0 ;;
    timeout) fault "it took too long and was ended" ;;
    *) fault "it was ended: $SERVICE_RESULT ${EXIT_STATUS-}" ;;
    esac
    # What outlives the program that started it.
    docker rm --force "$site-certbot" >/dev/null 2>&1 || :
    note failed
    exit 0
fi

file=$1 container=$2 mode=$3
shift 3

finish() {
    status=$?
    trap '' TERM INT HUP
    [ -z "$out" ] || rm -f -- "$out"
    if [ "$status" -ne 0 ] && [ -z "$why" ]; then
        fault "it ended with $status before it was done"
    fi
    if [ -z "$why" ]; then
        note ok || exit 1
    else
        note failed || :
        echo "failed: $why" >&2
        exit 1
    fi
}
trap finish EXIT
trap 'fault "it was ended before it was done"; exit 143' TERM INT HUP
out=$(mktemp)

# Runs a command, shows what it says, and takes a reason from that if it fails.
attempt() {
    what=$1
    shift
    status=0
    "$@" >"$out" 2>&1 </dev/null || status=$?
    cat -- "$out"
    [ "$status" -ne 0 ] || return 0
    # certbot says last where its log lies and where help is found, nginx that it failed.
    said=$(sed -n -e 's/^Failed to renew certificate [^ ]* with error: //p' \
        -e 's/^nginx: \(\[emerg] \)/\1/p' "$out" | sed -n '$p')
    [ -n "$said" ] || said=$(grep -v -e '^Ask for help' -e '^[[:space:]-]*$' "$out" | sed -n '$p') || :
    fault "$what: ${said:-it ended with $status}"
    return 1
}

digest() {
    sum=$(sha256sum 2>/dev/null <"$1") || return 0
    printf '%s\n' "${sum%% *}"
}

# When the certificate on file begins and ends, in seconds since 1970.
read_dates() {
    dates=$(openssl x509 -in "$file" -noout -startdate -enddate 2>&1) || {
        fault "$file can't be read: $dates"
        return 1
    }
    begins=$(date -d "$(printf '%s\n' "$dates" | sed -n 's/^notBefore=//p')" +%s)
    ends=$(date -d "$(printf '%s\n' "$dates" | sed -n 's/^notAfter=//p')" +%s)
    life=$((ends - begins))
    left=$((ends - $(date +%s)))
}

# A time in seconds, for people.
span() {
    if [ "$1" -ge 172800 ]; then
        echo "$(($1 / 86400)) days"
    elif [ "$1" -ge 7200 ]; then
        echo "$(($1 / 3600)) hours"
    else
        echo "$(($1 / 60)) minutes"
    fi
}

# Fails if the certificate ends in less than $1 seconds; $2 says what that means.
watch() {
    if [ "$left" -le 0 ]; then
        fault "the certificate expired $(span $((-left))) ago; $2"
    elif [ "$left" -lt "$1" ]; then
        fault "the certificate expires in $(span "$left"); $2"
    else
        echo "the certificate holds for another $(span "$left")"
    fi
}

letsencrypt() {
    name=$1 image=$2 user=$3 webroot=$4 server=$5 ca=$6
    # For one that is missing, certbot has nothing to do and says that all is well.
    conf=${file%/live/*}/renewal/$name.conf
    if [ ! -e "$file" ] || [ ! -e "$conf" ]; then
        fault "there is no certificate that certbot could renew ($file, $conf): run provision"
        return 1
    fi
    set -- run --rm --name "$site-certbot" --user "$user" --cap-drop ALL \
        --security-opt no-new-privileges --read-only --tmpfs /tmp:mode=1777 \
        --tmpfs /var/log/letsencrypt:mode=1777 --volume "${file%/live/*}:/etc/letsencrypt" \
        --volume /var/lib/letsencrypt:/var/lib/letsencrypt --volume "$webroot:/var/www/html"
    if [ "$ca" != - ]; then
        set -- "$@" --volume "$ca:/etc/ssl/acme-ca.pem:ro" \
            --env REQUESTS_CA_BUNDLE=/etc/ssl/acme-ca.pem
    fi
    set -- "$@" "$image" renew --non-interactive --no-random-sleep-on-renew --cert-name "$name"
    if [ "$how" = rehearse ]; then
        # Unless it is told, a rehearsal goes to Let's Encrypt's staging authority, whoever
        # issued the certificate.
        set -- "$@" --dry-run --server "$server"
    fi
    # One that outlived the program that started it.
    docker rm --force "$site-certbot" >/dev/null 2>&1 || :
    attempt "certbot" docker "$@"
}

self_signed() {
    if [ -e "$file" ]; then
        read_dates || return 1
        [ "$left" -le $((life / 3)) ] || return 0
    fi
    attempt "to make a certificate" sh -eu "$here/self-signed.sh" "$file" "$@"
}

if [ "$how" = run ]; then
    # One operation at a time, be it this one or one of a run (certbot itself refuses to run
    # twice).
    turn=${state%/*}/operation
    exec 8>>"$turn"
    if ! flock --nonblock 8; then
        echo "waiting: $(sed 1q "$turn") is being done"
        if ! flock --wait 1800 8; then
            fault "another operation has been going on for half an hour: $(sed 1q "$turn")"
            exit 75
        fi
    fi
    printf 'the renewal by %s-renew.timer\ntimer %s\n' "$site" "$$" >"$turn"
fi

before=$(digest "$file")
outcome=not-due
case $mode in
letsencrypt) letsencrypt "$@" || outcome= ;;
self-signed) self_signed "$@" || outcome= ;;
provided) outcome=watched ;;
esac
now=$(digest "$file")
if [ "$now" != "$before" ]; then
    did=renewed
elif [ "$how" = rehearse ]; then
    did=${outcome:+rehearsed}
else
    did=$outcome
fi
[ -z "$did" ] || echo "$did"

# Also one that the run before this didn't come to.
if [ -n "$now" ] && [ "$now" != "$(cat -- "$state/served" 2>/dev/null)" ]; then
    attempt "nginx" sh -eu "$here/reload.sh" "$container" "$file" "$state/served" || :
fi

# What can't be read was said already.
if [ -n "$now" ] || [ -z "$why" ]; then
    read_dates || exit 1
    window=$((life / 3))
    [ "$window" -le 2592000 ] || window=2592000
    case $mode in
    # It is renewed when a third of its life is left, or earlier.
    letsencrypt) watch $((life / 6)) "certbot should have renewed it long ago" ;;
    self-signed) watch $((life / 6)) "it should have been replaced" ;;
    provided) watch "$window" "replace the files that site.toml names and run provision" ;;
    esac
fi
