# What user $1 is, a line each: "missing", or shell, group, trouble with its files, and
# "key BASE64" for each key that gets it a shell.
entry=$(getent passwd -- "$1")
status=$?
if [ "$status" -eq 2 ]; then
    echo missing
    exit 0
fi
[ "$status" -eq 0 ] || exit "$status"
home=$(printf '%s' "$entry" | cut -d: -f6)
uid=$(printf '%s' "$entry" | cut -d: -f3)
echo "shell ${entry##*:}"
echo "home $home"
case " $(id -nG -- "$1") " in
*' sudo '*) echo 'group sudo' ;;
esac
# sshd's StrictModes: the user's or root's, and written to by nobody else.
for path in "$home" "$home/.ssh" "$home/.ssh/authorized_keys"; do
    [ -e "$path" ] || continue
    [ -n "$(find -H "$path" -maxdepth 0 \( -uid "$uid" -o -uid 0 \) ! -perm /022)" ] ||
        echo "loose $(stat -L -c '%a %U' -- "$path") $path"
done
# A line with a command lets nobody in.
sed -n -e '/^[[:space:]]*#/d' -e '/command=/d' \
    -e 's/.*\(ssh-[a-z0-9-]*\|ecdsa-[a-z0-9-]*\|sk-[a-z0-9-]*@openssh\.com\)[[:space:]]\{1,\}\(AAAA[A-Za-z0-9+/=]*\).*/key \2/p' \
    "$home/.ssh/authorized_keys" 2>/dev/null || :
