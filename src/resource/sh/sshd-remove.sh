# Removes drop-in $1, and leaves marker $2 before: sshd has to read its configuration again.
install -d -m 700 -- "${2%/*}"
: >"$2"
sync -- "${2%/*}"
rm -f -- "$1"
sync -- "${1%/*}"
