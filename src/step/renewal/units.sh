# Lets systemd read its units again. A failure that record $1 and unit $2 tell of was that of the
# units before; the new ones have not been tried.
systemctl daemon-reload
if grep -q '^result=failed$' "$1" 2>/dev/null; then
    rm -f -- "$1"
fi
systemctl reset-failed -- "$2" 2>/dev/null || :
