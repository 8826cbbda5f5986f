# Prints the volume that a site's database was last served from on this host, unless it is known to
# be gone: where Docker doesn't answer, it may be there. $1 is where the site's state is kept.
volume=$(cat -- "$1/postgres" 2>/dev/null) || exit 0
[ -n "$volume" ] || exit 0
if all=$(docker volume ls --quiet 2>/dev/null); then
    printf '%s\n' "$all" | grep -qxF -- "$volume" || exit 0
fi
printf '%s\n' "$volume"
