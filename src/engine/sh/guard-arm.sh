# Takes a snapshot of the firewall and of sshd's configuration, and arms a timer that puts them
# back in $2 seconds, unless it is disarmed. $1 names the guard, $3 is the script that restores,
# $4 the root of the file system.
cd -- "$4" || exit
root=${4%/}
unit=provision-guard-$1
boot=provision-restore-$1.service
dir=$root/var/lib/provision/guard/$1
# One that was armed over a connection that broke before anything was changed under it.
systemctl stop "$unit.timer" 2>/dev/null || :
rm -rf -- "$dir"
install -d -m 700 -- "$dir/files"
for file in etc/ufw/after.rules etc/ufw/after6.rules etc/ufw/user.rules \
    etc/ufw/user6.rules etc/ufw/ufw.conf etc/default/ufw etc/ssh/sshd_config; do
    printf '%s\n' "$file"
    # From the root: with an absolute path, coreutils 9.1 looks for the parents below the
    # current directory.
    [ ! -e "$file" ] || cp -a --parents -- "$file" "$dir/files"
done >"$dir/list"
[ ! -d etc/ssh/sshd_config.d ] || cp -a --parents -- etc/ssh/sshd_config.d "$dir/files"
iptables-save >"$dir/rules.v4"
ip6tables-save >"$dir/rules.v6"
printf '%s\n' "$3" >"$dir/restore"
# The timer is gone after a power cut: then the next start restores, before sshd and ufw.
install -d -- "$root/etc/systemd/system/multi-user.target.wants"
cat >"$root/etc/systemd/system/$boot" <<END
[Unit]
Description=Puts back a change by provision that was never confirmed
DefaultDependencies=no
ConditionPathExists=$dir/armed
ConditionPathExists=!$dir/rolled-back
RequiresMountsFor=$dir
After=local-fs.target
Before=network-pre.target ufw.service ssh.service ssh.socket

[Service]
Type=oneshot
ExecStart=/bin/sh $dir/restore $dir ${root:-/} boot
END
ln -sf "../$boot" "$root/etc/systemd/system/multi-user.target.wants/$boot"
: >"$dir/armed"
sync
systemd-run --quiet --collect --unit="$unit" --on-active="$2" \
    --timer-property=AccuracySec=100ms /bin/sh "$dir/restore" "$dir" "${root:-/}"
