//! Bringing the lab up, and taking it down.

use std::path::Path;
use std::sync::mpsc;
use std::thread;

use super::command::run;
use super::layout::{self, Layout, text};
use super::process::joined;
use super::site_file::{self, Entry, Paths};
use super::state::{self, Lock, State};
use super::topology::{DOMAIN, GATEWAY, MACHINES, Machine, Purpose, database};
use super::{
    Error, Lab, Options, Progress, access, database as db, example, host, image, network,
    requirements, service, tree,
};

/// See [`super::up`].
pub(super) fn up(options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Lab, Error> {
    let layout = Layout::new(options)?;
    let wanted = wanted(&options.only)?;
    requirements::check(options.install, &mut |what| progress(Progress { what }))?;
    let _lock = Lock::take(&layout)?;
    let mut state = open(&layout, options)?;
    network::up()?;
    progress(Progress {
        what: format!("network up: this machine is {GATEWAY} on it"),
    });

    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        let images = {
            let (layout, sender) = (&layout, sender.clone());
            scope.spawn(move || -> Result<(), Error> {
                let say = saying(&sender);
                service::registry(layout)?;
                service::resolver(layout)?;
                service::acme(layout)?;
                say("registry mirror, resolver and ACME directory answer".to_owned());
                image::publish(layout, &say)
            })
        };
        let machines = {
            let (layout, state, wanted) = (&layout, &mut state, &wanted);
            scope.spawn(move || machines(layout, state, wanted, &saying(&sender)))
        };
        // Ends when both threads have dropped their senders.
        for what in receiver {
            progress(Progress { what });
        }
        both(joined(machines), joined(images))
    })?;

    describe(&layout, &state)?;
    progress(Progress {
        what: format!("{DOMAIN} can be rehearsed: {}", layout.site().display()),
    });
    Ok(Lab {
        suite: state.suite,
        directory: layout.dir.clone(),
        site: layout.site(),
        key: layout.key(),
        ca: layout.ca(),
    })
}

fn saying(sender: &mpsc::Sender<String>) -> impl Fn(String) {
    let sender = sender.clone();
    move |what| {
        // The receiver lives as long as the threads.
        let _ = sender.send(what);
    }
}

fn both(first: Result<(), Error>, second: Result<(), Error>) -> Result<(), Error> {
    first.and(second)
}

/// The record of the lab that is up, or a new one; with keys and secrets made.
fn open(layout: &Layout, options: &Options) -> Result<State, Error> {
    let state = match State::load(layout)? {
        Some(state) if state.suite != options.suite => {
            return Err(Error::OtherSuite {
                running: state.suite.name().to_owned(),
                wanted: options.suite.name().to_owned(),
                directory: layout.dir.clone(),
            });
        }
        Some(mut state) => {
            if let Some(source) = &options.app_source {
                state.source.clone_from(source);
            }
            state
        }
        None => State {
            suite: options.suite,
            forwarding: network::forwarding()?,
            base: None,
            database: None,
            password: state::random(16)?,
            secret_key: state::random(32)?,
            source: options
                .app_source
                .clone()
                .unwrap_or_else(|| layout.example()),
        },
    };
    layout::private_dir(&layout.dir)?;
    state.save(layout)?;
    if !layout.key().with_extension("pub").exists() {
        let _ = std::fs::remove_file(layout.key());
        run(
            "ssh-keygen",
            &[
                "-q",
                "-t",
                "ed25519",
                "-N",
                "",
                "-C",
                "provision lab",
                "-f",
                text(&layout.key()),
            ],
        )?;
    }
    if state.source == layout.example() {
        example::write(&layout.example())?;
    }
    Ok(state)
}

/// The machines to boot: all of them unless some are named.
fn wanted(names: &[String]) -> Result<Vec<&'static Machine>, Error> {
    if names.is_empty() {
        return Ok(MACHINES.iter().collect());
    }
    names.iter().map(|name| Machine::named(name)).collect()
}

/// Trees, boots and the database.
fn machines(
    layout: &Layout,
    state: &mut State,
    wanted: &[&Machine],
    say: &dyn Fn(String),
) -> Result<(), Error> {
    // Trees that hosts stand on are kept while the lab is up, even if the recipe changes.
    let base = match state.base.clone().filter(|path| path.is_dir()) {
        Some(base) => base,
        None => tree::base(layout, state.suite, say)?,
    };
    let data = match state.database.clone().filter(|path| path.is_dir()) {
        Some(data) => data,
        None => tree::database(layout, state.suite, &base, say)?,
    };
    state.base = Some(base.clone());
    state.database = Some(data.clone());
    state.save(layout)?;

    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        let mut handles = Vec::new();
        for machine in &MACHINES {
            let (base, data, sender, state) = (&base, &data, sender.clone(), &*state);
            handles.push(scope.spawn(move || -> Result<(), Error> {
                let say = saying(&sender);
                let lower = lower(machine, base, data);
                host::make_host_keys(layout, machine)?;
                if !host::prepared(layout, machine) {
                    host::take_down(layout, machine, false)?;
                    host::prepare(layout, machine, &lower)?;
                }
                if !wanted.contains(&machine) {
                    return Ok(());
                }
                if host::running(layout, machine).is_none() {
                    host::boot(layout, machine, &lower)?;
                    say(format!("{} is up at {}", machine.name, machine.address()));
                }
                if machine.purpose == Purpose::Database {
                    db::configure(layout, &state.password)?;
                    say(format!(
                        "PostgreSQL answers at {}:{}",
                        machine.address(),
                        db::PORT
                    ));
                }
                Ok(())
            }));
        }
        drop(sender);
        for what in receiver {
            say(what);
        }
        handles.into_iter().map(joined).fold(Ok(()), both)
    })
}

/// The trees below a machine's own, topmost first.
fn lower<'a>(machine: &Machine, base: &'a Path, database: &'a Path) -> Vec<&'a Path> {
    match machine.purpose {
        Purpose::Database => vec![database, base],
        Purpose::Host(_) => vec![base],
    }
}

/// known_hosts, app.env and site.toml.
fn describe(layout: &Layout, state: &State) -> Result<(), Error> {
    access::write_known_hosts(layout, &MACHINES)?;
    layout::write(
        &layout.env_file(),
        0o600,
        site_file::env(database(), &state.secret_key, &state.password),
    )?;
    let mut hosts = Vec::new();
    for machine in &MACHINES {
        if let Purpose::Host(role) = machine.purpose {
            hosts.push(Entry {
                name: machine.name,
                role,
                address: machine.address(),
                ipv6: machine.ipv6(),
                host_key: host::host_key(layout, machine)?.1,
            });
        }
    }
    let paths = Paths {
        key: layout.key(),
        source: state.source.clone(),
        env_file: layout.env_file(),
        ca: layout.ca(),
    };
    layout::write(&layout.site(), 0o644, site_file::site(&hosts, &paths))
}

/// See [`super::down`].
pub(super) fn down(options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<(), Error> {
    let layout = Layout::new(options)?;
    requirements::root_only()?;
    let _lock = Lock::take(&layout)?;
    // A record that can't be read must not keep the rest from being removed.
    let state = State::load(&layout).ok().flatten();
    // Power cuts: nothing in the trees is worth a clean shutdown.
    for machine in &MACHINES {
        host::take_down(&layout, machine, false)?;
    }
    service::stop(&layout)?;
    progress(Progress {
        what: "hosts and services ended".to_owned(),
    });
    network::down(state.as_ref().map(|state| state.forwarding.as_str()))?;
    tree::unmount_below(&layout.dir)?;
    layout::remove(&layout.dir)?;
    progress(Progress {
        what: "network, mounts and files removed; the cache stays".to_owned(),
    });
    Ok(())
}

/// Gives hosts fresh trees and boots them.
pub(super) fn reset(
    options: &Options,
    names: &[String],
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    with(options, names, progress, |layout, state, machine, lower| {
        host::take_down(layout, machine, false)?;
        host::prepare(layout, machine, lower)?;
        boot(layout, state, machine, lower)?;
        Ok(format!("{} is a fresh server", machine.name))
    })
}

/// Kills hosts at once.
pub(super) fn power_cut(
    options: &Options,
    names: &[String],
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    with(options, names, progress, |layout, _, machine, _| {
        host::stop_now(layout, machine)?;
        Ok(format!("{} is off", machine.name))
    })
}

/// Boots hosts' trees as they were left; nothing happens to one that runs.
pub(super) fn start(
    options: &Options,
    names: &[String],
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    with(options, names, progress, |layout, state, machine, lower| {
        if host::running(layout, machine).is_none() {
            boot(layout, state, machine, lower)?;
        }
        Ok(format!("{} is up", machine.name))
    })
}

fn boot(layout: &Layout, state: &State, machine: &Machine, lower: &[&Path]) -> Result<(), Error> {
    host::boot(layout, machine, lower)?;
    match machine.purpose {
        Purpose::Database => db::configure(layout, &state.password),
        Purpose::Host(_) => Ok(()),
    }
}

/// Works on hosts of the lab that is up, on all of them at once, under the lock.
fn with(
    options: &Options,
    names: &[String],
    progress: &mut dyn FnMut(Progress),
    work: impl Fn(&Layout, &State, &Machine, &[&Path]) -> Result<String, Error> + Sync,
) -> Result<(), Error> {
    let layout = Layout::new(options)?;
    requirements::root_only()?;
    let mut machines = Vec::new();
    for name in names {
        let machine = Machine::named(name)?;
        if !machines.contains(&machine) {
            machines.push(machine);
        }
    }
    let _lock = Lock::take(&layout)?;
    let state = State::load(&layout)?.ok_or(Error::NotUp)?;
    let (Some(base), Some(data)) = (&state.base, &state.database) else {
        return Err(Error::NotUp);
    };
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        let mut handles = Vec::new();
        for machine in machines {
            let (layout, state, work, sender) = (&layout, &state, &work, sender.clone());
            handles.push(scope.spawn(move || -> Result<(), Error> {
                let lower = lower(machine, base, data);
                let what = work(layout, state, machine, &lower)?;
                saying(&sender)(what);
                Ok(())
            }));
        }
        drop(sender);
        for what in receiver {
            progress(Progress { what });
        }
        handles.into_iter().map(joined).fold(Ok(()), both)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_machines_are_wanted_unless_some_are_named_and_an_unknown_one_is_refused() {
        let shown = |names: &[&str]| -> Vec<&str> {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let machines = wanted(&names).unwrap();
            machines.iter().map(|machine| machine.name).collect()
        };
        assert_eq!(shown(&[]), ["app1", "app2", "proxy", "db"]);
        assert_eq!(shown(&["proxy"]), ["proxy"]);
        assert!(matches!(
            wanted(&["web".to_owned()]),
            Err(Error::UnknownHost { .. })
        ));
    }
}
