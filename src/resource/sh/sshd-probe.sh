# What sshd would decide now, for user $1; exit status 3 where there is no sshd.
PATH=$PATH:/usr/sbin
command -v sshd >/dev/null || exit 3
sshd_values "$1"
