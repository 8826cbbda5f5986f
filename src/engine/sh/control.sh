# Whether something listens on TCP port $1 here, and how many packets the deny rules for
# Docker's ports and ufw's own have dropped.
if [ -n "$(ss -Hltn "( sport = :$1 )")" ]; then echo listens; else echo silent; fi
{
    iptables-save -c -t filter
    ip6tables-save -c -t filter
} 2>/dev/null | sed -n \
    -e 's/^\[\([0-9]*\):.*-A ufw6\{0,1\}-docker-logging-deny -j DROP$/\1/p' \
    -e 's/^:INPUT DROP \[\([0-9]*\):.*/\1/p' | {
    sum=0
    while read -r count; do sum=$((sum + count)); done
    echo "$sum"
}
