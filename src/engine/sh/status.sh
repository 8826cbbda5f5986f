# How this host is doing for site $1, whose state is kept in $2: a word and its values a line.
[ ! -e "$2/proof" ] || echo "proven $(stat -c %Y -- "$2/proof")"
[ ! -e "$2/backup" ] || sed 's/^/backup /' "$2/backup"
for marker in "$2"/pending/*; do
    [ ! -e "$marker" ] || echo "pending ${marker##*/}"
done
for guard in "${2%/*}"/guard/*/; do
    [ -d "$guard" ] || continue
    guard=${guard%/}
    if [ -e "$guard/armed" ]; then
        echo "guard ${guard##*/}, armed"
    else
        echo "guard ${guard##*/}"
    fi
done
# Not by trying the lock: that would hold it for a moment. A run that was killed left its note
# behind, so the process that it names has to be there, started when it says.
if read -r _ pid began 2>/dev/null </run/provision/holder; then
    stat=$(cat "/proc/$pid/stat" 2>/dev/null) || stat=
    if [ "$(printf '%s\n' "${stat##*) }" | cut -d ' ' -f 20)" = "$began" ]; then
        echo "held $(cat "${2%/*}/owner" 2>/dev/null)"
    fi
fi
[ ! -e /run/reboot-required ] || echo reboot
df -Pk / /var/lib/docker 2>/dev/null | sed 1d | sort -u | while read -r _ total _ left _ mount; do
    echo "disk $left $total $mount"
done
if [ -S /var/run/docker.sock ]; then
    docker=$(curl -q -sS --fail --max-time 20 --unix-socket /var/run/docker.sock \
        --get --data-urlencode all=1 --data-urlencode "filters={\"name\":[\"^/$1-\"]}" \
        http://docker/containers/json 2>/dev/null) || docker=null
    printf 'docker %s\n' "$docker"
fi
