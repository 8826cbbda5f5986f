//! Values whose grammar could break a file or a command they are written into. Each is
//! checked once, here, and is safe everywhere after.

use std::fmt;

use super::destination::Destination;

/// Why a value was refused, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct InvalidName {
    /// What is wrong, as a fragment: "a domain can't contain a quote".
    pub what: String,
    /// What to write instead.
    pub instead: String,
}

fn refuse(what: impl Into<String>, instead: impl Into<String>) -> InvalidName {
    InvalidName {
        what: what.into(),
        instead: instead.into(),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks and takes a value.
            ///
            /// # Errors
            /// What is wrong with it and what to write instead.
            pub fn new(value: impl Into<String>) -> Result<Self, InvalidName> {
                let value = value.into();
                $check(&value)?;
                Ok(Self(value))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A site's name: lower-case letters, digits and hyphens, at most 32, a letter first.
    /// It becomes directory, unit, container and Compose project names.
    SiteName, label);
name!(
    /// A host's name in site.toml; the same grammar as a site's. A host that no site.toml names
    /// goes by its destination.
    HostName, label);
name!(
    /// A login name as `useradd` takes it: letters, digits, `_` and `-`, at most 32.
    UserName, user);
name!(
    /// A fully qualified DNS name in ASCII (RFC 1123): no wildcard, no trailing dot.
    Domain, domain);
name!(
    /// An e-mail address, restricted to what certbot and Django both take.
    Email, email);
name!(
    /// An environment variable's name: letters, digits and `_`, not a digit first.
    EnvName, env_name);
name!(
    /// The path of a URL: begins with `/`, unreserved characters, `%XX` and `/` only.
    UrlPath, url_path);
name!(
    /// An absolute path on a server without `..`, spaces, quotes or control characters.
    AbsolutePath, absolute_path);
name!(
    /// An image reference (`nginx:1.28`, `registry.example:5000/team/app@sha256:…`).
    ImageRef, image_ref);

impl From<&Destination> for HostName {
    fn from(destination: &Destination) -> Self {
        Self(destination.to_string())
    }
}

fn label(value: &str) -> Result<(), InvalidName> {
    let ok = value.len() <= 32
        && value.starts_with(|c: char| c.is_ascii_lowercase())
        && !value.ends_with('-')
        && value
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if ok {
        return Ok(());
    }
    Err(refuse(
        format!("{value:?} can't be a name"),
        "lower-case letters, digits and hyphens, a letter first, at most 32 characters",
    ))
}

fn user(value: &str) -> Result<(), InvalidName> {
    let ok = (1..=32).contains(&value.len())
        && value.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && value
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
    if ok {
        return Ok(());
    }
    Err(refuse(
        format!("{value:?} can't be a login name"),
        "lower-case letters, digits, - and _, a letter or _ first, at most 32 characters",
    ))
}

fn domain(value: &str) -> Result<(), InvalidName> {
    if value.starts_with("*.") {
        return Err(refuse(
            format!(
                "{value:?} is a wildcard, which can't be proven by http-01 (it takes DNS-01, which provision doesn't do)"
            ),
            "every name in full: \"example.com\", \"www.example.com\"",
        ));
    }
    let labels: Vec<&str> = value.split('.').collect();
    let ok = value.len() <= 253
        && labels.len() >= 2
        && labels.iter().all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        })
        && !labels
            .last()
            .is_some_and(|top| top.chars().all(|c| c.is_ascii_digit()));
    if ok {
        return Ok(());
    }
    Err(refuse(
        format!("{value:?} is not a domain name"),
        "a name such as \"polls.example.com\": lower-case letters, digits, hyphens and dots (other scripts in their xn-- form)",
    ))
}

fn email(value: &str) -> Result<(), InvalidName> {
    let well_formed = |local: &str| {
        (1..=64).contains(&local.len())
            && local
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._%+-".contains(c))
    };
    match value.split_once('@') {
        Some((local, host)) if well_formed(local) && domain(&host.to_ascii_lowercase()).is_ok() => {
            Ok(())
        }
        _ => Err(refuse(
            format!("{value:?} is not an e-mail address"),
            "an address such as \"ops@example.com\"",
        )),
    }
}

fn env_name(value: &str) -> Result<(), InvalidName> {
    let ok = value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if ok {
        return Ok(());
    }
    Err(refuse(
        format!("{value:?} can't name an environment variable"),
        "letters, digits and _, not a digit first",
    ))
}

fn url_path(value: &str) -> Result<(), InvalidName> {
    let bytes = value.as_bytes();
    let escape = |at: usize| {
        bytes
            .get(at + 1..at + 3)
            .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    };
    let ok = value.starts_with('/')
        && !value.split('/').any(|part| part == "..")
        && bytes.iter().enumerate().all(|(at, c)| {
            c.is_ascii_alphanumeric() || b"/-._~".contains(c) || (*c == b'%' && escape(at))
        });
    if ok {
        return Ok(());
    }
    Err(refuse(
        format!("{value:?} is not the path of a URL"),
        "a path such as \"/polls/\"",
    ))
}

fn absolute_path(value: &str) -> Result<(), InvalidName> {
    let ok = value.starts_with('/')
        && value.len() > 1
        && !value.split('/').any(|part| part == "..")
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/-._+@".contains(c));
    if ok {
        return Ok(());
    }
    Err(refuse(
        format!("{value:?} is not an absolute path"),
        "a path such as \"/app/static\", without spaces",
    ))
}

fn image_ref(value: &str) -> Result<(), InvalidName> {
    let ok = value.starts_with(|c: char| c.is_ascii_alphanumeric())
        && value.len() <= 255
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/-._:@".contains(c))
        && !value.contains("//");
    if ok {
        return Ok(());
    }
    Err(refuse(
        format!("{value:?} is not an image reference"),
        "a reference such as \"nginx:1.28\"",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_that_could_break_nginx_or_a_shell_is_refused() {
        for bad in [
            "a\".example.com",
            "a.example.com\n",
            "a b.example",
            "*.example.com",
            "example",
            "a;b.example",
            "-a.example",
            "A.example.com",
            "1.2.3.4",
            "a..b",
            "$x.example",
        ] {
            assert!(Domain::new(bad).is_err(), "{bad:?}");
        }
        for good in [
            "polls.example.com",
            "xn--bcher-kva.example",
            "a1-b.example.co",
        ] {
            assert!(Domain::new(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn names_for_files_units_and_users_keep_to_their_grammar() {
        assert!(SiteName::new("polls-2").is_ok());
        for bad in ["", "Polls", "polls/..", "2polls", "polls-", "a.b", "über"] {
            assert!(SiteName::new(bad).is_err(), "{bad:?}");
        }
        assert!(UserName::new("_deploy").is_ok());
        assert!(UserName::new("root;id").is_err());
        assert!(EnvName::new("DJANGO_DEBUG").is_ok());
        assert!(EnvName::new("A=B").is_err());
    }

    #[test]
    fn paths_and_images_keep_to_their_grammar() {
        assert!(UrlPath::new("/polls/%7Eme/").is_ok());
        for bad in ["polls", "/a b", "/a\"", "/../x", "/%g1", "/a;b", "/a{b}"] {
            assert!(UrlPath::new(bad).is_err(), "{bad:?}");
        }
        assert!(AbsolutePath::new("/app/static").is_ok());
        assert!(AbsolutePath::new("/app/../etc").is_err());
        assert!(ImageRef::new("registry.example:5000/team/app@sha256:00ff").is_ok());
        assert!(ImageRef::new("nginx; rm").is_err());
    }

    #[test]
    fn an_email_is_one_address() {
        assert!(Email::new("ops+tls@example.com").is_ok());
        for bad in [
            "ops",
            "ops@",
            "a@b",
            "a b@example.com",
            "ops@example.com,x@example.com",
        ] {
            assert!(Email::new(bad).is_err(), "{bad:?}");
        }
    }
}
