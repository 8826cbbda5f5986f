# Makes user $1 if it is missing, with a shell, a home, group sudo and the keys that let
# user $2 in. Keys it has already are left alone.
getent group sudo >/dev/null || groupadd --system sudo
if ! getent passwd "$1" >/dev/null; then
    useradd --create-home --shell /bin/bash --user-group -- "$1"
fi
usermod --append --groups sudo -- "$1"
home=$(getent passwd "$1" | cut -d: -f6)
group=$(id -gn -- "$1")
keys=$home/.ssh/authorized_keys
if ! grep -qE '^[^#]*(ssh-|ecdsa-|sk-)' "$keys" 2>/dev/null; then
    from=$(getent passwd "$2" | cut -d: -f6)/.ssh/authorized_keys
    install -d -m 700 -o "$1" -g "$group" "$home/.ssh"
    temporary=$(mktemp "$home/.ssh/.provision.XXXXXX")
    # A cloud image lets root in only to say that another user should be taken: such lines
    # carry a command and are no keys to copy.
    if ! grep -E '^(ssh-|ecdsa-|sk-)' "$from" >"$temporary"; then
        rm -f "$temporary"
        echo "there is no plain key in $from to give to $1" >&2
        exit 1
    fi
    chmod 600 "$temporary"
    chown "$1:$group" "$temporary"
    sync "$temporary"
    mv -f "$temporary" "$keys"
fi
