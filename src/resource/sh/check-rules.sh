# Lets the real program ($1: iptables-restore or ip6tables-restore) read our block of the
# rules file $2, without loading it.
sed -n '/^# BEGIN UFW AND DOCKER$/,/^# END UFW AND DOCKER$/p' "$2" | "$1" --noflush --test
