# Prints what user $1 lacks, a line each; nothing if it lacks nothing.
entry=$(getent passwd -- "$1")
status=$?
if [ "$status" -eq 2 ]; then
    echo missing
    exit 0
fi
[ "$status" -eq 0 ] || exit "$status"
home=$(printf '%s' "$entry" | cut -d: -f6)
case " $(id -nG -- "$1") " in
*' sudo '*) ;;
*) echo "not in group sudo" ;;
esac
if ! grep -qE '^[^#]*(ssh-|ecdsa-|sk-)' "$home/.ssh/authorized_keys" 2>/dev/null; then
    echo "no key to log in with"
fi
