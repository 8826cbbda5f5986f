# Removes the distribution's packages that conflict with Docker's own (containers and images
# stay), and an older list of the same repository. $1 is the list that stays.
export DEBIAN_FRONTEND=noninteractive
old=${1%.sources}.list
rm -f -- "$old"
remove=
for package in docker.io docker-compose docker-compose-v2 docker-doc podman-docker containerd runc; do
    if dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed; then
        remove="$remove $package"
    fi
done
if [ -n "$remove" ]; then
    # shellcheck disable=SC2086 # a list of package names
    apt-get remove -y -o DPkg::Lock::Timeout=600 $remove
fi
# The new repository's packages are not in the lists yet.
apt-get update -o DPkg::Lock::Timeout=600
