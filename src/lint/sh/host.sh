# What lint asks beside files, units and rules, a word and its values a line; processes are few,
# since every run waits for this.
# Who we are to this host, and the port that we came in on.
connection=${PROVISION_SSH_CONNECTION-}
echo "ssh ${connection%% *} ${connection##* }"
# The kernel's own lists of IPv6 addresses and of IPv4 routes, as they are (proc(5)).
cat /proc/net/if_inet6 /proc/net/route 2>/dev/null
# What dockerd was started with.
pid=
[ ! -r /run/docker.pid ] || read -r pid </run/docker.pid || :
if [ -n "$pid" ] && [ -r "/proc/$pid/cmdline" ]; then
    printf 'dockerd '
    tr '\0' ' ' <"/proc/$pid/cmdline"
    echo
fi
# Which of its two backends iptables is (Debian's alternatives), and the rules in the other one.
# That is asked for its rules only where it may have some: the legacy one lists its tables.
backend=$(readlink -f /usr/sbin/iptables)
case $backend in
*legacy*) backend=legacy ;;
*nft*) backend=nft ;;
*) backend=unknown ;;
esac
echo "backend $backend"
rules() {
    for tool; do
        if command -v "$tool" >/dev/null; then "$tool"; fi
    done 2>/dev/null | sed -n 's/^-A /other -A /p'
}
tables=
[ ! -r /proc/net/ip_tables_names ] || read -r tables </proc/net/ip_tables_names || :
[ ! -r /proc/net/ip6_tables_names ] || read -r tables </proc/net/ip6_tables_names || :
if [ "$backend" = legacy ]; then
    rules iptables-nft-save ip6tables-nft-save
elif [ "$backend" = nft ] && [ -n "$tables" ]; then
    rules iptables-legacy-save ip6tables-legacy-save
fi
