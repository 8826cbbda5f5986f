//! When a port of a server that others set up counts as exposed: it takes a connection that the
//! server's own firewall rules, which are what its operator believes, don't let in.

use std::net::IpAddr;

use super::Reach;
use crate::event::{Finding, Level, Remark, Verdict};

/// Ports that may answer to the world even where there is no firewall: a website's.
const WEB: [u16; 2] = [80, 443];

/// What the firewall's own rules say of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Belief {
    /// It is let in, by this rule: "allow port 22/tcp".
    LetIn(String),
    /// It is not.
    KeptOut,
    /// There is no firewall, and why not: "ufw is off".
    NoFirewall(String),
    /// It can't be told, and why.
    Undecided(String),
}

/// Whether an address answers a vantage at all, so that its silence means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alive {
    /// Another port answered this vantage, if only by a reset.
    Here,
    /// It answered another vantage, and others answered this one.
    Elsewhere,
    /// Nothing is known to.
    Unknown,
}

/// One connection that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knock {
    /// The host that is looked at.
    pub host: String,
    /// From where.
    pub from: String,
    /// By which of its addresses.
    pub address: IpAddr,
    /// Which port.
    pub port: u16,
    /// What came of it.
    pub reach: Reach,
    /// What the host's rules say of it.
    pub belief: Belief,
    /// Whether something listens there.
    pub listens: bool,
    /// The container whose port Docker publishes there.
    pub container: Option<String>,
    /// Whether it is a port of sshd.
    pub ssh: bool,
    /// Whether the vantage stands for the world, and isn't another of the servers.
    pub outside: bool,
    /// Whether the address answers.
    pub alive: Alive,
}

impl Knock {
    /// The port as reports name it.
    pub fn subject(&self) -> String {
        format!("{}/tcp", self.port)
    }

    /// Judges it.
    pub fn finding(&self) -> Finding {
        let (verdict, seen, evidence) = self.judged();
        let expected = match &self.belief {
            Belief::LetIn(_) => "let in",
            Belief::KeptOut => "blocked",
            Belief::NoFirewall(_) => "SSH, 80 and 443 at most",
            Belief::Undecided(_) => "not decided by its rules",
        };
        Finding {
            host: self.host.clone(),
            subject: self.subject(),
            from: self.from.clone(),
            address: Some(self.address.to_string()),
            expected: expected.to_owned(),
            seen: seen.to_owned(),
            evidence,
            verdict,
        }
    }

    fn judged(&self) -> (Verdict, &'static str, String) {
        match &self.reach {
            Reach::Open => {
                let (verdict, why) = self.open();
                (verdict, "open", why)
            }
            Reach::Refused => (Verdict::Proven, "closed", "refused".to_owned()),
            Reach::TimedOut => self.silent(),
            Reach::Unreachable(why) => (
                Verdict::Inconclusive,
                "not reached",
                format!("there is no way to that address from there: {why}"),
            ),
        }
    }

    fn open(&self) -> (Verdict, String) {
        match &self.belief {
            Belief::LetIn(rule) => (Verdict::Proven, format!("ufw: {rule}")),
            Belief::KeptOut => (Verdict::Failed, self.hole()),
            Belief::NoFirewall(why) if !self.outside || self.ssh || WEB.contains(&self.port) => {
                (Verdict::Proven, why.clone())
            }
            Belief::NoFirewall(_) => (Verdict::Failed, self.hole()),
            Belief::Undecided(why) => (
                Verdict::Inconclusive,
                format!("whether ufw lets it in can't be told: {why}"),
            ),
        }
    }

    /// What an exposure is, in words.
    fn hole(&self) -> String {
        match (&self.belief, &self.container) {
            (Belief::NoFirewall(why), None) => format!("open, and there is no firewall: {why}"),
            (Belief::NoFirewall(why), Some(container)) => format!(
                "open, and there is no firewall: {why}; Docker publishes container {container}'s port {}",
                self.port
            ),
            (_, Some(container)) => format!(
                "open past ufw: Docker publishes container {container}'s port {}",
                self.port
            ),
            (_, None) => "open, and ufw's rules don't let it in".to_owned(),
        }
    }

    fn silent(&self) -> (Verdict, &'static str, String) {
        let alive = match self.alive {
            Alive::Here => "the host answers otherwise",
            Alive::Elsewhere => "the host answers others, and others answer from there",
            Alive::Unknown => {
                let why = "time-out, but the host doesn't answer from there at all";
                return (Verdict::Inconclusive, "no answer", why.to_owned());
            }
        };
        let (seen, listens) = match (self.listens, &self.belief) {
            (false, _) => ("closed", "nothing listens on the port"),
            (true, Belief::KeptOut | Belief::Undecided(_)) => ("blocked", "the port listens"),
            (true, Belief::LetIn(_) | Belief::NoFirewall(_)) => (
                "blocked",
                "the port listens, and what drops it isn't one of ufw's rules",
            ),
        };
        (
            Verdict::Proven,
            seen,
            format!("time-out; {listens}; {alive}"),
        )
    }
}

/// What is exposed, a remark for each host and port, in the order of the knocks.
pub fn exposures(knocks: &[Knock]) -> Vec<(String, Remark)> {
    let mut holes: Vec<(&Knock, Vec<&str>)> = Vec::new();
    for knock in knocks {
        if knock.finding().verdict != Verdict::Failed {
            continue;
        }
        let same = |hole: &&mut (&Knock, Vec<&str>)| {
            hole.0.host == knock.host && hole.0.port == knock.port
        };
        match holes.iter_mut().find(same) {
            Some((_, from)) if from.contains(&knock.from.as_str()) => {}
            Some((_, from)) => from.push(&knock.from),
            None => holes.push((knock, vec![&knock.from])),
        }
    }
    let all = holes.into_iter();
    all.map(|(knock, from)| (knock.host.clone(), remark(knock, &from)))
        .collect()
}

fn remark(knock: &Knock, from: &[&str]) -> Remark {
    let (why, mend) = match (&knock.belief, &knock.container) {
        (Belief::NoFirewall(_), _) => (
            "everything that listens on this server answers to everybody",
            format!(
                "let SSH's port in (ufw allow PORT/tcp), then ufw enable; let the program listen on \
                 127.0.0.1 if nobody else needs port {}",
                knock.port
            ),
        ),
        (_, Some(_)) => (
            "Docker rewrites the destination before ufw's rules are asked: not even `ufw deny` \
             keeps anybody out",
            format!(
                "publish it on 127.0.0.1 or a private address alone (-p 127.0.0.1:{}:PORT), or put \
                 Docker's ports behind ufw as step firewall does (`provision explain firewall`) and \
                 let in who needs it: ufw route allow proto tcp from SOURCE to any port \
                 CONTAINER_PORT",
                knock.port
            ),
        ),
        (_, None) => (
            "ufw says that it keeps this out, and something lets it in before ufw is asked",
            "see that ufw's rules are loaded (ufw reload), and which rule comes before them \
             (iptables-save, nft list ruleset)"
                .to_owned(),
        ),
    };
    Remark {
        level: Level::Refusal,
        rule: Remark::EXPOSED.to_owned(),
        what: format!(
            "{} from {}: {}",
            knock.subject(),
            from.join(", "),
            knock.hole()
        ),
        why: why.to_owned(),
        mend,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knock(reach: Reach, belief: Belief) -> Knock {
        Knock {
            host: "app1".to_owned(),
            from: "here".to_owned(),
            address: "198.51.100.11".parse().unwrap(),
            port: 5432,
            reach,
            belief,
            listens: true,
            container: None,
            ssh: false,
            outside: true,
            alive: Alive::Here,
        }
    }

    fn let_in() -> Belief {
        Belief::LetIn("allow port 5432/tcp".to_owned())
    }

    fn off() -> Belief {
        Belief::NoFirewall("ufw is off".to_owned())
    }

    fn told(knock: &Knock) -> (Verdict, String) {
        let finding = knock.finding();
        (finding.verdict, finding.seen)
    }

    #[test]
    fn an_open_port_is_exposed_unless_the_rules_let_it_in() {
        for (belief, verdict) in [
            (let_in(), Verdict::Proven),
            (Belief::KeptOut, Verdict::Failed),
            (off(), Verdict::Failed),
            (Belief::Undecided("x".into()), Verdict::Inconclusive),
        ] {
            let knock = knock(Reach::Open, belief);
            assert_eq!(told(&knock), (verdict, "open".to_owned()), "{knock:?}");
        }
    }

    #[test]
    fn docker_is_named_where_it_leads_past_ufw() {
        let mut hole = knock(Reach::Open, Belief::KeptOut);
        hole.container = Some("db".to_owned());
        assert_eq!(
            hole.finding().evidence,
            "open past ufw: Docker publishes container db's port 5432"
        );
        let mut sibling = hole.clone();
        sibling.from = "app2".to_owned();
        let fine = knock(Reach::TimedOut, Belief::KeptOut);
        let remarks = exposures(&[fine, hole, sibling]);
        assert_eq!(remarks.len(), 1, "one port of one host: {remarks:?}");
        let (host, remark) = &remarks[0];
        assert_eq!(
            (host.as_str(), remark.rule.as_str()),
            ("app1", Remark::EXPOSED)
        );
        assert!(
            remark
                .what
                .starts_with("5432/tcp from here, app2: open past ufw")
        );
        assert!(remark.mend.contains("127.0.0.1:5432"), "{}", remark.mend);
    }

    #[test]
    fn without_a_firewall_a_website_and_ssh_may_answer_and_the_servers_each_other() {
        let with = |change: fn(&mut Knock)| {
            let mut knock = knock(Reach::Open, off());
            change(&mut knock);
            knock.finding().verdict
        };
        assert_eq!(with(|_| {}), Verdict::Failed);
        assert_eq!(with(|k| k.port = 443), Verdict::Proven);
        assert_eq!(with(|k| k.ssh = true), Verdict::Proven);
        assert_eq!(with(|k| k.outside = false), Verdict::Proven);
    }

    #[test]
    fn silence_is_believed_beside_an_answer_and_not_without() {
        for (alive, verdict) in [
            (Alive::Here, Verdict::Proven),
            (Alive::Elsewhere, Verdict::Proven),
            (Alive::Unknown, Verdict::Inconclusive),
        ] {
            let mut silent = knock(Reach::TimedOut, Belief::KeptOut);
            silent.alive = alive;
            assert_eq!(silent.finding().verdict, verdict);
        }
        let mut nothing = knock(Reach::TimedOut, Belief::KeptOut);
        assert_eq!(told(&nothing).1, "blocked");
        nothing.listens = false;
        assert_eq!(told(&nothing), (Verdict::Proven, "closed".to_owned()));
        let reset = knock(Reach::Refused, Belief::KeptOut);
        assert_eq!(told(&reset), (Verdict::Proven, "closed".to_owned()));
        let lost = knock(Reach::Unreachable("no route".into()), Belief::KeptOut);
        assert_eq!(told(&lost).0, Verdict::Inconclusive);
    }
}
