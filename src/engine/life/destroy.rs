//! Removes a site with its data from all of its hosts. What is lost is listed first, kind by kind;
//! Docker, the firewall and the sudo user stay, and the ports of the site stay closed.

use crate::engine::Settings;
use crate::event::{Line, State};
use crate::plan::Plan;
use crate::resource::{Fact, Observed, Op, Resource, Unreadable};
use crate::shell::Script;
use crate::site::{Host, Role, Site};

const LEFT: Script = Script(include_str!("sh/left.sh"));
const DESTROY: &str = include_str!("sh/destroy.sh");

/// The name under which it is reported.
const STEP: &str = "destroy";

/// Kinds of things in the order they go, and what they are called.
const KINDS: [(&str, &str); 10] = [
    ("unit", "units"),
    ("container", "containers"),
    ("network", "networks"),
    ("volume", "volumes"),
    ("image", "images"),
    ("certificate", "certificate"),
    ("data", "the database's files"),
    ("backup", "backups"),
    ("directory", "files"),
    // Last: it says what is done.
    ("state", "state"),
];

/// All of a kind that is left on a host, which is to be nothing.
#[derive(Debug)]
struct Gone {
    kind: &'static str,
    called: &'static str,
    asked: Vec<String>,
}

impl Gone {
    /// Names, with what is known of each.
    fn left(&self, seen: &Observed) -> Result<Vec<(String, String)>, Unreadable> {
        let printed = seen.sh(LEFT, &self.asked)?;
        let lines = printed.text.lines().filter_map(|line| {
            let (kind, rest) = line.split_once('\t')?;
            let (name, known) = rest.split_once('\t').unwrap_or((rest, ""));
            (kind == self.kind).then(|| (name.to_owned(), known.trim().to_owned()))
        });
        Ok(lines.collect())
    }
}

impl Resource for Gone {
    fn id(&self) -> String {
        self.called.to_owned()
    }

    fn facts(&self) -> Vec<Fact> {
        vec![Fact::Sh(LEFT, self.asked.clone())]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let left = self.left(seen)?;
        if left.is_empty() {
            return Ok(State::InSync);
        }
        let line = |(name, known): &(String, String)| {
            Line::Removed(match known.as_str() {
                "" => name.clone(),
                known => format!("{name} ({known})"),
            })
        };
        Ok(State::Differs {
            what: format!("{} → lost", left.len()),
            lines: left.iter().map(line).collect(),
        })
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let left = self.left(seen).unwrap_or_default();
        let names = left.into_iter().map(|(name, _)| name);
        let args = [self.kind.to_owned()].into_iter().chain(names);
        vec![Op::script(format!("remove {}", self.called), DESTROY, args).long()]
    }
}

fn asked(site: &Site, host: &Host) -> Vec<String> {
    let has = |role| host.roles.contains(&role);
    let certificate = match has(Role::Proxy) {
        true => site.canonical().to_string(),
        false => "-".to_owned(),
    };
    let data = site.postgres.as_ref().filter(|_| has(Role::Db));
    let data = data.and_then(|it| it.data.as_ref());
    vec![
        site.name.to_string(),
        site.directory(),
        site.state(),
        site.backup.directory.to_string(),
        certificate,
        data.map_or_else(|| "-".to_owned(), ToString::to_string),
    ]
}

/// What removes a site from these hosts; from all, if none is named. Backups on the servers go only
/// with `backups`.
pub fn destroy_plan(settings: &Settings, chosen: &[String], backups: bool) -> Plan {
    let site = &settings.site;
    let hosts = site.hosts.values();
    let hosts = hosts
        .filter(|host| chosen.is_empty() || chosen.iter().any(|name| name == host.name.as_str()));
    super::plan_of(site, STEP, hosts, |host| {
        let kinds = KINDS
            .iter()
            .filter(|(kind, _)| backups || *kind != "backup");
        let gone = kinds.map(|&(kind, called)| -> Box<dyn Resource> {
            let asked = asked(site, host);
            Box::new(Gone {
                kind,
                called,
                asked,
            })
        });
        gone.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::fact::Printed;

    #[test]
    fn what_is_lost_is_listed_by_kind_and_nothing_left_is_done() {
        let gone = |kind| Gone {
            kind,
            called: kind,
            asked: vec!["polls".to_owned()],
        };
        let mut seen = Observed::default();
        let printed = Printed {
            status: 0,
            text: "volume\tpolls-postgres-17\t48M\ncontainer\tpolls-app\tUp 2 days\nstate\t/x\t"
                .to_owned(),
        };
        seen.printed
            .insert((LEFT, vec!["polls".to_owned()]), printed);
        let State::Differs { lines, .. } = gone("volume").compare(&seen).unwrap() else {
            panic!("a volume is left");
        };
        assert_eq!(lines, [Line::Removed("polls-postgres-17 (48M)".to_owned())]);
        let State::Differs { lines, .. } = gone("state").compare(&seen).unwrap() else {
            panic!("its state is left");
        };
        assert_eq!(lines, [Line::Removed("/x".to_owned())]);
        assert_eq!(gone("backup").compare(&seen).unwrap(), State::InSync);
        assert!(gone("volume").compare(&Observed::default()).is_err());
    }

    #[test]
    fn its_own_state_goes_last() {
        assert_eq!(KINDS.last().unwrap().0, "state");
        let at = |kind| KINDS.iter().position(|(name, _)| *name == kind).unwrap();
        assert!(at("container") < at("network") && at("container") < at("volume"));
        assert!(at("unit") < at("container"), "else systemd starts it again");
    }
}
