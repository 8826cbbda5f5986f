# Asks an authority by certbot: again where a failure is one that passes, never where it refused.
# Arguments: the file where a refusal for too many requests is noted, the directory and the names
# it is noted for, seconds to wait before each further attempt, and the command.
note=$1 directory=$2 names=$3 waits=$4
shift 4
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

# The words that refusal.rs knows.
limited='too many (certificates|currently|failed|new|requests)|rate[- ]?limit|\[429\]|service busy'
# Between certbot and the authority, or within it.
passing='anti-replay nonce|badNonce|Requesting [^ ]+: ?(.*(refused|reset|closed|timed out|unreachable|not known|resolution|temporar)|$)'
passing="$passing"'|\[5[0-9][0-9]\]|internal error|serverInternal|Internal Server Error|Error finalizing order'
passing="$passing"'|ReadTimeout|ConnectTimeout|acme.errors.TimeoutError|Connection aborted|Remote end closed'
passing="$passing"'|Another instance of Certbot'
# Of a challenge. Each one that fails counts, so that nothing else is tried again.
lookup='SERVFAIL|could not resolve|query timed out|server misbehaving|i/o timeout|networking error|internal error'

# Why it may be asked again, in a line; nothing where it may not.
passes() {
    if grep -Eiq "$limited" "$work/said"; then
        return
    fi
    if grep -q '^ *Detail:' "$work/said"; then
        if ! grep '^ *Detail:' "$work/said" | grep -Evq "$lookup"; then
            grep -m1 '^ *Detail:' "$work/said" | sed 's/^ *Detail: *//'
        fi
        return
    fi
    grep -Em1 "$passing" "$work/said" || :
}

refused() {
    said=$(grep -Eim1 "$limited" "$work/said" | tr -d '\r' | cut -c 1-1000)
    [ -n "$said" ] || return 0
    umask 077
    mkdir -p -- "${note%/*}"
    printf 'at=%s\ndirectory=%s\nnames=%s\nsaid=%s\n' \
        "$(date +%s)" "$directory" "$names" "$said" >"$note.new"
    sync -- "$note.new"
    mv -f -- "$note.new" "$note"
}

for wait in $waits last; do
    { code=0; "$@" 2>&1 || code=$?; echo "$code" >"$work/code"; } | tee "$work/said"
    read -r code <"$work/code"
    if [ "$code" = 0 ]; then
        rm -f -- "$note"
        exit 0
    fi
    why=$(passes)
    if [ "$wait" = last ] || [ -z "$why" ]; then
        break
    fi
    printf 'provision:waiting for the authority, which is asked again in %s s: %s\n' "$wait" "$why"
    sleep "$wait"
done
refused
exit "$code"
