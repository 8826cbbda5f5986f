# Makes user $1 if it is missing, with a shell, a home and group sudo (unless $3 is "-"), and the
# keys on stdin. Where these are only for want of others ($4 is "else"), it gets the plain keys
# that let user $2 in; without $2, those of whom we came in as. Keys that are there stay.
spare=$(mktemp)
trap 'rm -f -- "$spare"' EXIT
cat >"$spare"
if ! getent passwd "$1" >/dev/null; then
    useradd --create-home --shell /bin/bash --user-group -- "$1"
fi
if [ "$3" != - ]; then
    getent group "$3" >/dev/null || groupadd --system "$3"
    usermod --append --groups "$3" -- "$1"
fi
home=$(getent passwd "$1" | cut -d: -f6)
group=$(id -gn -- "$1")
keys=$home/.ssh/authorized_keys
[ -d "$home" ] || install -d -m 755 -o "$1" -g "$group" -- "$home"
install -d -m 700 -o "$1" -g "$group" -- "$home/.ssh"
new=$(mktemp "$home/.ssh/.provision.XXXXXX")
trap 'rm -f -- "$spare" "$new"' EXIT
if [ -e "$keys" ]; then
    # With an end to its last line.
    awk 1 "$keys" >"$new"
fi
usable='^[^#]*(ssh-|ecdsa-|sk-)[^ 	]*[ 	]+AAAA'
has_key() { grep -E "$usable" "$1" 2>/dev/null | grep -qv 'command='; }
if [ "$4" = else ]; then
    if ! has_key "$new"; then
        from=$(getent passwd "${2:-${SUDO_USER:-${DOAS_USER:-root}}}" | cut -d: -f6)/.ssh/authorized_keys
        # A cloud image lets root in only to say that another user should be taken: such lines
        # carry a command and are no keys to copy.
        if ! grep -E '^(ssh-|ecdsa-|sk-)' "$from" >>"$new" 2>/dev/null; then
            cat "$spare" >>"$new"
        fi
        if ! has_key "$new"; then
            echo "there is no plain key in $from to give to $1: name one in site.toml, authorized_keys = [\"~/.ssh/id_ed25519.pub\"] in [ssh]" >&2
            exit 1
        fi
    fi
else
    while read -r type blob comment; do
        grep -F -- "$blob" "$new" | grep -v -e '^[[:space:]]*#' -e 'command=' >/dev/null ||
            printf '%s\n' "$type $blob${comment:+ $comment}" >>"$new"
    done <"$spare"
fi
chmod 600 "$new"
chown "$1:$group" "$new"
sync "$new"
mv -f "$new" "$keys"
