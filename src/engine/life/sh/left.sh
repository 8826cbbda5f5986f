# What is there of a site: a kind, a name and what is known of it a line, with tabs between them.
# Arguments: the site; its directory; its state; the directory of its backups; the certificate's
# name, or "-"; a directory with its database's files, or "-".
site=$1 directory=$2 state=$3 backups=$4 certificate=$5 data=$6
tell() { printf '%s\t%s\t%s\n' "$1" "$2" "$3"; }
large() { timeout 15 du -sh -- "$1" 2>/dev/null | cut -f 1; }
for unit in backup.timer backup.service renew.timer renew.service renew-failed.service; do
    [ ! -e "/etc/systemd/system/$site-$unit" ] || tell unit "$site-$unit" ""
done
[ ! -e "/etc/systemd/system/$site.service" ] || tell unit "$site.service" ""
if [ -S /var/run/docker.sock ]; then
    for project in "$site" "$site-app" "$site-proxy"; do
        docker ps --all --filter "label=com.docker.compose.project=$project" \
            --format 'container	{{.Names}}	{{.Status}}'
        docker network ls --filter "label=com.docker.compose.project=$project" \
            --format 'network	{{.Name}}	'
    done
    docker volume ls --format '{{.Name}}	{{.Label "com.docker.compose.project"}}' |
        while IFS='	' read -r volume project; do
            case $volume in
            "$site-postgres-"[1-9][0-9] | "$site-postgres-"[1-9][0-9]-[0-9]*T[0-9]*Z) ;;
            *) [ "$project" = "$site" ] || continue ;;
            esac
            place=$(docker volume inspect --format '{{.Mountpoint}}' "$volume" 2>/dev/null) || continue
            tell volume "$volume" "$(large "$place")"
        done
    docker image ls --format 'image	{{.Repository}}:{{.Tag}}	{{.Size}}' "$site"
fi
if [ "$certificate" != - ] && [ -e "/etc/letsencrypt/renewal/$certificate.conf" ]; then
    tell certificate "$certificate" "with its key; an authority may refuse to issue it again soon"
fi
if [ "$data" != - ]; then
    for place in "$data"/[1-9][0-9] "$data"/[1-9][0-9]-[0-9]*T[0-9]*Z; do
        [ ! -d "$place" ] || tell data "$place" "$(large "$place")"
    done
fi
[ ! -d "$directory" ] || tell directory "$directory" "$(large "$directory")"
[ ! -d "$state" ] || tell state "$state" ""
for file in "$backups/$site"-[0-9]*Z.tar "$backups/.$site"-*; do
    [ ! -e "$file" ] || tell backup "$file" "$(large "$file")"
done
