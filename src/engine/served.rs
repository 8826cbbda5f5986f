//! What a proxy has to serve: the certificate on file, and the port of HTTP/3.

use crate::proof::Filed;
use crate::shell::Script;
use crate::site::{Host, Site};
use crate::step;
use crate::vantage::Certificate;

/// The script that says it, for arguments as [`arguments`] makes them.
pub(super) const SCRIPT: Script = Script(include_str!("sh/tls.sh"));

/// What the script needs of a host.
pub(super) fn arguments(site: &Site, host: &Host) -> [String; 2] {
    let serving = step::serving(site, host);
    let proxy = host.roles.contains(&crate::site::Role::Proxy);
    [
        serving.certificate.filter(|_| proxy).unwrap_or_default(),
        match site.proxy.http3 {
            true => serving.container,
            false => String::new(),
        },
    ]
}

/// What a proxy said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Served {
    /// The certificate on file in PEM.
    pub pem: Option<String>,
    /// Whether Docker publishes 443/udp.
    pub udp: Option<bool>,
}

impl Served {
    pub(super) fn parse(printed: &str) -> Self {
        let (lines, pem) = match printed.find("-----BEGIN CERTIFICATE-----") {
            Some(at) => (&printed[..at], Some(printed[at..].to_owned())),
            None => (printed, None),
        };
        let udp = lines.lines().find_map(|line| line.strip_prefix("udp="));
        Self {
            pem,
            udp: match udp.map(str::trim) {
                Some("published") => Some(true),
                Some("no") => Some(false),
                _ => None,
            },
        }
    }

    /// The certificate on file, of which the path is known.
    pub(super) fn filed(&self, path: &str) -> Filed {
        let Some(pem) = &self.pem else {
            return Filed::Nothing(path.to_owned());
        };
        match Certificate::from_pem(pem) {
            Some(certificate) => Filed::Certificate(certificate.sha256),
            None => Filed::Unknown(format!("{path} can't be parsed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_proxy_says_is_read_whatever_is_missing() {
        let served =
            Served::parse("udp=no\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----");
        assert_eq!(served.udp, Some(false));
        assert!(matches!(served.filed("/x"), Filed::Unknown(_)));
        assert_eq!(Served::parse("udp=published").udp, Some(true));
        let nothing = Served::parse("");
        assert_eq!(nothing, Served::default());
        assert_eq!(nothing.filed("/x"), Filed::Nothing("/x".to_owned()));
    }
}
