//! An operator's own steps: packages, files, a command, a service. Their options stand in
//! the playbook; a file's template sees the site's values.

use minijinja::{Environment, UndefinedBehavior, context};

use super::{Cx, Error, Resources};
use crate::playbook::{Own, OwnFile};
use crate::resource::Op;
use crate::resource::file::File;
use crate::resource::packages::Packages;
use crate::resource::task::Task;
use crate::resource::unit::Unit;
use crate::shell::Cmd;
use crate::site::{Host, Role};

/// What an own step of this name needs on a host.
///
/// # Errors
/// If a template can't be rendered for the host.
pub fn resources(name: &str, own: &Own, cx: &Cx<'_>) -> Result<Resources, Error> {
    Ok(match own {
        Own::Packages(names) => vec![Box::new(Packages::new(names.iter().cloned()))],
        Own::Service(unit) => vec![Box::new(Unit::new(unit, name))],
        Own::Command(words) => {
            let mut all = words.iter().cloned();
            let cmd = Cmd::new(all.next().unwrap_or_default()).args(all);
            let receipt = format!("{}/own/{name}", cx.site.state());
            let op = Op::run(format!("run {}", cmd.shown()), cmd).long();
            let task = Task::new(
                format!("command {name}"),
                receipt,
                format!("{words:?}"),
                vec![op],
            );
            vec![Box::new(task.needs_no_docker())]
        }
        Own::Files(files) => {
            let mut all: Resources = Vec::new();
            for file in files {
                all.push(Box::new(rendered(name, file, cx)?));
            }
            all
        }
    })
}

fn rendered(name: &str, file: &OwnFile, cx: &Cx<'_>) -> Result<File, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let with_role = |role| cx.site.with_role(role).map(described).collect::<Vec<_>>();
    let values = context! {
        site => context! {
            name => cx.site.name.as_str(),
            domains => cx.site.domains.iter().map(ToString::to_string).collect::<Vec<_>>(),
            directory => cx.site.directory(),
        },
        host => described(cx.host),
        apps => with_role(Role::App),
        proxies => with_role(Role::Proxy),
    };
    let mut text = environment
        .render_str(&file.text, values)
        .map_err(|e| Error {
            step: name.to_owned(),
            what: format!("{}: {e:#}", file.template.display()),
        })?;
    // minijinja takes one final newline away.
    if file.text.ends_with('\n') {
        text.push('\n');
    }
    Ok(File::new(file.path.as_str(), text).mode(file.mode))
}

fn described(host: &Host) -> minijinja::Value {
    context! {
        name => host.name.as_str(),
        address => host.address.to_string(),
        private => host.private.map(|address| address.to_string()),
        roles => host.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>(),
    }
}
