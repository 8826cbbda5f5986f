//! A certificate from an ACME authority, issued by certbot in a container, by webroot.
//!
//! All that can be another than the wanted one is a drift, and one call of certbot's closes all of
//! them: names, authority, key, profile, and how it was proven that the names are ours. certbot
//! replaces symbolic links when all is there, so nginx goes on with the old certificate meanwhile.
//!
//! certbot keeps an unexpired *staging* certificate when it is asked for a production one
//! without questions, and ends with 0. So the authority is read from the renewal
//! configuration's `server =`, and what is replaced is replaced by force.

use std::net::{IpAddr, SocketAddr};

use super::leaf::{Key, Leaf};
use super::refusal::{Noted, advice};
use super::renewal::{Renewal, renewal};
use crate::event::State;
use crate::resource::op::Look;
use crate::resource::{
    Action, Content, Fact, Observed, Op, Resource, Reveal, Unreadable, differs, sha256, unknown,
};
use crate::shell::{Cmd, Script};

const CERTBOT: Script = Script(include_str!("certbot.sh"));
const SET_ASIDE: &str = include_str!("set-aside.sh");

/// Where certbot keeps everything.
const BASE: &str = "/etc/letsencrypt";
/// The webroot as the container has it.
const WEBROOT: &str = "/var/www/html";
/// Seconds before each further attempt after a failure that may pass.
const WAITS: &str = "5 15 30";

/// A certificate for some names.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// certbot's name for it, which is the first of its names.
    pub name: String,
    /// The names it must cover.
    pub domains: Vec<String>,
    /// Contact of the account.
    pub email: String,
    /// The authority's ACME directory.
    pub directory: String,
    /// The key that is made.
    pub key: Key,
    /// The profile that is asked for; `None`: the authority's own choice.
    pub profile: Option<String>,
    /// The certbot image.
    pub image: String,
    /// Whom it runs as, to whom its directories belong: "10001:10001".
    pub user: String,
    /// Where nginx serves challenges from, on the host.
    pub webroot: String,
    /// A file on the host with the authorities to trust, for a test CA.
    pub ca: Option<String>,
    /// A file on the host where a refusal for too many requests is noted.
    pub refused: String,
    /// Look first, from the operator's machine, whether a challenge would be seen.
    pub look: Option<Sight>,
    /// Now, in seconds since 1970, by the operator's clock.
    pub now: u64,
}

/// Where the names have to lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The proxies' public addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether DNS is asked.
    pub dns: bool,
    /// The resolver to ask; the system's if there is none.
    pub resolver: Option<SocketAddr>,
}

/// Where certbot keeps what nginx serves.
pub fn lineage(name: &str) -> String {
    format!("{BASE}/live/{name}")
}

fn chain(name: &str) -> String {
    format!("{}/fullchain.pem", lineage(name))
}

/// A certbot container with everything it needs, less its own arguments.
pub fn certbot(image: &str, user: &str, webroot: &str, ca: Option<&str>) -> Cmd {
    let mut cmd = Cmd::new("docker").args([
        "run",
        "--rm",
        "--user",
        user,
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
        "--read-only",
        "--tmpfs",
        "/tmp:mode=1777",
        // What it says goes to its output too, which is what is kept.
        "--tmpfs",
        "/var/log/letsencrypt:mode=1777",
        "--volume",
        "/etc/letsencrypt:/etc/letsencrypt",
        "--volume",
        "/var/lib/letsencrypt:/var/lib/letsencrypt",
        "--volume",
    ]);
    cmd = cmd.arg(format!("{webroot}:{WEBROOT}"));
    if let Some(ca) = ca {
        cmd = cmd.args(["--volume", &format!("{ca}:/etc/ssl/acme-ca.pem:ro")]);
        cmd = cmd.args(["--env", "REQUESTS_CA_BUNDLE=/etc/ssl/acme-ca.pem"]);
    }
    cmd.arg(image)
}

impl Certificate {
    fn renewal(&self) -> String {
        format!("{BASE}/renewal/{}.conf", self.name)
    }

    /// Its names as they are compared: sorted.
    fn wanted(&self) -> Vec<&str> {
        let mut wanted: Vec<&str> = self.domains.iter().map(String::as_str).collect();
        wanted.sort_unstable();
        wanted
    }

    /// certbot's call, for a rehearsal and for real; `differ` says what is there already.
    fn issue(&self, there: Option<&There>) -> Cmd {
        let mut cmd = certbot(&self.image, &self.user, &self.webroot, self.ca.as_deref()).args([
            "certonly",
            "--non-interactive",
            "--agree-tos",
            "--email",
            &self.email,
            "--cert-name",
            &self.name,
            "--server",
            &self.directory,
            "--webroot",
            "--webroot-path",
            WEBROOT,
        ]);
        cmd = match self.key {
            Key::Ecdsa => cmd.args(["--key-type", "ecdsa", "--elliptic-curve", "secp256r1"]),
            Key::Rsa(bits) => {
                let bits = bits.to_string();
                cmd.args(["--key-type", "rsa", "--rsa-key-size", &bits])
            }
        };
        if let Some(profile) = &self.profile {
            cmd = cmd.args(["--required-profile", profile]);
        }
        for domain in &self.domains {
            cmd = cmd.args(["--domain", domain]);
        }
        let Some(there) = there else {
            return cmd;
        };
        // certbot would rather keep what it has.
        cmd = cmd.args(["--force-renewal", "--renew-with-new-domains"]);
        if there.key != self.key.to_string() {
            // A key that somebody told certbot to keep.
            cmd = cmd.arg("--no-reuse-key");
        }
        if self.directory.contains("staging") {
            // By its word certbot knows an authority that no browser trusts, and keeps a
            // certificate of another one.
            cmd = cmd.arg("--break-my-certs");
        }
        cmd
    }

    /// What CAA records call the authority, where it is known.
    fn issuer(&self) -> Option<&'static str> {
        const LETS_ENCRYPT: &str = "letsencrypt.org";
        let host = self.directory.strip_prefix("https://")?;
        let host = host.split(['/', ':', '?']).next()?;
        let rest = host.strip_suffix(LETS_ENCRYPT)?;
        (rest.is_empty() || rest.ends_with('.')).then_some(LETS_ENCRYPT)
    }

    /// A call of certbot's that is made again where its failure may pass.
    fn ask(&self, what: String, certbot: &Cmd) -> Op {
        let names = self.wanted().join(" ");
        let cmd = Cmd::script(CERTBOT, [&self.refused, &self.directory, &names, WAITS])
            .args(certbot.argv().iter().cloned());
        Op::run(what, cmd).long().advised(advice)
    }

    /// A page where a challenge would be, looked for from outside.
    fn look(&self, sight: &Sight) -> [Op; 3] {
        let path = "/.well-known/acme-challenge/provision";
        let file = format!("{}{path}", self.webroot);
        // Not to be had from a cache, or from another server's file.
        let holds = sha256(format!("{} {}", self.name, self.now));
        let put = Op {
            what: format!("put a page into {}", self.webroot),
            action: Action::Put {
                path: file.clone(),
                content: Content::Text(format!("{holds}\n")),
                mode: 0o644,
                owner: "root:root".to_owned(),
                check: None,
                pending: Vec::new(),
            },
        };
        let look = Op {
            what: format!("look for it from here under {}", self.domains.join(", ")),
            action: Action::Look(Look {
                names: self.domains.clone(),
                addresses: sight.addresses.clone(),
                dns: sight.dns,
                resolver: sight.resolver,
                issuer: self.issuer().map(str::to_owned),
                path: path.to_owned(),
                holds,
            }),
        };
        let remove = Cmd::new("rm").args(["-f", "--", &file]);
        [put, look, Op::run("remove the page", remove)]
    }

    /// What is another than the wanted one, each in a phrase.
    fn drift(&self, there: &There) -> Vec<String> {
        let mut what = Vec::new();
        let wanted = self.wanted();
        if there.names != wanted {
            what.push(format!(
                "for {} → {}",
                there.names.join(" "),
                wanted.join(" ")
            ));
        }
        if there.ends <= self.now {
            let hours = (self.now - there.ends) / 3600;
            what.push(format!("expired {hours} hours ago"));
        }
        let server = there.renewal.server.as_deref();
        if server != Some(&self.directory) {
            let server = server.unwrap_or("nobody that is known");
            what.push(format!("from {server} → {}", self.directory));
        }
        let key = self.key.to_string();
        if there.key != key {
            what.push(format!("key {} → {key}", there.key));
        }
        let profile = there.renewal.profile.as_deref();
        if profile != self.profile.as_deref() {
            let shown = |profile: Option<&str>| profile.unwrap_or("by default").to_owned();
            let wanted = shown(self.profile.as_deref());
            what.push(format!("profile {} → {wanted}", shown(profile)));
        }
        match there.renewal.authenticator.as_deref() {
            // Without any, there is no such configuration, which is told already.
            None => {}
            Some("webroot") => {
                let other = there.renewal.webroots.iter().find(|path| *path != WEBROOT);
                if let Some(other) = other {
                    what.push(format!("webroot {other} → {WEBROOT}"));
                }
            }
            Some(other) => what.push(format!("authenticator {other} → webroot")),
        }
        what
    }

    /// What is there; `None`: nothing.
    fn there(&self, seen: &Observed) -> Result<Option<There>, Unreadable> {
        let path = chain(&self.name);
        let Some(file) = seen.file(&path)? else {
            return Ok(None);
        };
        let pem = file.content.as_deref().unwrap_or_default();
        let issued = Leaf::read(pem).ok_or_else(|| Unreadable {
            fact: format!("file {path}"),
            why: "holds no certificate".to_owned(),
        })?;
        let text = seen.text(&self.renewal())?.unwrap_or_default();
        Ok(Some(There {
            names: issued.names,
            ends: issued.ends,
            key: issued.key,
            renewal: renewal(&text),
        }))
    }
}

/// A certificate that is there, and how it was issued.
#[derive(Debug)]
struct There {
    names: Vec<String>,
    ends: u64,
    key: String,
    renewal: Renewal,
}

impl Resource for Certificate {
    fn id(&self) -> String {
        format!("certificate {}", self.name)
    }

    fn facts(&self) -> Vec<Fact> {
        let file = |path: String| Fact::File {
            path,
            content: Reveal::Always,
        };
        vec![
            Fact::Docker,
            file(chain(&self.name)),
            file(self.renewal()),
            file(self.refused.clone()),
        ]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        if seen.docker()?.is_none() {
            return Ok(unknown("docker"));
        }
        let what = match self.there(seen)? {
            Some(there) => self.drift(&there).join(", "),
            None => "missing".to_owned(),
        };
        if what.is_empty() {
            return Ok(State::InSync);
        }
        let note = seen.text(&self.refused)?.unwrap_or_default();
        let noted = Noted::read(&note, &self.directory, &self.wanted().join(" "));
        Ok(match noted.and_then(|noted| noted.holds(self.now)) {
            Some((why, mend)) => State::Refused {
                what: format!("{what}; {why}"),
                mend,
            },
            None => differs(what),
        })
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let there = self.there(seen).ok().flatten();
        let issue = self.issue(there.as_ref());
        let mut ops = Vec::new();
        if let Some(sight) = &self.look {
            ops.extend(self.look(sight));
        }
        let rehearsal = issue.clone().arg("--dry-run");
        ops.push(self.ask("rehearse the certificate".to_owned(), &rehearsal));
        if there.is_none() {
            let what = "make room for the certificate";
            ops.push(Op::script(what, SET_ASIDE, [BASE, &self.name]));
        }
        let what = format!("get the certificate for {}", self.domains.join(", "));
        ops.push(self.ask(what, &issue));
        ops
    }
}
