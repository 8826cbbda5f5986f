//! The images of the lab's registry mirror, made from Debian packages so that nothing has
//! to come from a public image registry. They stand in for the official images of the same
//! names: same commands, same places for configuration, the versions that Debian has.

use std::fs;
use std::path::Path;

use super::command::run;
use super::layout::{self, Layout, text};
use super::oci::{self, Config};
use super::state::Turn;
use super::topology::{GATEWAY, REGISTRY_PORT};
use super::{Error, tree};

/// The suite that images are made from, whatever the hosts run.
const SUITE: &str = "trixie";

/// One image.
struct Image {
    /// Its repository, as the mirror serves it: `nginx` is `library/nginx`.
    repository: &'static str,
    tag: &'static str,
    /// mmdebstrap's variant: with or without apt.
    variant: &'static str,
    packages: &'static str,
    /// Run with the image's root as `$1`.
    setup: &'static str,
    env: &'static [&'static str],
    entrypoint: &'static [&'static str],
    cmd: &'static [&'static str],
    ports: &'static [&'static str],
    volumes: &'static [&'static str],
    workdir: &'static str,
    stop_signal: Option<&'static str>,
}

const IMAGES: [Image; 3] = [
    Image {
        repository: "library/nginx",
        tag: "1.28",
        variant: "essential",
        packages: "nginx,curl,ca-certificates",
        setup: NGINX,
        env: &[PATH],
        entrypoint: &[],
        cmd: &["nginx", "-g", "daemon off;"],
        ports: &["80/tcp"],
        volumes: &[],
        workdir: "/",
        stop_signal: Some("SIGQUIT"),
    },
    Image {
        repository: "certbot/certbot",
        tag: "v5.1.0",
        variant: "essential",
        packages: "certbot,ca-certificates",
        setup: "",
        env: &[PATH],
        entrypoint: &["certbot"],
        cmd: &[],
        ports: &["80/tcp", "443/tcp"],
        volumes: &["/etc/letsencrypt", "/var/lib/letsencrypt"],
        workdir: "/opt/certbot",
        stop_signal: None,
    },
    Image {
        repository: "library/python",
        tag: "3.13-slim",
        variant: "apt",
        packages: "python3,python3-pip,python3-venv,ca-certificates,passwd,netbase",
        setup: PYTHON,
        env: &[
            PATH,
            "LANG=C.UTF-8",
            "PIP_CERT=/etc/ssl/certs/ca-certificates.crt",
            "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
        ],
        entrypoint: &[],
        cmd: &["python3"],
        ports: &[],
        volumes: &[],
        workdir: "/",
        stop_signal: None,
    },
];

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Before an image's own setup: the machine's certificate authorities.
const SETUP: &str = r#"#!/bin/sh
set -eu
if [ -d /usr/local/share/ca-certificates ]; then
  mkdir -p "$1/usr/local/share/ca-certificates"
  cp -rL /usr/local/share/ca-certificates/. "$1/usr/local/share/ca-certificates/"
  chroot "$1" update-ca-certificates >/dev/null
fi
mkdir -p "$1/opt/certbot"
"#;

/// The official image's places on Debian's nginx: configuration in conf.d, its user, logs
/// to the container's output, temporary files below /var/cache/nginx.
const NGINX: &str = r#"
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
"#;

/// `python` and `pip` on the path, and free to install: the container is the environment.
const PYTHON: &str = r#"
ln -s ../../bin/python3 "$1/usr/local/bin/python"
rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED
if [ -f /etc/pip.conf ]; then cp /etc/pip.conf "$1/etc/pip.conf"; fi
"#;

impl Image {
    fn key(&self, cas: &str) -> String {
        let config = self.config();
        tree::key(&[
            SUITE,
            self.repository,
            self.tag,
            self.variant,
            self.packages,
            SETUP,
            self.setup,
            cas,
            &format!("{config:?}"),
        ])
    }

    fn config(&self) -> Config {
        let mut env: Vec<String> = self.env.iter().map(|entry| (*entry).to_owned()).collect();
        if self.repository == "library/python" {
            // A package index that this machine is told to use serves builds too.
            if let Ok(index) = std::env::var("PIP_INDEX_URL") {
                env.push(format!("PIP_INDEX_URL={index}"));
            }
        }
        Config {
            env,
            entrypoint: self.entrypoint,
            cmd: self.cmd,
            ports: self.ports,
            volumes: self.volumes,
            workdir: self.workdir,
            stop_signal: self.stop_signal,
        }
    }

    fn make(&self, dir: &Path) -> Result<(), Error> {
        layout::remove(dir)?;
        layout::private_dir(dir)?;
        let hook = dir.join("setup");
        layout::write(&hook, 0o700, format!("{SETUP}{}", self.setup))?;
        let tar = dir.join("tree.tar");
        run(
            "mmdebstrap",
            &[
                "--quiet",
                "--mode=root",
                "--format=tar",
                // Docker makes its own device files.
                "--skip=output/dev",
                &format!("--variant={}", self.variant),
                &format!("--include={}", self.packages),
                "--dpkgopt=path-exclude=/usr/share/doc/*",
                "--dpkgopt=path-exclude=/usr/share/man/*",
                "--dpkgopt=path-exclude=/usr/share/locale/*",
                &format!("--customize-hook={}", text(&hook)),
                SUITE,
                text(&tar),
            ],
        )?;
        let arch = match run("dpkg", &["--print-architecture"])?.trim() {
            // Go's names, which images use, differ from Debian's for 32-bit machines only.
            "armhf" => "arm".to_owned(),
            "i386" => "386".to_owned(),
            arch => arch.to_owned(),
        };
        oci::write(&dir.join("image"), &tar, &self.config(), &arch)
    }

    fn push(&self, dir: &Path) -> Result<(), Error> {
        run(
            "skopeo",
            &[
                "copy",
                "--quiet",
                "--insecure-policy",
                "--dest-tls-verify=false",
                &format!("oci:{}:lab", text(&dir.join("image"))),
                &format!(
                    "docker://{GATEWAY}:{REGISTRY_PORT}/{}:{}",
                    self.repository, self.tag
                ),
            ],
        )
        .map(drop)
    }
}

/// Makes and pushes the images that the registry's storage doesn't hold yet. The registry
/// must be up.
pub(super) fn publish(layout: &Layout, say: &dyn Fn(String)) -> Result<(), Error> {
    let pushed = layout.cache.join("registry-pushed");
    layout::dir(&pushed)?;
    let cas = tree::extra_cas();
    for image in &IMAGES {
        let name = format!(
            "{}:{}",
            image.repository.trim_start_matches("library/"),
            image.tag
        );
        let file = image.repository.replace('/', "-");
        let marker = pushed.join(&file);
        let key = image.key(&cas);
        let made = || fs::read_to_string(&marker).is_ok_and(|known| known == key);
        if made() {
            continue;
        }
        let _turn = Turn::wait(&layout.cache.join(format!("lock-{file}")))?;
        if made() {
            continue;
        }
        say(format!("making the image {name} (once; about a minute)"));
        let making = layout.cache.join("making-images").join(&file);
        image.make(&making)?;
        image.push(&making)?;
        layout::remove(&making)?;
        layout::write(&marker, 0o644, &key)?;
    }
    Ok(())
}

/// The images by the names that `docker pull` uses.
pub fn names() -> Vec<String> {
    IMAGES
        .iter()
        .map(|image| {
            format!(
                "{}:{}",
                image.repository.trim_start_matches("library/"),
                image.tag
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_serves_the_images_of_the_playbook_under_their_official_names() {
        assert_eq!(
            names(),
            ["nginx:1.28", "certbot/certbot:v5.1.0", "python:3.13-slim"]
        );
    }

    #[test]
    fn an_images_key_changes_with_the_certificate_authorities_it_carries() {
        let image = &IMAGES[2];
        assert_eq!(image.key("a"), image.key("a"));
        assert_ne!(image.key("a"), image.key("b"));
    }

    #[test]
    fn setup_scripts_are_valid_posix_shell() {
        for image in &IMAGES {
            let script = format!("{SETUP}{}", image.setup);
            let check = super::super::command::finish(
                std::process::Command::new("sh").arg("-n"),
                script.as_bytes(),
            );
            assert!(check.is_ok(), "{}: {check:?}", image.repository);
        }
    }
}
