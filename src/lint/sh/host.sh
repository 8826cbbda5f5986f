# What lint asks beside files and rules, a word and its values a line. Every run waits for this, so
# that it starts two programs at most where all is well (2 ms).
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
# What else loads rules when the host starts: enabled, and not masked.
for unit in firewalld netfilter-persistent nftables; do
    [ ! -c "/etc/systemd/system/$unit.service" ] || continue
    for wish in /etc/systemd/system/*.wants/"$unit.service"; do
        [ ! -e "$wish" ] || echo "starts $unit"
    done
done
# Where the kernel has tables of iptables' legacy backend there may be rules in both: which one
# iptables is (Debian's alternatives), and the rules in the other. To be asked for its rules makes
# no table.
tables=
for list in /proc/net/ip_tables_names /proc/net/ip6_tables_names; do
    [ -n "$tables" ] || [ ! -r "$list" ] || read -r tables <"$list" || :
done
[ -n "$tables" ] || exit 0
rules() {
    for tool; do
        if command -v "$tool" >/dev/null; then "$tool"; fi
    done 2>/dev/null | sed -n 's/^-A /other -A /p'
}
case $(readlink -f /usr/sbin/iptables) in
*legacy*)
    echo 'backend legacy'
    rules iptables-nft-save ip6tables-nft-save
    ;;
*nft*)
    echo 'backend nft'
    rules iptables-legacy-save ip6tables-legacy-save
    ;;
esac
