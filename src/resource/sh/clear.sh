# Removes a marker and makes that last.
rm -f -- "$1"
sync -- "${1%/*}"
