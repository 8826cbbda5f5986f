# Removes for good what is named after the kind $1.
kind=$1
shift
case $kind in
unit)
    for unit in "$@"; do
        systemctl disable --now --quiet -- "$unit" 2>/dev/null || systemctl stop -- "$unit" 2>/dev/null || :
        rm -f -- "/etc/systemd/system/$unit"
        systemctl reset-failed -- "$unit" 2>/dev/null || :
    done
    systemctl daemon-reload
    ;;
container) docker rm --force --volumes -- "$@" >/dev/null ;;
network) docker network rm -- "$@" >/dev/null ;;
volume) docker volume rm -- "$@" >/dev/null ;;
image) docker image rm --force -- "$@" >/dev/null ;;
certificate)
    for name in "$@"; do
        rm -rf -- "/etc/letsencrypt/live/$name" "/etc/letsencrypt/archive/$name"
        rm -f -- "/etc/letsencrypt/renewal/$name.conf"
    done
    ;;
data | directory | state) rm -rf -- "$@" ;;
backup)
    rm -rf -- "$@"
    rmdir -- "${1%/*}" 2>/dev/null || :
    ;;
esac
