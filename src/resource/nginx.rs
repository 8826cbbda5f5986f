//! nginx's site configuration: over HTTP alone until there is a certificate, then in full.

use super::{Action, Content, Fact, Observed, Op, Resource, Reveal, Unreadable};
use super::{line_diff, sha256};
use crate::event::State;
use crate::shell::{Cmd, Script};

const CHECK: Script = Script(include_str!("sh/nginx-check.sh"));

/// The site's configuration file.
#[derive(Clone, Debug)]
pub struct Nginx {
    /// Where the file lies on the host.
    pub path: String,
    /// The image whose nginx tests it.
    pub image: String,
    /// Where certificates that aren't certbot's lie on the host.
    pub tls: String,
    /// Certificates that it may serve, each by the file on the host that says it is there, with
    /// the configuration that serves it. The first that is there counts.
    pub certificates: Vec<(String, String)>,
    /// The configuration where there is none.
    pub plain: String,
    /// The marker that asks for a reload.
    pub pending: String,
}

impl Nginx {
    fn wanted(&self, seen: &Observed) -> Result<&str, Unreadable> {
        for (file, text) in &self.certificates {
            if seen.file(file)?.is_some() {
                return Ok(text);
            }
        }
        Ok(&self.plain)
    }
}

impl Resource for Nginx {
    fn id(&self) -> String {
        format!("file {}", self.path)
    }

    fn facts(&self) -> Vec<Fact> {
        let first = self.certificates.first();
        let usual = first.map_or(&self.plain, |(_, text)| text);
        let mut facts = vec![Fact::File {
            path: self.path.clone(),
            content: Reveal::Unless(sha256(usual)),
        }];
        facts.extend(self.certificates.iter().map(|(file, _)| Fact::File {
            path: file.clone(),
            content: Reveal::Never,
        }));
        facts
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let wanted = self.wanted(seen)?;
        let Some(file) = seen.file(&self.path)? else {
            let what = "missing".to_owned();
            return Ok(State::Differs {
                what,
                lines: line_diff("", wanted),
            });
        };
        let same = file.sha256.as_deref() == Some(sha256(wanted).as_str());
        let old = file
            .content
            .as_deref()
            .map(String::from_utf8_lossy)
            .unwrap_or_default();
        Ok(match (same, file.mode, file.owner.as_str()) {
            (true, 0o644, "root:root") => State::InSync,
            (true, mode, owner) => super::differs(format!("{owner} {mode:04o} → root:root 0644")),
            (false, ..) => State::Differs {
                what: "content differs".to_owned(),
                lines: line_diff(&old, wanted),
            },
        })
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let Ok(text) = self.wanted(seen) else {
            return Vec::new();
        };
        vec![Op {
            what: format!("test and write {}", self.path),
            action: Action::Put {
                path: self.path.clone(),
                content: Content::Text(text.to_owned()),
                mode: 0o644,
                owner: "root:root".to_owned(),
                check: Some(Cmd::script(CHECK, [self.image.clone(), self.tls.clone()])),
                pending: vec![self.pending.clone()],
            },
        }]
    }
}
