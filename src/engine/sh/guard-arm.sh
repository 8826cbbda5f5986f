# Takes a snapshot of the firewall and arms a timer that puts it back in $2 seconds, unless
# it is disarmed. $1 names the guard.
unit=provision-guard-$1
dir=/var/lib/provision/guard/$1
rm -rf -- "$dir"
install -d -m 700 -- "$dir/files"
# From the root: with an absolute path, coreutils 9.1 looks for the parents below the current
# directory.
cd /
for file in etc/ufw/after.rules etc/ufw/after6.rules etc/ufw/user.rules \
    etc/ufw/user6.rules etc/ufw/ufw.conf etc/default/ufw; do
    [ ! -e "$file" ] || cp -a --parents -- "$file" "$dir/files"
done
iptables-save >"$dir/rules.v4"
ip6tables-save >"$dir/rules.v6"
cat >"$dir/restore" <<'END'
set -u
cd "$1/files" || exit 1
# File by file: to copy the directory onto / would give / its mode.
find . -type f | while read -r file; do cp -a -- "$file" "/$file"; done
cd ..
iptables-restore <rules.v4
ip6tables-restore <rules.v6
date -u +%FT%TZ >rolled-back
sync
END
: >"$dir/armed"
sync
systemd-run --quiet --collect --unit="$unit" --on-active="$2" \
    --timer-property=AccuracySec=100ms /bin/sh "$dir/restore" "$dir"
