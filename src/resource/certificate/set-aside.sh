# Moves what is left of a certificate that isn't whole out of certbot's way, which would rather
# make one of another name. Nothing is deleted.
# Arguments: certbot's directory, the certificate's name.
base=$1 name=$2
umask 077
aside=$base/aside-$(date +%s)
for part in "renewal/$name.conf" "live/$name" "archive/$name"; do
    if [ -e "$base/$part" ] || [ -h "$base/$part" ]; then
        mkdir -p -- "$aside/${part%/*}"
        mv -T -- "$base/$part" "$aside/$part"
        echo "moved $base/$part to $aside/$part"
    fi
done
