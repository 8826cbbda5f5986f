# Lets sshd read its configuration again and clears marker $1. Sessions that stand go on.
PATH=$PATH:/usr/sbin
[ -d /run/sshd ] || mkdir -m 755 /run/sshd
sshd -t
how=try-reload-or-restart
# An sshd that has its sockets from systemd loses them when it is told to reload, and ends. One
# that is started for each connection is no ssh.service, and reads it all by itself.
! systemctl --quiet is-active ssh.socket || how=try-restart
systemctl "$how" ssh.service
rm -f -- "$1"
sync -- "${1%/*}"
