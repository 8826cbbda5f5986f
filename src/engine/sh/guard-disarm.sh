# Disarms guard $1; says so if it has fired already.
dir=/var/lib/provision/guard/$1
systemctl stop "provision-guard-$1.timer" 2>/dev/null || :
if [ -e "$dir/rolled-back" ]; then
    echo provision:rolled-back
    exit 0
fi
rm -rf -- "$dir"
echo provision:disarmed
