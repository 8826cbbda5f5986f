# Whether Docker's command line has its Compose plugin, in one of the places it looks in.
for directory in /usr/local/lib/docker /usr/local/libexec/docker /usr/lib/docker \
    /usr/libexec/docker /root/.docker; do
    [ ! -x "$directory/cli-plugins/docker-compose" ] || exit 0
done
exit 1
