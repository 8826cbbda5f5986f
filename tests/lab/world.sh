# Makes the world that this shell stands in fit for a lab of its own, and stays: its mounts, its
# network and its control groups are already others than the machine's. $1 is the file that says
# that it is made.
set -e
mkdir -p /run/netns /run/systemd
mount -t tmpfs tmpfs /run/netns
mount -t tmpfs tmpfs /run/systemd
# What another lab has mounted is none of ours, and would be kept busy by us.
sed -n 's/^[^ ]* \(\/var\/lib\/provision-lab[^ ]*\) .*/\1/p' /proc/mounts | sort -r |
    while read -r point; do umount -l "$point"; done
# /sys shows the interfaces of the network it was mounted in, and control groups as deep as
# the world they were mounted in.
groups=$(sed -n 's/^[^ ]* \(\/sys\/fs\/cgroup[^ ]*\) \(cgroup2*\) \([^ ]*\) .*/\1 \2 \3/p' /proc/mounts)
mount -t sysfs sysfs /sys
[ "$groups" != "${groups#/sys/fs/cgroup cgroup2 }" ] || mount -t tmpfs tmpfs /sys/fs/cgroup
echo "$groups" | while read -r point kind options; do
    mkdir -p "$point"
    case $kind:$options in
    cgroup2:*) mount -t cgroup2 cgroup2 "$point" ;;
    *name=*) mount -t cgroup -o "none,name=${options##*name=}" cgroup "$point" ;;
    *) mount -t cgroup -o "${options##*,}" cgroup "$point" ;;
    esac
done
ip link set lo up
: >"$1"
exec sleep infinity
