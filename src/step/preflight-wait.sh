# Waits until cloud-init has finished and nobody holds apt's locks; says whom it waits for.
seconds=0
while :; do
    if [ -d /run/cloud-init ] && [ ! -e /run/cloud-init/disabled ] &&
        [ ! -e /var/lib/cloud/instance/boot-finished ]; then
        what="cloud-init still sets the host up"
    elif who=$(apt_holder); then
        what="$who holds the apt lock"
    else
        exit 0
    fi
    if [ "$seconds" -ge 900 ]; then
        echo "$what, after 15 minutes of waiting" >&2
        exit 75
    fi
    echo "provision:waiting $what"
    sleep 2
    seconds=$((seconds + 2))
done
