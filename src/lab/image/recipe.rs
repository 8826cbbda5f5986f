//! The images' recipes: which packages of which suite, and what makes them look like the
//! official images of their names.

/// How an image is made and what its containers run.
#[derive(Debug)]
pub(super) struct Recipe {
    /// Its repository, as the mirror serves it: `nginx` is `library/nginx`.
    pub repository: &'static str,
    pub tag: &'static str,
    pub suite: &'static str,
    /// mmdebstrap's variant: with or without apt.
    pub variant: &'static str,
    pub packages: &'static str,
    /// A script that runs before the packages are installed, with the image's root as `$1`.
    pub before: Option<&'static str>,
    /// The same for after them.
    pub after: Option<&'static str>,
    /// The script at [`ENTRYPOINT`], if there is one.
    pub entry: Option<&'static str>,
    pub env: &'static [&'static str],
    pub entrypoint: &'static [&'static str],
    pub cmd: &'static [&'static str],
    pub ports: &'static [&'static str],
    pub volumes: &'static [&'static str],
    pub workdir: &'static str,
    pub stop_signal: Option<&'static str>,
}

/// The command of an image's own entry point, in /usr/local/bin.
pub(super) const ENTRYPOINT: &str = "docker-entrypoint.sh";

/// Debian's testing release. Packages can be missing there for days, so an image that
/// can't be made from it is left out.
pub(super) const TESTING: &str = "forky";

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The images in the order they are made: those of every site first.
pub(super) const RECIPES: [Recipe; 7] = [
    Recipe {
        repository: "library/nginx",
        tag: "1.28",
        suite: "trixie",
        variant: "essential",
        packages: "nginx,curl,ca-certificates",
        before: None,
        after: Some(include_str!("sh/nginx.sh")),
        entry: None,
        env: &[PATH],
        entrypoint: &[],
        cmd: &["nginx", "-g", "daemon off;"],
        ports: &["80/tcp"],
        volumes: &[],
        workdir: "/",
        stop_signal: Some("SIGQUIT"),
    },
    Recipe {
        repository: "certbot/certbot",
        tag: "v5.1.0",
        suite: "trixie",
        variant: "essential",
        packages: "certbot,ca-certificates",
        before: None,
        after: Some(include_str!("sh/certbot.sh")),
        entry: None,
        env: &[PATH],
        entrypoint: &["certbot"],
        cmd: &[],
        ports: &["80/tcp", "443/tcp"],
        volumes: &["/etc/letsencrypt", "/var/lib/letsencrypt"],
        workdir: "/opt/certbot",
        stop_signal: None,
    },
    Recipe {
        repository: "library/python",
        tag: "3.13-slim",
        suite: "trixie",
        variant: "apt",
        packages: "python3,python3-pip,python3-venv,ca-certificates,passwd,netbase",
        before: None,
        after: Some(include_str!("sh/python.sh")),
        entry: None,
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
    postgres(
        "17",
        "trixie",
        "postgresql-17",
        &[
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:\
             /usr/lib/postgresql/17/bin",
            "LANG=C.UTF-8",
            "PG_MAJOR=17",
            "PGDATA=/var/lib/postgresql/data",
        ],
        &["/var/lib/postgresql/data"],
    ),
    Recipe {
        repository: "library/redis",
        tag: "8",
        suite: "trixie",
        variant: "essential",
        packages: "redis-server",
        before: Some(include_str!("sh/redis-user.sh")),
        after: Some(include_str!("sh/redis.sh")),
        entry: Some(include_str!("sh/redis-entrypoint.sh")),
        env: &[PATH],
        entrypoint: &[ENTRYPOINT],
        cmd: &["redis-server"],
        ports: &["6379/tcp"],
        volumes: &["/data"],
        workdir: "/data",
        stop_signal: None,
    },
    postgres(
        "15",
        "bookworm",
        "postgresql-15",
        &[
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:\
             /usr/lib/postgresql/15/bin",
            "LANG=C.UTF-8",
            "PG_MAJOR=15",
            "PGDATA=/var/lib/postgresql/data",
        ],
        &["/var/lib/postgresql/data"],
    ),
    postgres(
        "18",
        TESTING,
        "postgresql-18",
        &[
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:\
             /usr/lib/postgresql/18/bin",
            "LANG=C.UTF-8",
            "PG_MAJOR=18",
            "PGDATA=/var/lib/postgresql/18/docker",
        ],
        &["/var/lib/postgresql"],
    ),
];

/// PostgreSQL of one major version.
const fn postgres(
    tag: &'static str,
    suite: &'static str,
    packages: &'static str,
    env: &'static [&'static str],
    volumes: &'static [&'static str],
) -> Recipe {
    Recipe {
        repository: "library/postgres",
        tag,
        suite,
        variant: "essential",
        packages,
        before: Some(include_str!("sh/postgres-user.sh")),
        after: Some(include_str!("sh/postgres.sh")),
        entry: Some(include_str!("sh/postgres-entrypoint.sh")),
        env,
        entrypoint: &[ENTRYPOINT],
        cmd: &["postgres"],
        ports: &["5432/tcp"],
        volumes,
        workdir: "/",
        stop_signal: Some("SIGINT"),
    }
}

impl Recipe {
    /// The name that `docker pull` uses.
    pub fn name(&self) -> String {
        format!(
            "{}:{}",
            self.repository.trim_start_matches("library/"),
            self.tag
        )
    }

    /// The name of its files in the cache.
    pub fn file(&self) -> String {
        format!("{}-{}", self.repository.replace('/', "-"), self.tag)
    }
}
