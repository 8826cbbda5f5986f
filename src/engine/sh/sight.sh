# What this host says of itself for the proof, a word and its values a line: how many packets each
# kind of deny rule has dropped and, unless $1 is "denied", who we are to it, which sources its rules
# trust, its addresses, what listens, and last what Docker publishes, as JSON in one line.
rules() {
    "$1-save" -c -t filter 2>/dev/null | sed -n -E \
        -e "s/^\[([0-9]+):.*-A (ufw6?-docker-logging-deny|DOCKER-USER|ufw6?-user-forward) .*-j DROP\$/denied docker$2 \1/p" \
        -e "s/^:INPUT DROP \[([0-9]+):.*/denied input$2 \1/p" \
        -e "s/^\[([0-9]+):.*-A (INPUT|ufw6?-user-input|ufw6?-skip-to-policy-input) .*-j DROP\$/denied input$2 \1/p" \
        -e 's/^.*-A (DOCKER-USER|ufw6?-user-input|ufw6?-user-forward) -s ([^ ]+) .*-j (RETURN|ACCEPT)$/trusts \2 \1/p'
}
rules iptables 4
rules ip6tables 6
[ "${1-}" != denied ] || exit 0
# shellcheck disable=SC2086 # its four words
set -- ${PROVISION_SSH_CONNECTION-}
echo "peer ${1-}"
[ $# -lt 4 ] || echo "ssh $3 $4"
ip -o addr show scope global | while read -r _ name _ address _; do
    echo "address $name $address"
done
ss -Hltnp | while read -r _ _ _ local _ who; do
    echo "listens $local $who"
done
[ -S /var/run/docker.sock ] || exit 0
docker=$(curl -sS --fail --max-time 10 --unix-socket /var/run/docker.sock \
    http://docker/containers/json 2>&1) || docker=null
printf 'docker %s\n' "$docker"
