# Prints the volume that a site's database was last served from on this host, if it is still there.
# $1 is where the site's state is kept.
volume=$(cat -- "$1/postgres" 2>/dev/null) || exit 0
if [ -n "$volume" ] && docker volume inspect -- "$volume" >/dev/null 2>&1; then
    printf '%s\n' "$volume"
fi
