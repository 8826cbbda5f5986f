//! What runs the app in its container, and where it is asked how it is.

use askama::Template;

use crate::site::{App, Server, Site};

/// The directory with the socket, in the containers of the app and of nginx.
pub(in crate::step) const SOCKETS: &str = "/run/app";
/// The socket.
pub(in crate::step) const SOCKET: &str = "/run/app/app.sock";
/// Where uWSGI finds its configuration.
pub(super) const INI: &str = "/etc/uwsgi.ini";

/// Whether nginx speaks uWSGI's protocol with it.
pub(in crate::step) fn speaks_uwsgi(app: &App) -> bool {
    app.server == Server::Uwsgi && !app.development
}

/// Whether nginx reaches it over a UNIX socket.
pub(in crate::step) fn over_socket(app: &App) -> bool {
    app.socket && !app.development
}

/// The port that the health check asks, by HTTP.
pub(super) fn health_port(app: &App) -> u16 {
    // The port itself speaks another protocol.
    if speaks_uwsgi(app) && !app.socket {
        return app.port.checked_add(1).unwrap_or(app.port - 1);
    }
    app.port
}

/// How many processes and threads its container may have: some for the image's own command, and
/// those that are asked for, with as many that they start for a while.
pub(super) fn pids(app: &App) -> u32 {
    let asked = u32::from(app.workers) * (u32::from(app.threads) + 1);
    (asked * 2 + 64).max(512)
}

/// The command; empty: the image's own.
pub(super) fn command(app: &App) -> Vec<String> {
    let port = app.port;
    let words: Vec<String> = match (&app.wsgi, app.server) {
        _ if app.development => ["python", "manage.py", "runserver"]
            .map(str::to_owned)
            .into_iter()
            .chain([format!("0.0.0.0:{port}")])
            .collect(),
        (_, Server::Uwsgi) => vec!["uwsgi".to_owned(), "--ini".to_owned(), INI.to_owned()],
        (Some(wsgi), Server::Gunicorn) => {
            let mut words = vec!["gunicorn".to_owned()];
            let mut add = |option: &str, value: String| {
                words.push(option.to_owned());
                words.push(value);
            };
            if app.socket {
                add("--bind", format!("unix:{SOCKET}"));
                add("--umask", "007".to_owned());
                // For the health check.
                add("--bind", format!("127.0.0.1:{port}"));
            } else {
                add("--bind", format!("0.0.0.0:{port}"));
            }
            add("--workers", app.workers.to_string());
            add("--threads", app.threads.to_string());
            add("--worker-tmp-dir", "/dev/shm".to_owned());
            add("--access-logfile", "-".to_owned());
            // Nobody but nginx gets to it.
            add("--forwarded-allow-ips", "*".to_owned());
            words.push(wsgi.clone());
            words
        }
        (None, Server::Gunicorn) => Vec::new(),
    };
    words
}

#[derive(Template)]
#[template(path = "app/uwsgi.ini")]
struct Ini<'a> {
    site: &'a str,
    app: &'a App,
    module: &'a str,
    socket: &'a str,
    health: u16,
    harakiri: u64,
}

/// uWSGI's configuration, if it runs the app.
pub(super) fn ini(site: &Site) -> Result<Option<String>, askama::Error> {
    let app = &site.app;
    let Some(wsgi) = app.wsgi.as_ref().filter(|_| speaks_uwsgi(app)) else {
        return Ok(None);
    };
    let module = match wsgi.contains(':') {
        true => wsgi.clone(),
        false => format!("{wsgi}:application"),
    };
    let ini = Ini {
        site: site.name.as_str(),
        app,
        module: &module,
        socket: SOCKET,
        health: health_port(app),
        harakiri: u64::from(site.proxy.read_timeout) + 1,
    };
    ini.render().map(Some)
}
