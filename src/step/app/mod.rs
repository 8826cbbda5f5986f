//! `app`: the Django container on each app server, after its database has been migrated once.
//!
//! | file | what it is about |
//! |---|---|
//! | [`environment`] | its variables |
//! | [`serve`] | what runs it: gunicorn, uWSGI, the image's own command |
//! | [`service`] | its container, and what it shares with nginx |
//! | [`once`] | what is done once, from one host: migrate, collectstatic, the superuser |

pub(super) mod environment;
mod once;
pub(super) mod serve;
pub(super) mod service;

use super::stack::{self, service::running};
use super::{Cx, Error, Resources, Step, image};
use crate::resource::file::{Directory, File};
use crate::resource::retired::Retired;
use crate::site::Role;
use service::{Shared, directory, failed, services, shared};

pub(super) const STEP: Step = Step {
    name: "app",
    summary: "The Django container, migrated once, restarted by itself, watched by a health check",
    reads: "the env file's digest and mode, compose.yaml, the container's state, the receipts of \
            migrate, collectstatic and the superuser",
    changes: "/srv/SITE/compose.yaml; /srv/SITE/app (app.env with mode 0600, uwsgi.ini); \
              /srv/SITE/static and /srv/SITE/media, which nginx serves from the same host; on the \
              first app server: migrate, collectstatic and the superuser if site.toml asks for \
              them; the container",
    guarded: false,
    resources,
};

fn resources(cx: &Cx<'_>) -> Result<Resources, Error> {
    let directory = directory(cx);
    let ids = cx.site.app.user.to_string();
    let services = services(cx)?;
    let mut all: Resources = vec![Box::new(image::image(cx)?)];
    all.extend(stack::file(cx)?);
    if let Some(ini) = serve::ini(cx.site).map_err(failed)? {
        all.push(Box::new(File::new(format!("{directory}/uwsgi.ini"), ini)));
    }
    let Shared {
        statics,
        media,
        sockets,
    } = shared(cx);
    for (path, mode) in [(statics, 0o755), (media, 0o750), (sockets, 0o750)] {
        if let Some(path) = path {
            let directory = Directory::new(path, mode).owner(&ids);
            all.push(Box::new(directory.whole()));
        }
    }
    if cx.is_first(Role::App) {
        all.extend(once::once(cx)?);
    }
    if let Some(app) = services.iter().find(|it| it.name == "app") {
        all.push(Box::new(running(cx, app)));
    }
    all.push(Box::new(Retired {
        what: "the app's compose.yaml of an earlier version".to_owned(),
        units: Vec::new(),
        files: vec![format!("{directory}/compose.yaml")],
    }));
    Ok(all)
}
