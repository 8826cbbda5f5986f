//! TOKENS and ENVIRONMENT VARIABLES of ssh_config(5).

use std::fmt::Write as _;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::local::Local;

/// What the tokens stand for on the way to one host.
#[derive(Clone, Debug)]
pub(super) struct Names<'a> {
    pub(super) local: &'a Local,
    /// `%n`: the host as it was typed.
    pub(super) typed: &'a str,
    /// `%h`: the name or address that is connected to.
    pub(super) host: &'a str,
    /// `%p`
    pub(super) port: u16,
    /// `%r`: the user on the server.
    pub(super) user: &'a str,
    /// `%k`: HostKeyAlias, or the host.
    pub(super) key_alias: &'a str,
    /// `%j`: the host of the last jump, or nothing.
    pub(super) jump: &'a str,
}

impl Names<'_> {
    /// What a token stands for; `None` if it stands for nothing.
    pub(super) fn token(&self, token: char) -> Option<String> {
        let local = self.local;
        let text = match token {
            'C' => return Some(self.connection()),
            'L' => local.machine.split('.').next().unwrap_or_default(),
            'd' => return Some(local.tilde("~")),
            'h' => self.host,
            'i' => return Some(local.uid.to_string()),
            'j' => self.jump,
            'k' => self.key_alias,
            'l' => &local.machine,
            'n' => self.typed,
            'p' => return Some(self.port.to_string()),
            'r' => self.user,
            'u' => &local.user,
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// `%C`: the SHA-1 of %l%h%p%r%j, as hexadecimal digits.
    fn connection(&self) -> String {
        let (machine, port) = (&self.local.machine, self.port);
        let text = format!("{machine}{}{port}{}{}", self.host, self.user, self.jump);
        let sum = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        sum.as_ref().iter().fold(String::new(), |mut hex, byte| {
            // Writing to a String can't fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// Puts in what `%x` and, where `variable` is given, `${NAME}` stand for. `%%` is `%`.
///
/// # Errors
/// A token or a variable that stands for nothing, or has no end.
pub(super) fn expand(
    text: &str,
    token: impl Fn(char) -> Option<String>,
    variable: Option<Variable<'_>>,
) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['%', '$']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix('%') {
            let mut chars = after.chars();
            match chars.next() {
                Some('%') => out.push('%'),
                Some(c) => out.push_str(&token(c).ok_or_else(|| format!("%{c} isn't known here"))?),
                None => return Err("it ends in the middle of a token".to_owned()),
            }
            rest = chars.as_str();
            continue;
        }
        rest = &rest[1..];
        match (rest.strip_prefix('{'), variable) {
            (Some(after), Some(variable)) => {
                let (name, after) = after
                    .split_once('}')
                    .filter(|(name, _)| !name.is_empty())
                    .ok_or_else(|| "`${NAME}` isn't complete".to_owned())?;
                out.push_str(&variable(name).ok_or_else(|| format!("${{{name}}} isn't set"))?);
                rest = after;
            }
            _ => out.push('$'),
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// How a variable of the environment is looked up.
pub(super) type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Looks up a variable in our own environment.
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_stands_for_what_the_man_page_says() {
        let local = Local {
            user: "ann".to_owned(),
            uid: 1000,
            machine: "desk.example.org".to_owned(),
            home: "/home/ann".into(),
        };
        let names = Names {
            local: &local,
            typed: "web",
            host: "web.example.com",
            port: 2222,
            user: "deploy",
            key_alias: "alias",
            jump: "bastion",
        };
        let variable = |name: &str| (name == "KEYS").then(|| "/keys".to_owned());
        let all = |text: &str| expand(text, |c| names.token(c), Some(&variable));
        assert_eq!(
            all("%%|%d|%h|%i|%j|%k|%L|%l|%n|%p|%r|%u").unwrap(),
            "%|/home/ann|web.example.com|1000|bastion|alias|desk|desk.example.org|web|2222|deploy|ann"
        );
        assert_eq!(all("${KEYS}/id $HOME $").unwrap(), "/keys/id $HOME $");
        assert_eq!(all("%C").unwrap().len(), 40);
        assert_eq!(all("%x").unwrap_err(), "%x isn't known here");
        assert_eq!(all("${NOT}").unwrap_err(), "${NOT} isn't set");
        for text in ["%", "${", "${}", "${KEYS"] {
            assert!(all(text).is_err(), "{text}");
        }
        assert_eq!(expand("${KEYS}%%", |_| None, None).unwrap(), "${KEYS}%");
    }

    #[test]
    fn what_is_put_in_is_not_expanded_again() {
        let token = |_: char| Some("%h${KEYS}".to_owned());
        let variable = |_: &str| Some("%n".to_owned());
        assert_eq!(
            expand("%n${A}", token, Some(&variable)).unwrap(),
            "%h${KEYS}%n"
        );
    }

    #[test]
    fn the_environment_is_asked_for_no_impossible_name() {
        assert_eq!(environment("A=B"), None);
        assert_eq!(environment("A\0B"), None);
        assert_eq!(environment(""), None);
        assert!(environment("PATH").is_some());
    }
}
