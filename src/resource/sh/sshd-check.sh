# Lets sshd judge its whole configuration with file $3 as drop-in $2, before it counts; user $1
# and root must then find passwords and root's login off.
PATH=$PATH:/usr/sbin
new=$(mktemp -d)
trap 'rm -rf -- "$new"' EXIT
mkdir -- "$new/sshd_config.d"
cp -- /etc/ssh/sshd_config.d/*.conf "$new/sshd_config.d" 2>/dev/null || :
cp -- "$3" "$new/sshd_config.d/${2##*/}"
sed "/^[[:space:]]*[Ii][Nn][Cc][Ll][Uu][Dd][Ee][[:space:]=]/s#\(/etc/ssh/\)\{0,1\}sshd_config\.d/#$new/sshd_config.d/#g" \
    /etc/ssh/sshd_config >"$new/sshd_config"
sshd -t -f "$new/sshd_config"
values=$(sshd_values "$1" -f "$new/sshd_config")
if printf '%s\n' "$values" | grep -v '^[a-z]* no '; then
    echo "something that sshd reads before $2, or a Match block, says otherwise: grep -r in /etc/ssh" >&2
    exit 1
fi
