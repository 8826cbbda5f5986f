# What user $1 is, a line each: "missing", or shell, group, trouble with its files, and
# "key BASE64" for each key that gets it a shell.
entry=$(getent passwd -- "$1")
status=$?
if [ "$status" -eq 2 ]; then
    echo missing
    exit 0
fi
[ "$status" -eq 0 ] || exit "$status"
IFS=: read -r _ _ uid _ _ home shell <<EOF
$entry
EOF
echo "shell $shell"
echo "home $home"
case " $(id -nG -- "$1") " in
*' sudo '*) echo 'group sudo' ;;
esac
keys=$home/.ssh/authorized_keys
set --
for path in "$home" "$home/.ssh" "$keys"; do
    [ ! -e "$path" ] || set -- "$@" "$path"
done
# sshd's StrictModes: the user's or root's, and written to by nobody else.
[ $# -eq 0 ] ||
    find -H "$@" -maxdepth 0 ! \( \( -uid "$uid" -o -uid 0 \) ! -perm /022 \) \
        -exec stat -L -c 'loose %a %U %n' -- {} +
# A line with a command lets nobody in.
[ ! -e "$keys" ] || sed -n -e '/^[[:space:]]*#/d' -e '/command=/d' \
    -e 's/.*\(ssh-[a-z0-9-]*\|ecdsa-[a-z0-9-]*\|sk-[a-z0-9-]*@openssh\.com\)[[:space:]]\{1,\}\(AAAA[A-Za-z0-9+/=]*\).*/key \2/p' \
    "$keys" 2>/dev/null || :
