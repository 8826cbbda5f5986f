//! Steps of an operator's own, which need no Rust: their options stand in the playbook.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::input::{self, Document};
use crate::site::AbsolutePath;

/// The kinds there are, as `use` names them.
pub const KINDS: [&str; 4] = ["packages", "files", "command", "service"];

/// What an own step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Own {
    /// Installs Debian packages.
    Packages(Vec<String>),
    /// Puts files, each from a template that sees the site's values.
    Files(Vec<OwnFile>),
    /// Runs a command once, and again when it is written differently here.
    Command(Vec<String>),
    /// Enables and starts a systemd unit.
    Service(String),
}

/// A file of an own step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnFile {
    /// Where the template was read, for errors.
    pub template: PathBuf,
    /// Its text, in minijinja's grammar.
    pub text: String,
    /// Where the file goes.
    pub path: AbsolutePath,
    /// Permission bits.
    pub mode: u32,
}

/// The options of own steps, as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct RawOwn {
    install: Option<Spanned<Vec<Spanned<String>>>>,
    files: Option<Spanned<Vec<RawFile>>>,
    run: Option<Spanned<Vec<Spanned<String>>>>,
    unit: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct RawFile {
    template: Spanned<String>,
    to: Spanned<String>,
    mode: Option<Spanned<String>>,
}

/// What to write where a required key is missing.
pub(super) const EXAMPLES: [input::Example; 2] = [
    ("step.with.files", "template", "template = \"motd\""),
    ("step.with.files", "to", "to = \"/etc/motd\""),
];

/// The own step of this kind, or `None` if `kind` is a step that is built in.
pub(super) fn resolve(
    document: &Document,
    kind: &Spanned<String>,
    with: Option<&Spanned<RawOwn>>,
    base_dir: &Path,
) -> Result<Option<Own>, input::Error> {
    let name = kind.get_ref().as_str();
    let options = with.map(Spanned::get_ref);
    if !KINDS.contains(&name) {
        return match with {
            None => Ok(None),
            Some(with) => Err(document.mistake(
                with.span(),
                format!("the step {name:?} takes its options from site.toml"),
                "leave `with` out here",
            )),
        };
    }
    let needed = |example: &str| {
        let at = with.map_or_else(|| kind.span(), Spanned::span);
        document.mistake(
            at,
            format!("the step {name:?} doesn't say what"),
            format!("write with = {{ {example} }}"),
        )
    };
    let none = RawOwn::default();
    let RawOwn {
        install,
        files,
        run,
        unit,
    } = options.unwrap_or(&none);
    let given = [
        ("packages", install.as_ref().map(Spanned::span)),
        ("files", files.as_ref().map(Spanned::span)),
        ("command", run.as_ref().map(Spanned::span)),
        ("service", unit.as_ref().map(Spanned::span)),
    ];
    for (other, span) in given {
        if let (Some(span), true) = (span, other != name) {
            let what = format!("this is an option of the step {other:?}, not of {name:?}");
            return Err(document.mistake(span, what, "leave it out, or change `use`"));
        }
    }
    Ok(Some(match (name, install, files, run, unit) {
        ("packages", Some(names), ..) => Own::Packages(packages(document, names)?),
        ("files", _, Some(files), ..) => {
            let files = files
                .get_ref()
                .iter()
                .map(|file| read(document, file, base_dir));
            Own::Files(files.collect::<Result<_, _>>()?)
        }
        ("command", _, _, Some(words), _) if !words.get_ref().is_empty() => Own::Command(
            words
                .get_ref()
                .iter()
                .map(|word| word.get_ref().clone())
                .collect(),
        ),
        ("service", .., Some(unit)) => Own::Service(service(document, unit)?),
        ("packages", ..) => return Err(needed("install = [\"htop\"]")),
        ("files", ..) => {
            return Err(needed(
                "files = [{ template = \"motd\", to = \"/etc/motd\" }]",
            ));
        }
        ("command", ..) => return Err(needed("run = [\"timedatectl\", \"set-ntp\", \"true\"]")),
        _ => return Err(needed("unit = \"fail2ban.service\"")),
    }))
}

fn packages(
    document: &Document,
    names: &Spanned<Vec<Spanned<String>>>,
) -> Result<Vec<String>, input::Error> {
    // Debian Policy, section 5.6.7.
    let well_formed = |name: &str| {
        name.len() >= 2
            && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c))
    };
    for name in names.get_ref() {
        if !well_formed(name.get_ref()) {
            return Err(document.mistake(
                name.span(),
                format!("{:?} is not the name of a package", name.get_ref()),
                "lower-case letters, digits, + - and .",
            ));
        }
    }
    Ok(names
        .get_ref()
        .iter()
        .map(|name| name.get_ref().clone())
        .collect())
}

fn service(document: &Document, unit: &Spanned<String>) -> Result<String, input::Error> {
    let name = unit.get_ref();
    let well_formed = name.contains('.')
        && !name.starts_with('-')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ":-_.@".contains(c));
    if well_formed {
        return Ok(name.clone());
    }
    let what = format!("{name:?} is not the name of a unit");
    Err(document.mistake(
        unit.span(),
        what,
        "write it in full, such as \"fail2ban.service\"",
    ))
}

fn read(document: &Document, file: &RawFile, base_dir: &Path) -> Result<OwnFile, input::Error> {
    let path = AbsolutePath::new(file.to.get_ref().clone())
        .map_err(|e| document.mistake(file.to.span(), e.what, e.instead))?;
    let template = base_dir.join(file.template.get_ref());
    let text = std::fs::read_to_string(&template).map_err(|e| {
        document.mistake(
            file.template.span(),
            format!("the template {} can't be read: {e}", template.display()),
            "write its path relative to site.toml",
        )
    })?;
    let mode = match &file.mode {
        None => 0o644,
        Some(mode) => match u32::from_str_radix(mode.get_ref(), 8) {
            Ok(bits) if bits <= 0o7777 => bits,
            _ => {
                let what = format!("{:?} is not a mode", mode.get_ref());
                return Err(document.mistake(mode.span(), what, "write it in octal: \"0644\""));
            }
        },
    };
    Ok(OwnFile {
        template,
        text,
        path,
        mode,
    })
}
