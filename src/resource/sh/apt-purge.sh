# Purges package $1 with its configuration, then removes the directories
# that are named after it.
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a NEEDRESTART_SUSPEND=1
package=$1
shift
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
apt-get purge -y -o DPkg::Lock::Timeout=600 -- "$package"
[ "$#" -eq 0 ] || rm -rf -- "$@"
