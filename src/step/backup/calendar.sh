# Fails unless systemd knows when $1 is.
systemd-analyze calendar -- "$1" >/dev/null
