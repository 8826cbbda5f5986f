//! What every part of site.toml is resolved with: the document to point into, the
//! directory paths are relative to, and the operator's environment.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::Role;
use super::name::InvalidName;
use super::raw::Text;
use crate::input::{Document, Error, alternatives, closest};

/// Looks a variable up in the operator's environment.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

pub(super) struct Reader<'a> {
    pub document: &'a Document,
    pub base: &'a Path,
    pub env: Lookup<'a>,
}

impl<'a> Reader<'a> {
    /// For this document, paths relative to this directory, and this environment.
    pub fn new(document: &'a Document, base: &'a Path, env: Lookup<'a>) -> Self {
        Self {
            document,
            base,
            env,
        }
    }

    /// A mistake at a place.
    pub fn wrong(
        &self,
        span: Range<usize>,
        what: impl Into<String>,
        instead: impl Into<String>,
    ) -> Error {
        self.document.mistake(span, what, instead)
    }

    /// A string through the check of its type.
    pub fn name<T>(
        &self,
        text: &Text,
        check: impl FnOnce(String) -> Result<T, InvalidName>,
    ) -> Result<T, Error> {
        check(text.get_ref().clone()).map_err(|wrong| {
            self.wrong(text.span(), wrong.what, format!("write {}", wrong.instead))
        })
    }

    /// An optional string through the check of its type.
    pub fn name_or<T>(
        &self,
        text: Option<&Text>,
        default: &str,
        check: impl Fn(String) -> Result<T, InvalidName>,
    ) -> Result<T, Error> {
        match text {
            Some(text) => self.name(text, check),
            // A default that its own type refuses would be a fault of this program; it is
            // shown as a mistake at the top of the file rather than by a panic.
            None => check(default.to_owned())
                .map_err(|wrong| self.wrong(0..0, wrong.what, wrong.instead)),
        }
    }

    /// A number within limits.
    pub fn within<T: Copy + PartialOrd + fmt::Display>(
        &self,
        key: &str,
        number: Option<&Spanned<T>>,
        default: T,
        limits: std::ops::RangeInclusive<T>,
    ) -> Result<T, Error> {
        match number {
            Some(number) if !limits.contains(number.get_ref()) => Err(self.wrong(
                number.span(),
                format!("`{key}` can't be {}", number.get_ref()),
                format!("write a number from {} to {}", limits.start(), limits.end()),
            )),
            Some(number) => Ok(*number.get_ref()),
            None => Ok(default),
        }
    }

    /// One word of a few.
    pub fn choice<T: Copy>(
        &self,
        text: &Text,
        what: &str,
        known: &[(&str, T)],
    ) -> Result<T, Error> {
        let word = text.get_ref();
        if let Some((_, value)) = known.iter().find(|(name, _)| name == word) {
            return Ok(*value);
        }
        let names = || known.iter().map(|(name, _)| *name);
        let instead = match closest(word, names()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("write {}", alternatives(names())),
        };
        Err(self.wrong(text.span(), format!("{word:?} is not {what}"), instead))
    }

    /// A role.
    pub fn role(&self, text: &Text) -> Result<Role, Error> {
        self.choice(text, "a role", &Role::ALL.map(|role| (role.as_str(), role)))
    }

    /// An address a host can have.
    pub fn address(&self, text: &Text) -> Result<IpAddr, Error> {
        let written = text.get_ref();
        let Ok(address) = written.parse::<IpAddr>() else {
            let (what, instead) = if written.contains('/') {
                (
                    "is a network, not an address",
                    "the host's address, without the `/…`",
                )
            } else if written.chars().any(|c| c.is_ascii_alphabetic()) && !written.contains(':') {
                (
                    "is a name: the firewall's rules need the address itself",
                    "the IP address it stands for, such as \"198.51.100.11\"",
                )
            } else {
                (
                    "is not an IP address",
                    "an address such as \"198.51.100.11\" or \"2001:db8::11\"",
                )
            };
            return Err(self.wrong(
                text.span(),
                format!("{written:?} {what}"),
                format!("write {instead}"),
            ));
        };
        let mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
        if address.is_unspecified() || address.is_multicast() || mapped {
            return Err(self.wrong(
                text.span(),
                format!("{written:?} can't be the address of a host"),
                "write the address it is reached at, such as \"198.51.100.11\"",
            ));
        }
        Ok(address)
    }

    /// A path: `~/` is the home directory, everything else is relative to site.toml.
    pub fn path(&self, text: &str) -> PathBuf {
        match (text.strip_prefix("~/"), (self.env)("HOME")) {
            (Some(rest), Some(home)) => Path::new(&home).join(rest),
            _ => self.base.join(text),
        }
    }

    /// A path that can't hold NUL, which no system call would take.
    pub fn checked_path(&self, text: &Text) -> Result<PathBuf, Error> {
        if text.get_ref().is_empty() || text.get_ref().contains('\0') {
            return Err(self.wrong(
                text.span(),
                format!("{:?} is not a path", text.get_ref()),
                "write a path, relative to this file or beginning with `/` or `~/`",
            ));
        }
        Ok(self.path(text.get_ref()))
    }

    /// The bytes of a file named in site.toml.
    pub fn file(&self, what: &str, text: &Text) -> Result<(PathBuf, Vec<u8>), Error> {
        let path = self.checked_path(text)?;
        // Not a pipe, which would be waited for; nor a directory, which opens but can't be read.
        let bytes = match fs::metadata(&path) {
            Ok(meta) if !meta.is_file() => Err(std::io::Error::other("it is not a file")),
            Ok(_) => fs::read(&path),
            Err(source) => Err(source),
        };
        bytes.map(|bytes| (path.clone(), bytes)).map_err(|source| {
            self.wrong(
                text.span(),
                format!("can't read {what} {}: {source}", path.display()),
                "write the path of a file that you can read, relative to this file or \
                 beginning with `/` or `~/`",
            )
        })
    }

    /// A warning if others than its owner can read a file of secrets.
    pub fn open_to_others(&self, text: &Text) -> Option<String> {
        let shown = text.get_ref();
        let meta = fs::metadata(self.path(shown)).ok()?;
        let mode = meta.permissions().mode() & 0o777;
        (mode & 0o077 != 0).then(|| {
            format!(
                "{shown} holds secrets, and others can read it (mode {mode:04o}): chmod 600 {shown}"
            )
        })
    }

    /// A variable of the operator's environment that site.toml asks for.
    pub fn variable(&self, text: &Text) -> Result<String, Error> {
        let name = text.get_ref();
        let value = (self.env)(name).ok_or_else(|| {
            self.wrong(
                text.span(),
                format!("the environment has no variable {name}"),
                format!("set it before you call provision: export {name}=…"),
            )
        })?;
        value.into_string().map_err(|_| {
            self.wrong(
                text.span(),
                format!("the value of the environment's {name} is not UTF-8"),
                "set it to text",
            )
        })
    }
}
