# Distribution, version, code name and architecture.
# shellcheck source=/dev/null
. /etc/os-release
printf '%s|%s|%s|%s\n' "$ID" "$VERSION_ID" "${UBUNTU_CODENAME:-$VERSION_CODENAME}" \
    "$(dpkg --print-architecture)"
