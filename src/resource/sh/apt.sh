# Installs the packages named as arguments. Another package manager that holds a lock is
# waited for and named; an interrupted dpkg is finished first.
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a NEEDRESTART_SUSPEND=1

# Waits until nobody holds a lock: ten minutes at most.
wait_for_locks() {
    tries=0
    while who=$(apt_holder); do
        tries=$((tries + 1))
        if [ "$tries" -gt 300 ]; then
            echo "$who has held the apt lock for ten minutes" >&2
            exit 75
        fi
        echo "provision:waiting $who holds the apt lock"
        sleep 2
    done
}

wait_for_locks
dpkg --configure -a

# A fresh server's lists are missing or old. Old ones name packages that are gone.
fresh=$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mmin -60 2>/dev/null | head -n 1)
if [ -z "$fresh" ] || ! apt-get install --simulate -y -- "$@" >/dev/null 2>&1; then
    tries=0
    until apt-get update -o APT::Update::Error-Mode=any; do
        tries=$((tries + 1))
        [ "$tries" -lt 5 ] || exit 100
        wait_for_locks
        sleep "$tries"
    done
fi
wait_for_locks
apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=600 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -- "$@"
