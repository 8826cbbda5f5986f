//! nginx's site configuration: over HTTP alone until there is a certificate, then in full.

use super::nginx_build::{self, Texts};
use super::{Action, Content, Fact, Observed, Op, Resource, Reveal, Unreadable};
use super::{line_diff, sha256, unknown};
use crate::event::State;
use crate::shell::{Cmd, Script};

const CHECK: Script = Script(include_str!("sh/nginx-check.sh"));

/// What stands in a configuration that serves the site over HTTP.
pub const OPEN: &str = "# Without TLS: the site is served over HTTP.";

/// The site's configuration file.
#[derive(Clone, Debug)]
pub struct Nginx {
    /// Where the file lies on the host.
    pub path: String,
    /// The image whose nginx tests it.
    pub image: String,
    /// The file that says what this nginx can do ([`super::nginx_build`]).
    pub build: String,
    /// Whom it is tested as, and runs as: "10001:10001".
    pub user: String,
    /// The directory of certificates that aren't certbot's, which the test needs.
    pub tls: String,
    /// Certificates that it may serve, each by the file on the host that says it is there, with
    /// the configuration that serves it. The first that is there counts.
    pub certificates: Vec<(String, Texts)>,
    /// The configuration where there is none.
    pub plain: Texts,
    /// Where there is none yet and the site was served over HTTP so far (it says [`OPEN`]): goes
    /// on with that.
    pub open: Option<Texts>,
    /// Whether HTTP/3 is asked for.
    pub http3: bool,
    /// The marker that asks for a reload.
    pub pending: String,
}

/// What it must be.
enum Wanted<'a> {
    Text(&'a str),
    /// Nobody has asked this nginx yet.
    Unknown,
    /// It can't do what is asked of it.
    Unable,
}

impl Nginx {
    fn texts(&self, seen: &Observed) -> Result<&Texts, Unreadable> {
        for (file, texts) in &self.certificates {
            if seen.file(file)?.is_some() {
                return Ok(texts);
            }
        }
        let present = seen.file(&self.path)?.and_then(|it| it.content.as_deref());
        let is_open = present.is_some_and(|text| String::from_utf8_lossy(text).contains(OPEN));
        Ok(match &self.open {
            Some(open) if is_open => open,
            _ => &self.plain,
        })
    }

    fn wanted(&self, seen: &Observed) -> Result<Wanted<'_>, Unreadable> {
        let Some((_, build)) = nginx_build::read(seen, &self.build)? else {
            return Ok(Wanted::Unknown);
        };
        if self.http3 && !build.http3() {
            return Ok(Wanted::Unable);
        }
        Ok(Wanted::Text(self.texts(seen)?.of(build.features())))
    }
}

impl Resource for Nginx {
    fn id(&self) -> String {
        format!("file {}", self.path)
    }

    fn facts(&self) -> Vec<Fact> {
        let first = self.certificates.first();
        let usual = first.map_or(&self.plain, |(_, texts)| texts);
        let mut facts = vec![
            nginx_build::fact(&self.build),
            Fact::File {
                path: self.path.clone(),
                content: Reveal::Unless(sha256(usual.newest())),
            },
        ];
        facts.extend(self.certificates.iter().map(|(file, _)| Fact::File {
            path: file.clone(),
            content: Reveal::Never,
        }));
        facts
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let wanted = match self.wanted(seen)? {
            Wanted::Text(text) => text,
            Wanted::Unknown => return Ok(unknown("proxy")),
            Wanted::Unable => {
                return Ok(State::Refused {
                    what: format!("nginx of {} was built without HTTP/3", self.image),
                    mend: "leave `http3` of [proxy] out, or name an image in `image` whose \
                           `nginx -V` says --with-http_v3_module"
                        .to_owned(),
                });
            }
        };
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
        let Ok(Wanted::Text(text)) = self.wanted(seen) else {
            return Vec::new();
        };
        vec![Op {
            what: format!("test and write {}", self.path),
            action: Action::Put {
                path: self.path.clone(),
                content: Content::Text(text.to_owned()),
                mode: 0o644,
                owner: "root:root".to_owned(),
                check: Some(Cmd::script(
                    CHECK,
                    [&self.image, &self.tls, &self.user].map(String::clone),
                )),
                pending: vec![self.pending.clone()],
            },
        }]
    }
}
