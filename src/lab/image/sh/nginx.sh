#!/bin/sh
# The official image's places on Debian's nginx: configuration in conf.d, its user, logs to
# the container's output, temporary files below /var/cache/nginx. $1: the image's root.
set -eu
cd "$1"
echo 'nginx:x:101:101:nginx:/nonexistent:/bin/false' >>etc/passwd
echo 'nginx:x:101:' >>etc/group
rm -rf etc/nginx/sites-enabled etc/nginx/sites-available etc/nginx/modules-enabled \
  etc/nginx/conf.d etc/nginx/snippets var/lib/nginx var/www
mkdir -p etc/nginx/conf.d var/cache/nginx usr/share/nginx/html var/log/nginx
ln -s ../cache/nginx var/lib/nginx
ln -sf /dev/stdout var/log/nginx/access.log
ln -sf /dev/stderr var/log/nginx/error.log
printf '<!DOCTYPE html>\n<title>nginx</title>\n<p>nginx answers.\n' >usr/share/nginx/html/index.html
cat >etc/nginx/nginx.conf <<'CONF'
user nginx;
worker_processes auto;
error_log /var/log/nginx/error.log notice;
pid /run/nginx.pid;

events {
    worker_connections 1024;
}

http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log /var/log/nginx/access.log;
    sendfile on;
    keepalive_timeout 65;
    include /etc/nginx/conf.d/*.conf;
}
CONF
cat >etc/nginx/conf.d/default.conf <<'CONF'
server {
    listen 80;
    server_name localhost;

    location / {
        root /usr/share/nginx/html;
        index index.html;
    }
}
CONF
