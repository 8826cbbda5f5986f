//! What is done once, from one host, before the new revision runs anywhere.

use super::environment::environment;
use super::shared;
use crate::resource::task::Task;
use crate::resource::{Content, Op};
use crate::shell::{Cmd, Secret};
use crate::step::{Cx, Error, Resources, image, stack};

/// `manage.py` with these arguments, in a container of its own.
fn manage(cx: &Cx<'_>, args: &[&str]) -> Cmd {
    let path = stack::path(cx);
    Cmd::new("docker")
        .args(["compose", "--project-name", cx.site.name.as_str()])
        .args(["--file", &path])
        .args(["run", "--rm", "--no-deps", "-T", "manage"])
        .args(["python", "manage.py"])
        .args(args.iter().copied())
}

pub(super) fn once(cx: &Cx<'_>) -> Result<Resources, Error> {
    let app = &cx.site.app;
    let reference = image::reference(cx)?;
    let environment = environment(cx);
    let receipt = |name: &str| format!("{}/{name}", cx.site.state());
    // Another database has to be migrated too, even for the same revision.
    let database: Vec<(&String, &str)> = environment
        .iter()
        .filter(|(name, _)| name.starts_with("DATABASE") || name.starts_with("STATIC"))
        .map(|(name, value)| (name, value.reveal()))
        .collect();
    let depends = format!("{reference}\n{database:?}");
    let mut all: Resources = Vec::new();
    if app.migrate {
        let cmd = manage(cx, &["migrate", "--noinput"]);
        let op = Op::run("migrate the database", cmd).long();
        all.push(Box::new(Task::new(
            "migrate",
            receipt("migrate"),
            &depends,
            vec![op],
        )));
    }
    if app.collectstatic {
        let cmd = manage(cx, &["collectstatic", "--noinput"]);
        let op = Op::run("collect static files", cmd).long();
        // Where they are kept on the host, an earlier receipt may tell of another place.
        let depends = match shared(cx).statics {
            Some(place) => format!("{depends}\n{place}"),
            None => depends.clone(),
        };
        all.push(Box::new(Task::new(
            "collectstatic",
            receipt("collectstatic"),
            depends,
            vec![op],
        )));
    }
    if let Some(user) = &app.superuser {
        // The password goes over stdin: arguments and environments can be read by others.
        let op = Op::run(
            format!("make superuser {} if it is missing", user.name),
            manage(cx, &["shell", "--command", include_str!("../superuser.py")]),
        )
        .input(Content::Secret(Secret::new(format!(
            "{}\n{}\n{}",
            user.name,
            user.email,
            user.password.reveal()
        ))));
        let depends = format!("{database:?}\n{}", user.name);
        all.push(Box::new(Task::new(
            "superuser",
            receipt("superuser"),
            depends,
            vec![op],
        )));
    }
    Ok(all)
}
