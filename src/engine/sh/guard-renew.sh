# Gives guard $1 another $2 seconds from now, in the name of the connection that holds this host,
# unless it has fired. The change that it guards isn't over. $3 is the root of the file system.
root=${3%/}
dir=$root/var/lib/provision/guard/$1
if [ ! -d "$dir" ]; then
    echo "guard $1 is gone from this host" >&2
    exit 75
fi
exec 9>>"$dir/lock"
flock --wait 50 9
if [ ! -e "$dir/armed" ]; then
    cat -- "$dir/failed" >&2 2>/dev/null || :
    echo provision:rolled-back
    exit 0
fi
read -r up _ </proc/uptime
printf '%s\n' "$((${up%%.*} + $2))" >"$dir/until.new"
mv -f -- "$dir/until.new" "$dir/until"
cp -- "$root/run/provision/holder" "$dir/holder" 2>/dev/null || rm -f -- "$dir/holder"
echo provision:renewed
