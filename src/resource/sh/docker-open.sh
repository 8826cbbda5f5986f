# Takes the rules for Docker's ports out of the kernel. $1 is iptables or ip6tables, $2 the
# chain that logs and drops, $3 "flush" if DOCKER-USER is Docker's own again, or "leave" if a
# block of somebody else fills it.
tool=$1 deny=$2
if [ "$3" = flush ] && "$tool" -w -S DOCKER-USER >/dev/null 2>&1; then
    # At once, as Docker itself makes it.
    printf '%s\n' '*filter' ':DOCKER-USER - [0:0]' '-A DOCKER-USER -j RETURN' COMMIT |
        "$tool-restore" -w --noflush
    # Where Docker leaves this family alone, the chain was ours.
    if ! "$tool" -w -S DOCKER >/dev/null 2>&1 &&
        ! "$tool" -w -S FORWARD | grep -q -- ' -j DOCKER-USER'; then
        "$tool" -w -F DOCKER-USER
        "$tool" -w -X DOCKER-USER
    fi
fi
if [ -n "$deny" ] && "$tool" -w -S "$deny" >/dev/null 2>&1; then
    "$tool" -w -F "$deny"
    "$tool" -w -X "$deny"
fi
