//! What the nginx of an image can do: asked once an image, and kept on the host.
//!
//! A configuration that names a curve or a directive which nginx doesn't know is refused as a
//! whole, and which ones it knows depends on how it was built.

use super::{Fact, Observed, Op, Resource, Reveal, Unreadable, differs, unknown};
use crate::event::State;

const ASK: &str = include_str!("sh/nginx-build.sh");

/// The first nginx with `http2 on;`, which deprecated the word after `listen`
/// (http://nginx.org/en/docs/http/ngx_http_v2_module.html).
const HTTP2_DIRECTIVE: [u32; 3] = [1, 25, 1];

/// The first OpenSSL with ML-KEM.
const POST_QUANTUM: [u32; 2] = [3, 5];

/// How an nginx was built, as `nginx -V` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build {
    /// nginx's own version; `None` where a program of another name counts otherwise.
    version: Option<[u32; 3]>,
    /// The version of the OpenSSL that it runs with; `None` if that is another library.
    openssl: Option<[u32; 2]>,
    http3: bool,
}

/// What a configuration may be written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// The curve X25519MLKEM768.
    pub post_quantum: bool,
    /// `http2 on;`, and not a word after `listen`.
    pub http2_directive: bool,
}

impl Features {
    /// Every combination.
    const ALL: [Self; 4] = [
        Self::new(true, true),
        Self::new(true, false),
        Self::new(false, true),
        Self::new(false, false),
    ];

    const fn new(post_quantum: bool, http2_directive: bool) -> Self {
        Self {
            post_quantum,
            http2_directive,
        }
    }
}

impl Build {
    /// Reads what `nginx -V` printed. What isn't understood counts as a library without the
    /// newer curves and an nginx with the newer directives.
    pub fn parse(printed: &str) -> Self {
        let value = |label: &str| {
            let mut lines = printed.lines();
            lines.find_map(|line| line.trim().strip_prefix(label))
        };
        let version = value("nginx version: ").and_then(|text| {
            let (name, version) = text.split_once('/')?;
            // OpenResty's begins with that of the nginx in it.
            ["nginx", "openresty", "freenginx"]
                .contains(&name)
                .then_some(())?;
            numbers(version)
        });
        // "OpenSSL 3.4.1 11 Feb 2025 (running with OpenSSL 3.5.1 1 Jul 2025)": the second counts.
        let openssl = value("built with OpenSSL ").and_then(|built| {
            let running = built
                .split_once("(running with ")
                .map(|(_, running)| running);
            let library = match running {
                Some(running) => running.strip_prefix("OpenSSL ")?,
                None => built,
            };
            // AWS-LC calls itself "OpenSSL 1.1.1 (compatible; AWS-LC 1.42.0)".
            (!built.contains("compatible")).then_some(())?;
            numbers(library)
        });
        let configured = value("configure arguments:").unwrap_or_default();
        Self {
            version,
            openssl,
            http3: configured
                .split_whitespace()
                .any(|argument| argument == "--with-http_v3_module"),
        }
    }

    /// What a configuration for it may be written with.
    pub fn features(&self) -> Features {
        Features::new(
            self.openssl.is_some_and(|it| it >= POST_QUANTUM),
            self.version.is_none_or(|it| it >= HTTP2_DIRECTIVE),
        )
    }

    /// Whether it speaks HTTP/3.
    pub fn http3(&self) -> bool {
        self.http3
    }
}

/// The numbers that a version begins with: "3.5.1 1 Jul 2025", "1.27.1.1".
fn numbers<const N: usize>(text: &str) -> Option<[u32; N]> {
    let mut all = [0; N];
    let mut parts = text.split('.');
    for number in &mut all {
        let part = parts.next()?;
        let end = part.find(|c: char| !c.is_ascii_digit());
        *number = part.get(..end.unwrap_or(part.len()))?.parse().ok()?;
    }
    Some(all)
}

/// A text for each combination of features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts([String; 4]);

impl Texts {
    /// Renders all of them.
    ///
    /// # Errors
    /// Those of `render`.
    pub fn new<E>(mut render: impl FnMut(Features) -> Result<String, E>) -> Result<Self, E> {
        let [a, b, c, d] = Features::ALL;
        Ok(Self([render(a)?, render(b)?, render(c)?, render(d)?]))
    }

    /// The one for these features.
    pub fn of(&self, features: Features) -> &str {
        let at = Features::ALL.iter().position(|it| *it == features);
        &self.0[at.unwrap_or_default()]
    }

    /// The one for an nginx of today.
    pub fn newest(&self) -> &str {
        &self.0[0]
    }
}

/// What the nginx of an image says of itself, in a file on the host.
#[derive(Clone, Debug)]
pub struct NginxBuild {
    /// The image.
    pub image: String,
    /// Whom it is asked as: "10001:10001".
    pub user: String,
    /// The file: the image's id in the first line, then what `nginx -V` printed.
    pub receipt: String,
}

/// The fact that [`read`] needs.
pub fn fact(receipt: &str) -> Fact {
    Fact::File {
        path: receipt.to_owned(),
        content: Reveal::Always,
    }
}

/// The image's id and the build that a receipt names; `None` where there is none.
///
/// # Errors
/// If it was not read, or is no text.
pub fn read(seen: &Observed, receipt: &str) -> Result<Option<(String, Build)>, Unreadable> {
    let text = seen.text(receipt)?;
    Ok(text.and_then(|text| {
        let (id, printed) = text.split_once('\n')?;
        Some((id.to_owned(), Build::parse(printed)))
    }))
}

impl NginxBuild {
    fn id<'a>(&self, seen: &'a Observed) -> Result<Option<&'a str>, Unreadable> {
        let image = seen.docker()?.and_then(|docker| docker.image(&self.image));
        Ok(image.map(|image| image.id.as_str()))
    }
}

impl Resource for NginxBuild {
    fn id(&self) -> String {
        format!("what nginx of {} can do", self.image)
    }

    fn facts(&self) -> Vec<Fact> {
        vec![Fact::Docker, fact(&self.receipt)]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        if seen.docker()?.is_none() {
            return Ok(unknown("docker"));
        }
        let Some(id) = self.id(seen)? else {
            return Ok(unknown("proxy"));
        };
        Ok(match read(seen, &self.receipt)? {
            None => differs("never asked"),
            Some((asked, _)) if asked != id => differs("asked of another image"),
            Some(_) => State::InSync,
        })
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let Ok(Some(id)) = self.id(seen) else {
            return Vec::new();
        };
        let what = format!("ask the nginx of {} what it can do", self.image);
        let args = [id, &self.receipt, &self.user].map(str::to_owned);
        vec![Op::script(what, ASK, args)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(version: &str, library: &str, arguments: &str) -> String {
        format!(
            "nginx version: {version}\nbuilt by gcc 14.2.0 (Debian 14.2.0-19)\nbuilt with \
             {library}\nTLS SNI support enabled\nconfigure arguments: {arguments}\n"
        )
    }

    #[test]
    fn the_curve_is_used_where_the_openssl_that_runs_has_it() {
        for (library, has) in [
            ("OpenSSL 3.5.1 1 Jul 2025", true),
            (
                "OpenSSL 3.4.1 11 Feb 2025 (running with OpenSSL 3.5.1 1 Jul 2025)",
                true,
            ),
            (
                "OpenSSL 3.5.1 1 Jul 2025 (running with OpenSSL 3.4.1 11 Feb 2025)",
                false,
            ),
            ("OpenSSL 3.0.17 1 Jul 2025", false),
            ("OpenSSL 4.0.0 1 Apr 2026", true),
            ("OpenSSL 3.10.0-dev  (Library: x)", true),
            ("OpenSSL 1.1.1 (compatible; AWS-LC 1.42.0)", false),
            ("OpenSSL 3.5.0 (running with LibreSSL 4.1.0)", false),
            ("LibreSSL 4.1.0", false),
            ("BoringSSL", false),
            ("OpenSSL", false),
        ] {
            let build = Build::parse(&printed("nginx/1.28.0", library, ""));
            assert_eq!(build.features().post_quantum, has, "{library}");
        }
        assert!(!Build::parse("").features().post_quantum);
    }

    #[test]
    fn http2_has_a_directive_of_its_own_since_1_25_1() {
        for (version, has) in [
            ("nginx/1.25.1", true),
            ("nginx/1.25.0", false),
            ("nginx/1.30.4", true),
            ("nginx/2.0.0", true),
            ("nginx/1.22.1 (Ubuntu)", false),
            ("openresty/1.21.4.1", false),
            ("openresty/1.27.1.1", true),
            // Its own count; nginx 1.27 in fact.
            ("angie/1.8.1", true),
        ] {
            let build = Build::parse(&printed(version, "OpenSSL 3.5.1", ""));
            assert_eq!(build.features().http2_directive, has, "{version}");
        }
    }

    #[test]
    fn http3_is_there_if_its_module_was_built_in() {
        let with = "--prefix=/etc/nginx --with-http_v2_module --with-http_v3_module --with-stream";
        let parse = |arguments| Build::parse(&printed("nginx/1.28.0", "OpenSSL 3.5.1", arguments));
        assert!(parse(with).http3());
        assert!(!parse("--with-http_v2_module --with-http_v3_module_not").http3());
    }

    #[test]
    fn each_combination_has_a_text_of_its_own() {
        let texts = Texts::new(|features| Ok::<_, ()>(format!("{features:?}"))).unwrap();
        for features in Features::ALL {
            assert_eq!(texts.of(features), format!("{features:?}"));
        }
        assert_eq!(texts.newest(), texts.of(Features::new(true, true)));
    }
}
