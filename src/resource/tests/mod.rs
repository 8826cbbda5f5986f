//! What each kind of resource makes of what was seen on a server: facts in, state and
//! operations out.

// Its scripts are written for a Debian server.
#[cfg(target_os = "linux")]
mod certbot;
mod certificate;
mod docker;
mod files;
mod firewall;
// These run the scripts themselves, which are written for a Debian server.
#[cfg(target_os = "linux")]
mod gather;
mod login;
mod pair;
mod postgres;
#[cfg(target_os = "linux")]
mod postgres_volume;
#[cfg(target_os = "linux")]
mod scripts;
mod served;
mod system;
mod unfirewall;

use super::fact::{Docker, Family, File, Printed, Unit};
use super::{Action, Content, Fact, Observed, Resource, sha256};
use crate::event::State;
use crate::shell::Script;

/// A server as it was seen, put together fact by fact.
#[derive(Clone, Default)]
struct Seen(Observed);

impl Seen {
    fn absent(mut self, path: &str) -> Self {
        self.0.files.insert(path.to_owned(), None);
        self
    }

    /// A regular file of root's with mode 0644, whose content was read.
    fn file(self, path: &str, text: &str) -> Self {
        self.file_as(path, text, 0o644, "root:root")
    }

    fn file_as(self, path: &str, text: &str, mode: u32, owner: &str) -> Self {
        let file = File {
            kind: "regular file".to_owned(),
            mode,
            owner: owner.to_owned(),
            modified: 0,
            sha256: Some(sha256(text)),
            content: Some(text.as_bytes().to_vec()),
        };
        self.put(path, file)
    }

    /// A regular file of which only the digest was read.
    fn digest(self, path: &str, text: &str, mode: u32) -> Self {
        let mut seen = self.file_as(path, text, mode, "root:root");
        if let Some(Some(file)) = seen.0.files.get_mut(path) {
            file.content = None;
        }
        seen
    }

    /// One of which only the digest was read, for root and a group.
    fn secret(self, path: &str, text: &str, mode: u32) -> Self {
        let mut seen = self.file_as(path, text, mode, "root:10002");
        if let Some(Some(file)) = seen.0.files.get_mut(path) {
            file.content = None;
        }
        seen
    }

    fn other(self, path: &str, kind: &str, mode: u32, owner: &str) -> Self {
        let file = File {
            kind: kind.to_owned(),
            mode,
            owner: owner.to_owned(),
            modified: 0,
            sha256: None,
            content: None,
        };
        self.put(path, file)
    }

    fn put(mut self, path: &str, file: File) -> Self {
        self.0.files.insert(path.to_owned(), Some(file));
        self
    }

    fn package(mut self, name: &str, version: Option<&str>) -> Self {
        self.0.read.insert(format!("package {name}"));
        if let Some(version) = version {
            self.0.packages.insert(name.to_owned(), version.to_owned());
        }
        self
    }

    fn unit(mut self, name: &str, load: &str, enabled: &str, active: &str) -> Self {
        let unit = Unit {
            load: load.to_owned(),
            active: active.to_owned(),
            enabled: enabled.to_owned(),
            stale: false,
        };
        self.0.units.insert(name.to_owned(), unit);
        self
    }

    fn docker(mut self, docker: Option<Docker>) -> Self {
        self.0.read.insert("docker".to_owned());
        self.0.docker = docker.map(Ok);
        self
    }

    fn rules(mut self, family: Family, rules: Option<&str>) -> Self {
        self.0.read.insert(format!("rules {family:?}"));
        match rules {
            Some(rules) => self.0.rules.insert(family, rules.to_owned()),
            None => self.0.rules.remove(&family),
        };
        self
    }

    fn printed(mut self, script: Script, args: &[&str], status: i32, text: &str) -> Self {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let text = text.to_owned();
        self.0
            .printed
            .insert((script, args), Printed { status, text });
        self
    }
}

/// The state in a line: "in sync", "differs: …", "unknown until …", "refused: …",
/// "unreadable: …".
fn state(resource: &dyn Resource, seen: &Seen) -> String {
    match resource.compare(&seen.0) {
        Ok(State::InSync) => "in sync".to_owned(),
        Ok(State::Differs { what, .. }) => format!("differs: {what}"),
        Ok(State::Unknown { until }) => format!("unknown until {until}"),
        Ok(State::Refused { what, mend }) => format!("refused: {what} ({mend})"),
        Err(unreadable) => format!("unreadable: {unreadable}"),
    }
}

/// The script that a resource is looked at with.
fn probe_of(resource: &dyn Resource) -> Script {
    let facts = resource.facts();
    let mut scripts = facts.iter().filter_map(|fact| match fact {
        Fact::Sh(script, _) => Some(*script),
        _ => None,
    });
    let script = scripts.next().unwrap_or_else(|| panic!("{facts:?}"));
    assert!(scripts.next().is_none(), "{facts:?}");
    script
}

/// What would be done, an operation a line.
fn ops(resource: &dyn Resource, seen: &Seen) -> String {
    let show = |content: &Content| match content {
        Content::Empty => String::new(),
        Content::Text(text) => format!(" <- {text:?}"),
        Content::Secret(_) => " <- a secret".to_owned(),
        Content::Context(context) => format!(" <- {context:?}"),
    };
    let ops = resource.converge(&seen.0);
    let lines: Vec<String> = ops
        .iter()
        .map(|op| match &op.action {
            Action::Run { cmd, input, .. } => {
                format!("{}: {}{}", op.what, cmd.shown(), show(input))
            }
            Action::Look(look) => {
                let dns = if look.dns { ", by DNS" } else { "" };
                let at: Vec<String> = look.addresses.iter().map(ToString::to_string).collect();
                format!(
                    "{}: {} under {} at {}{dns}",
                    op.what,
                    look.path,
                    look.names.join(" "),
                    at.join(" ")
                )
            }
            Action::Put {
                path,
                content,
                mode,
                owner,
                check,
                pending,
            } => {
                let check = check
                    .as_ref()
                    .map(|cmd| format!(", checked by {}", cmd.shown()));
                let pending = if pending.is_empty() {
                    String::new()
                } else {
                    format!(", marks {}", pending.join(" "))
                };
                format!(
                    "{}: put {path} {owner} {mode:04o}{}{pending}{}",
                    op.what,
                    check.unwrap_or_default(),
                    show(content)
                )
            }
        })
        .collect();
    lines.join("\n")
}

/// The differing lines, as a diff shows them.
fn diff(resource: &dyn Resource, seen: &Seen) -> String {
    use crate::event::Line;
    let Ok(State::Differs { lines, .. }) = resource.compare(&seen.0) else {
        return "does not differ".to_owned();
    };
    let shown: Vec<String> = lines
        .iter()
        .map(|line| match line {
            Line::Removed(text) => format!("- {text}"),
            Line::Added(text) => format!("+ {text}"),
            Line::Context(text) => format!("  {text}"),
        })
        .collect();
    shown.join("\n")
}
