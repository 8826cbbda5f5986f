# Takes a snapshot of the firewall and of sshd's configuration, and arms a timer that puts them
# back in $2 seconds, unless it is disarmed. $1 names the guard, $3 is the script that restores,
# $4 the root of the file system.
#
# What happened to a guard is told by the one mark that lies in its directory: "armed",
# "firing" or "rolled-back". Without one, nothing was changed under it or it was disarmed.
PATH=$PATH:/usr/sbin:/sbin
cd -- "$4" || exit
root=${4%/}
unit=provision-guard-$1
boot=provision-restore-$1.service
units=$root/etc/systemd/system
guards=$root/var/lib/provision/guard
dir=$guards/$1
# A snapshot taken now would keep what another guard is to take back.
for other in "$guards"/*/; do
    other=${other%/}
    [ "$other" != "$dir" ] || continue
    if [ -e "$other/armed" ] || [ -e "$other/firing" ]; then
        echo "${other##*/} of another run is still guarded on this host: run again, and it is taken back first" >&2
        exit 75
    fi
done
install -d -m 700 -- "$dir"
exec 9>>"$dir/lock"
flock --wait 60 9
if [ -e "$dir/firing" ]; then
    echo "the old state is just being put back on this host: run again" >&2
    exit 75
fi
disarm() {
    status=$?
    [ "$status" -ne 0 ] || exit 0
    rm -f -- "$dir/armed"
    systemctl stop "$unit.timer" 2>/dev/null || :
    rm -f -- "$units/$boot" "$units/multi-user.target.wants/$boot"
    rm -rf -- "$dir"
    exit "$status"
}
# The live rules of a family, or an empty table where nothing could make one.
rules() {
    if ! command -v "$1" >/dev/null || { [ "$1" = ip6tables-save ] && [ ! -d /proc/sys/net/ipv6 ]; }; then
        printf '*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n'
        return
    fi
    # Docker's rules for the translation of addresses are Docker's alone.
    "$1" -t filter
}
# One that was armed over a connection that broke before its answer came: what it saved is the
# state before any change.
if [ ! -e "$dir/armed" ]; then
    trap disarm EXIT
    systemctl stop "$unit.timer" 2>/dev/null || :
    rm -rf -- "$dir/files"
    rm -f -- "$dir/rolled-back" "$dir/failed"
    install -d -m 700 -- "$dir/files"
    for file in etc/ufw/before.rules etc/ufw/before6.rules etc/ufw/after.rules \
        etc/ufw/after6.rules etc/ufw/user.rules etc/ufw/user6.rules etc/ufw/ufw.conf \
        etc/default/ufw etc/ssh/sshd_config; do
        if [ ! -e "$file" ]; then
            printf 'new %s\n' "$file"
            continue
        fi
        printf 'old %s\n' "$file"
        # From the root: with an absolute path, coreutils 9.1 looks for the parents below the
        # current directory.
        cp -a --parents -- "$file" "$dir/files"
    done >"$dir/list"
    [ ! -d etc/ssh/sshd_config.d ] || cp -a --parents -- etc/ssh/sshd_config.d "$dir/files"
    rules iptables-save >"$dir/rules.v4"
    rules ip6tables-save >"$dir/rules.v6"
    printf '%s\n' "$3" >"$dir/restore"
    # The timer is gone after a power cut: then the next start restores, before sshd and ufw.
    install -d -- "$units/multi-user.target.wants"
    cat >"$units/$boot" <<END
[Unit]
Description=Puts back a change by provision that was never confirmed
DefaultDependencies=no
ConditionPathExists=|$dir/armed
ConditionPathExists=|$dir/firing
RequiresMountsFor=$dir
After=local-fs.target
Before=network-pre.target ufw.service ssh.service ssh.socket docker.service

[Service]
Type=oneshot
ExecStart=/bin/sh $dir/restore $dir ${root:-/} boot
END
    ln -sf "../$boot" "$units/multi-user.target.wants/$boot"
    # The mark must not outlive, in a power cut, what it stands for.
    sync -f "$dir" "$units"
    : >"$dir/armed"
    sync -- "$dir"
fi
# By the clock that nobody sets.
read -r up _ </proc/uptime
printf '%s\n' "$((${up%%.*} + $2))" >"$dir/until.new"
mv -f -- "$dir/until.new" "$dir/until"
cp -- "$root/run/provision/holder" "$dir/holder" 2>/dev/null || rm -f -- "$dir/holder"
if ! systemctl --quiet is-active "$unit.timer" "$unit.service"; then
    systemd-run --quiet --collect --unit="$unit" --on-active="$2" \
        --timer-property=AccuracySec=100ms /bin/sh "$dir/restore" "$dir" "${root:-/}" 9>&-
fi
