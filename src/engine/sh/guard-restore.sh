# Puts back what a guard saved in directory $1, on the file system with root $2: content, mode
# and owner; what was not there goes. "boot" as $3: at the start of the system, where ufw and
# sshd read it all by themselves.
set -u
dir=$1 root=${2:-/} when=${3:-now}
cd -- "$root" || exit 1
sshd=same
# A file as it was. Whole or not at all, should the power be cut.
back() {
    if [ -e "$dir/files/$1" ]; then
        ! cmp -s -- "$dir/files/$1" "$1" || [ "$(stat -c %a:%u:%g -- "$1")" != \
            "$(stat -c %a:%u:%g -- "$dir/files/$1")" ] || return 0
        cp -a -- "$dir/files/$1" "${1%/*}/.provision.restore" &&
            mv -fT -- "${1%/*}/.provision.restore" "$1"
    elif [ -e "$1" ]; then
        rm -f -- "$1"
    else
        return 0
    fi
    case $1 in etc/ssh/*) sshd=changed ;; esac
}
while read -r file; do
    back "$file"
done <"$dir/list"
drop=etc/ssh/sshd_config.d
[ ! -d "$dir/files/$drop" ] || [ -d "$drop" ] || install -d -m 755 -- "$drop"
for file in "$drop"/* "$drop"/.provision.* "$dir/files/$drop"/*; do
    file=$drop/${file##*/}
    if [ -f "$file" ] || [ -f "$dir/files/$file" ]; then back "$file"; fi
done
[ -d "$dir/files/$drop" ] || [ ! -d "$drop" ] || rmdir -- "$drop"
if [ "$when" = now ]; then
    iptables-restore <"$dir/rules.v4"
    ip6tables-restore <"$dir/rules.v6"
    # An sshd that has its sockets from systemd would end instead of reloading.
    how=try-reload-or-restart
    ! systemctl --quiet is-active ssh.socket || how=try-restart
    [ "$sshd" = same ] || systemctl --no-block "$how" ssh.service
fi
boot=provision-restore-${dir##*/}.service
rm -f -- "etc/systemd/system/$boot" "etc/systemd/system/multi-user.target.wants/$boot"
date -u +%FT%TZ >"$dir/rolled-back"
sync
