//! A certificate from an ACME authority, issued by certbot in a container, by webroot.
//!
//! certbot keeps an unexpired *staging* certificate when it is asked for a production one
//! without questions, and ends with 0. So the authority is read from the renewal
//! configuration's `server =`, and a change of it, or of the names, is a drift.

use std::time::Duration;

use crate::event::State;
use crate::resource::{Fact, Observed, Op, Resource, Reveal, Unreadable, differs, unknown};
use crate::shell::Cmd;

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
    /// The certbot image.
    pub image: String,
    /// Where nginx serves challenges from, on the host.
    pub webroot: String,
    /// A file on the host with the authorities to trust, for a test CA.
    pub ca: Option<String>,
    /// Now, in seconds since 1970, by the operator's clock.
    pub now: u64,
}

/// Where certbot keeps what nginx serves.
pub fn lineage(name: &str) -> String {
    format!("/etc/letsencrypt/live/{name}")
}

fn chain(name: &str) -> String {
    format!("{}/fullchain.pem", lineage(name))
}

/// A certbot container with everything it needs, less its own arguments.
pub fn certbot(image: &str, webroot: &str, ca: Option<&str>) -> Cmd {
    let mut cmd = Cmd::new("docker").args([
        "run",
        "--rm",
        "--volume",
        "/etc/letsencrypt:/etc/letsencrypt",
        "--volume",
        "/var/lib/letsencrypt:/var/lib/letsencrypt",
        "--volume",
    ]);
    cmd = cmd.arg(format!("{webroot}:/var/www/html"));
    if let Some(ca) = ca {
        cmd = cmd.args(["--volume", &format!("{ca}:/etc/ssl/acme-ca.pem:ro")]);
        cmd = cmd.args(["--env", "REQUESTS_CA_BUNDLE=/etc/ssl/acme-ca.pem"]);
    }
    cmd.arg(image)
}

impl Certificate {
    fn renewal(&self) -> String {
        format!("/etc/letsencrypt/renewal/{}.conf", self.name)
    }

    fn issue(&self) -> Cmd {
        let mut cmd = certbot(&self.image, &self.webroot, self.ca.as_deref()).args([
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
            "/var/www/html",
        ]);
        for domain in &self.domains {
            cmd = cmd.args(["--domain", domain]);
        }
        cmd
    }
}

/// What a PEM chain's first certificate says: its names and when it ends (seconds since 1970).
fn names_and_end(pem: &[u8]) -> Option<(Vec<String>, u64)> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem).ok()?;
    let cert = pem.parse_x509().ok()?;
    let names = cert.subject_alternative_name().ok().flatten()?;
    let mut names: Vec<String> = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            x509_parser::extensions::GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect();
    names.sort();
    Some((
        names,
        u64::try_from(cert.validity().not_after.timestamp()).ok()?,
    ))
}

impl Resource for Certificate {
    fn id(&self) -> String {
        format!("certificate {}", self.name)
    }

    fn facts(&self) -> Vec<Fact> {
        vec![
            Fact::Docker,
            Fact::File {
                path: chain(&self.name),
                content: Reveal::Always,
            },
            Fact::File {
                path: self.renewal(),
                content: Reveal::Always,
            },
        ]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        if seen.docker()?.is_none() {
            return Ok(unknown("docker"));
        }
        let path = chain(&self.name);
        let Some(file) = seen.file(&path)? else {
            return Ok(differs("missing"));
        };
        let pem = file.content.as_deref().unwrap_or_default();
        let Some((names, end)) = names_and_end(pem) else {
            return Err(Unreadable {
                fact: format!("file {path}"),
                why: "holds no certificate".to_owned(),
            });
        };
        let mut what = Vec::new();
        let mut wanted = self.domains.clone();
        wanted.sort();
        if names != wanted {
            what.push(format!("for {} → {}", names.join(" "), wanted.join(" ")));
        }
        if end <= self.now {
            let ago = Duration::from_secs(self.now - end).as_secs() / 3600;
            what.push(format!("expired {ago} hours ago"));
        }
        let renewal = seen.text(&self.renewal())?.unwrap_or_default();
        let server = renewal
            .lines()
            .find_map(|line| {
                line.strip_prefix("server")
                    .map(|rest| rest.trim_start_matches([' ', '=']))
            })
            .unwrap_or("nobody that is known");
        if server.trim() != self.directory {
            what.push(format!("from {} → {}", server.trim(), self.directory));
        }
        if what.is_empty() {
            return Ok(State::InSync);
        }
        Ok(differs(what.join(", ")))
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let rehearse = self.issue().arg("--dry-run");
        let mut issue = self.issue();
        if seen
            .file(&chain(&self.name))
            .is_ok_and(|file| file.is_some())
        {
            // There is one already that certbot would rather keep.
            issue = issue.args(["--force-renewal", "--renew-with-new-domains"]);
        }
        vec![
            Op::run("rehearse the certificate", rehearse).long(),
            Op::run(
                format!("get the certificate for {}", self.domains.join(", ")),
                issue,
            )
            .long(),
        ]
    }
}
