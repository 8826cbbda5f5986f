//! What is done once for a revision, from one host, before it runs anywhere: the checks that keep a
//! faulty one back, the database's migration, static files, fixtures, the superuser.

use super::environment::environment;
use super::service::shared;
use crate::resource::op::{Advice, Context};
use crate::resource::task::Task;
use crate::resource::{Content, Op, sha256};
use crate::shell::{Cmd, Secret};
use crate::site::Mode;
use crate::step::stack::service::path;
use crate::step::{Cx, Error, Resources, image};

/// What the tasks of fixtures are called, before the file's name.
const FIXTURE: &str = "fixture ";

/// Variables that hold the password of the database or the cache, of which no check knows.
const LEADS_TO_DATA: [&str; 6] = [
    "DATABASE_PASSWORD",
    "DATABASE_URL",
    "POSTGRES_PASSWORD",
    "REDIS_PASSWORD",
    "REDIS_PASS",
    "REDIS_URL",
];

/// `manage.py` with these arguments, in a container of its own from the new image.
fn manage(cx: &Cx<'_>, args: &[&str]) -> Cmd {
    let path = path(cx);
    Cmd::new("docker")
        .args(["compose", "--project-name", cx.site.name.as_str()])
        .args(["--file", &path])
        .args(["run", "--rm", "--no-deps", "-T", "manage"])
        .args(["python", "manage.py"])
        .args(args.iter().copied())
}

/// The tasks.
pub(super) fn once(cx: &Cx<'_>) -> Result<Resources, Error> {
    let app = &cx.site.app;
    let reference = image::reference(cx)?;
    let environment = environment(cx);
    let manage = |args: &[&str]| manage(cx, args);
    // Another database has to be migrated too, even for the same revision. Its password is no
    // part of that: a new one leads to the same database.
    let database: Vec<(&String, &str)> = environment
        .iter()
        .filter(|(name, _)| name.starts_with("DATABASE") || name.starts_with("STATIC"))
        .filter(|(name, _)| !name.ends_with("PASSWORD") && *name != "DATABASE_URL")
        .map(|(name, value)| (name, value.reveal()))
        .collect();
    let depends = format!("{reference}\n{database:?}");
    let receipt = |name: &str| format!("{}/{name}", cx.site.state());
    let task = |name: &str, depends: &str, op: Op| {
        let ops = vec![op.long()];
        // A fixture's name is the operator's, and may hold whatever a file's name can.
        let receipt = match name.strip_prefix(FIXTURE) {
            Some(file) => receipt(&format!("fixture-{}", &sha256(file)[..12])),
            None => receipt(name),
        };
        Box::new(Task::new(name, receipt, depends, ops))
    };
    let mut all: Resources = Vec::new();
    if app.check && !app.development {
        // New passwords of database and cache are nothing to wait for: until the app has them, it
        // can reach neither.
        let all_of_it: Vec<(&String, &str)> = environment
            .iter()
            .filter(|(name, _)| !LEADS_TO_DATA.contains(&name.as_str()))
            .map(|(name, value)| (name, value.reveal()))
            .collect();
        // Without TLS a site has to be as unsafe as those settings would forbid.
        let cmd = match cx.site.tls.mode {
            Mode::Off => manage(&["check"]),
            _ => manage(&["check", "--deploy", "--fail-level", "WARNING"]),
        };
        let depends = format!("{reference}\n{:?}\n{all_of_it:?}", cmd.argv());
        let op = Op::run("have Django check its settings", cmd).advised(unsafe_settings);
        all.push(task("check", &depends, op));
    }
    if app.check && app.migrate {
        let cmd = manage(&["makemigrations", "--check", "--dry-run"]);
        let op = Op::run("see that no migration is missing", cmd).advised(missing_migration);
        all.push(task("migrations", &reference, op));
    }
    if app.migrate {
        let op = Op::run("migrate the database", manage(&["migrate", "--noinput"]));
        all.push(task("migrate", &depends, op));
    }
    if app.collectstatic {
        let cmd = manage(&["collectstatic", "--noinput"]);
        // Where they are kept on the host, an earlier receipt may tell of another place.
        let place = shared(cx).statics;
        let depends = match place {
            Some(place) => format!("{depends}\n{place}"),
            None => depends.clone(),
        };
        all.push(task(
            "collectstatic",
            &depends,
            Op::run("collect static files", cmd),
        ));
    }
    for fixture in &app.fixtures {
        let file = fixture.path.file_name().unwrap_or_default();
        let file = file.to_string_lossy();
        let cmd = manage(&["loaddata", "--format=json", "-"]);
        let op = Op::run(format!("load the fixture {file}"), cmd)
            .input(Content::Context(Context::File(fixture.path.clone())));
        let depends = format!("{}\n{database:?}", fixture.digest);
        all.push(task(&format!("{FIXTURE}{file}"), &depends, op));
    }
    if let Some(user) = &app.superuser {
        // The password goes over stdin: arguments and environments can be read by others.
        let cmd = manage(&["shell", "--command", include_str!("../superuser.py")]);
        let text = format!("{}\n{}\n{}", user.name, user.email, user.password.reveal());
        let op = Op::run(
            format!("make superuser {} if it is missing", user.name),
            cmd,
        )
        .input(Content::Secret(Secret::new(text)));
        all.push(task(
            "superuser",
            &format!("{database:?}\n{}", user.name),
            op,
        ));
    }
    Ok(all)
}

/// What `check --deploy` found, by the names of Django's checks
/// (https://docs.djangoproject.com/en/stable/ref/checks/).
fn unsafe_settings(output: &str) -> Option<Advice> {
    let mut found: Vec<&str> = Vec::new();
    for line in output.lines() {
        let name = line
            .split_once(": (")
            .and_then(|(_, rest)| rest.split_once(')'));
        if let Some((name, _)) = name
            && name.contains('.')
            && !found.contains(&name)
        {
            found.push(name);
        }
    }
    (!found.is_empty()).then(|| Advice {
        what: format!("Django's check --deploy finds fault: {}", found.join(", ")),
        next: "mend the app's settings as its output says, or leave the check out with \
               check = false in [app]"
            .to_owned(),
    })
}

fn missing_migration(output: &str) -> Option<Advice> {
    output.contains("Migrations for '").then(|| Advice {
        what: "models have changed and no migration says how".to_owned(),
        next: "run makemigrations where the app is developed and commit what it writes, or leave \
               the check out with check = false in [app]"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_fails_names_what_it_found_each_once() {
        let output = "System check identified some issues:\n\nWARNINGS:\n\
                      ?: (security.W004) You have not set a value\n\
                      ?: (security.W008) Your SECURE_SSL_REDIRECT\n\
                      polls.Vote: (models.W042) Auto-created primary key\n\
                      ?: (security.W004) again\n";
        let advice = unsafe_settings(output).unwrap();
        assert!(
            advice
                .what
                .ends_with("security.W004, security.W008, models.W042"),
            "{advice:?}"
        );
        assert_eq!(
            unsafe_settings("Traceback (most recent call last):\n"),
            None
        );
    }

    #[test]
    fn a_model_without_its_migration_is_told_from_another_failure() {
        let missing = "Migrations for 'polls':\n  polls/migrations/0003_x.py\n";
        assert!(missing_migration(missing).is_some());
        assert_eq!(
            missing_migration("django.db.utils.OperationalError: …"),
            None
        );
    }
}
