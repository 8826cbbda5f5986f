//! `app`: the Django container on each app server, after its database has been migrated once.

use std::collections::BTreeMap;
use std::net::IpAddr;

use askama::Template;

use super::{Cx, Error, Resources, Step, env_file, image, once};
use crate::resource::compose::{Project, compose_v2};
use crate::resource::file::{Directory, File};
use crate::resource::sha256;
use crate::shell::{Cmd, Secret};
use crate::site::{Host, Role, Site};

pub(super) const STEP: Step = Step {
    name: "app",
    summary: "The Django container, migrated once, restarted by itself, watched by a health check",
    reads: "the env file's digest and mode, compose.yaml, the container's state, the receipts of \
            migrate, collectstatic and the superuser",
    changes: "/srv/SITE/app (compose.yaml, app.env with mode 0600); on the first app server: \
              migrate, collectstatic and the superuser if site.toml asks for them; the container",
    guarded: false,
    resources,
};

#[derive(Template)]
#[template(path = "app/compose.yaml")]
struct Compose<'a> {
    site: &'a str,
    project: &'a str,
    image: &'a str,
    hostname: &'a str,
    env_file: &'a str,
    ports: &'a [String],
    digest: &'a str,
    health: &'a str,
}

/// The environment of the container: the site's own, and what follows from its domains.
fn environment(cx: &Cx<'_>) -> BTreeMap<String, Secret> {
    let domains: Vec<&str> = cx
        .site
        .domains
        .iter()
        .map(|domain| domain.as_str())
        .collect();
    let origins: Vec<String> = domains
        .iter()
        .map(|domain| format!("https://{domain}"))
        .collect();
    let mut all = BTreeMap::from([
        (
            "DJANGO_ALLOWED_HOSTS".to_owned(),
            Secret::new(domains.join(",")),
        ),
        (
            "DJANGO_CSRF_TRUSTED_ORIGINS".to_owned(),
            Secret::new(origins.join(",")),
        ),
    ]);
    for (name, value) in &cx.site.app.env {
        all.insert(name.to_string(), value.clone());
    }
    all
}

/// A health check that needs nothing in the image but the Python that runs Django.
fn health(cx: &Cx<'_>) -> String {
    format!(
        "import sys, urllib.request as u; r = u.Request('http://127.0.0.1:{}{}', \
         headers={{'Host': '{}', 'X-Forwarded-Proto': 'https'}}); \
         sys.exit(u.urlopen(r, timeout=5).status != 200)",
        cx.site.app.port,
        cx.site.app.health,
        cx.site.canonical()
    )
}

/// The address that alone the app is published on: the private one, where every proxy comes in by
/// it.
pub(super) fn private_only(site: &Site, host: &Host) -> Option<IpAddr> {
    host.private.filter(|private| {
        let mut proxies = site.with_role(Role::Proxy);
        proxies.all(|proxy| host.inner_from(proxy) == *private)
    })
}

/// The host's side of the published port.
fn ports(cx: &Cx<'_>) -> Vec<String> {
    let app = &cx.site.app;
    let port = format!("{}:{}", app.publish, app.port);
    vec![match private_only(cx.site, cx.host) {
        Some(IpAddr::V6(private)) => format!("[{private}]:{port}"),
        Some(private) => format!("{private}:{port}"),
        None => port,
    }]
}

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    let site = cx.site;
    let directory = format!("{}/app", site.directory());
    let env_path = format!("{directory}/app.env");
    let compose_path = format!("{directory}/compose.yaml");
    let project = format!("{}-app", site.name);
    let reference = image::reference(cx)?;
    let environment = environment(cx);
    let env = env_file::render(environment.iter());
    let health = health(cx);
    let ports = ports(cx);
    let mut compose = Compose {
        site: site.name.as_str(),
        project: &project,
        image: &reference,
        hostname: cx.host.name.as_str(),
        env_file: &env_path,
        ports: &ports,
        digest: "",
        health: &health,
    };
    let render = |compose: &Compose<'_>| {
        compose.render().map_err(|e| Error {
            step: "app".to_owned(),
            what: e.to_string(),
        })
    };
    let digest = sha256(format!("{}\n{}", render(&compose)?, env.reveal()));
    let digest = digest.get(..12).unwrap_or_default().to_owned();
    compose.digest = &digest;
    let compose_text = render(&compose)?;

    let mut all: Resources = vec![
        Box::new(compose_v2()),
        Box::new(image::image(cx)?),
        Box::new(Directory::new(&directory, 0o755)),
        Box::new(File::secret(&env_path, env)),
        Box::new(File::new(&compose_path, compose_text)),
    ];
    if cx.is_first(Role::App) {
        let manage = |args: &[&str]| manage(&project, &compose_path, args);
        all.extend(once::tasks(cx, &manage, &reference, &environment));
    }
    all.push(Box::new(Project {
        name: project.clone(),
        file: compose_path,
        container: project,
        digest,
    }));
    Ok(all)
}

/// A command of arguments for `manage.py`, in a container of its own.
fn manage(project: &str, compose: &str, args: &[&str]) -> Cmd {
    Cmd::new("docker")
        .args(["compose", "--project-name", project, "--file", compose])
        .args([
            "run",
            "--rm",
            "--no-deps",
            "-T",
            "app",
            "python",
            "manage.py",
        ])
        .args(args.iter().copied())
}
