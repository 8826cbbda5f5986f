//! playbooks/*.toml: which steps there are, in which order, and on which hosts.
//!
//! A playbook is order and never values: it has no addresses, no ports, no secrets, no
//! conditions and no loops. On one host the steps run as they are written; across hosts
//! nothing waits unless `after` says so.

mod own;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::input::{self, Document, Example, Words, alternatives, closest};
use crate::site::{Role, SiteName};

pub use own::{KINDS, Own, OwnFile};

/// Steps in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Playbook {
    /// The shipped playbook's name, or the path of an own one.
    pub name: String,
    /// What it leads to, in a sentence; may be empty.
    pub description: String,
    /// The steps, in the order written. At least one.
    pub steps: Vec<Entry>,
}

/// One step of a playbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The step's name; of an operator's own step, the name that it is given.
    pub step: String,
    /// What it does, if it is an operator's own.
    pub own: Option<Own>,
    /// The roles it runs on; empty means every host.
    pub on: Vec<Role>,
    /// Whether it is left out where no host has one of its roles.
    pub optional: bool,
    /// Earlier steps that must be done on every host that has them.
    pub after: Vec<String>,
    /// How it goes over several hosts.
    pub rollout: Rollout,
    /// The line it is written on, from 1.
    pub line: usize,
}

/// How a step goes over several hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rollout {
    /// On all at the same time.
    #[default]
    Together,
    /// On one after another, in the order of their names.
    OneByOne,
}

/// Why a playbook can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It can't be read, or something in it is wrong.
    #[error(transparent)]
    Input(#[from] input::Error),
    /// No playbook of this name is shipped.
    #[error(
        "there is no playbook {name:?}; {hint}shipped: {}; a path of your own contains a `/` or ends in .toml",
        shipped.join(", ")
    )]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// "did you mean …? ", or nothing.
        hint: String,
        /// The names there are.
        shipped: Vec<&'static str>,
    },
}

/// The playbooks that are part of this program: name and text.
pub const SHIPPED: &[(&str, &str)] = &[
    (
        "django-scaled",
        include_str!("../../playbooks/django-scaled.toml"),
    ),
    (
        "django-single",
        include_str!("../../playbooks/django-single.toml"),
    ),
    (
        "django-uwsgi",
        include_str!("../../playbooks/django-uwsgi.toml"),
    ),
];

/// A playbook by its shipped name, or by its path (a name with a `/` in it, or that ends
/// in .toml), relative to `base_dir`.
///
/// # Errors
/// There is no such playbook, it can't be read, or the first mistake in it.
pub fn load(name: &str, base_dir: &Path, known_steps: &[&str]) -> Result<Playbook, Error> {
    if let Some((_, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        let document = Document::new(format!("playbooks/{name}.toml"), *text);
        return Ok(parse(name, &document, base_dir, known_steps)?);
    }
    if name.contains('/') || name.ends_with(".toml") {
        let path: PathBuf = base_dir.join(name);
        let document = Document::open(&path, "write the path relative to site.toml")?;
        return Ok(parse(name, &document, base_dir, known_steps)?);
    }
    let shipped: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
    let hint = closest(name, shipped.iter().copied())
        .map_or_else(String::new, |meant| format!("did you mean {meant}? "));
    Err(Error::Unknown {
        name: name.to_owned(),
        hint,
        shipped,
    })
}

/// A playbook from its text. Templates of own steps are read relative to `base_dir`.
///
/// # Errors
/// The first mistake in it.
pub fn parse(
    name: &str,
    document: &Document,
    base_dir: &Path,
    known_steps: &[&str],
) -> Result<Playbook, input::Error> {
    const EXAMPLES: &[Example] = &[
        ("", "step", "[[step]]\nuse = \"preflight\""),
        ("step", "use", "use = \"preflight\""),
        own::EXAMPLES[0],
        own::EXAMPLES[1],
    ];
    let raw: RawPlaybook = document.read(EXAMPLES)?;
    let mut steps: Vec<Entry> = Vec::new();
    for raw_step in &raw.step {
        let entry = entry(document, raw_step, &raw, &steps, known_steps, base_dir)?;
        steps.push(entry);
    }
    if steps.is_empty() {
        return Err(document.mistake(
            0..0,
            "this playbook has no steps",
            "add one:\n[[step]]\nuse = \"preflight\"",
        ));
    }
    Ok(Playbook {
        name: name.to_owned(),
        description: raw.description.unwrap_or_default(),
        steps,
    })
}

fn entry(
    document: &Document,
    raw: &RawStep,
    playbook: &RawPlaybook,
    earlier: &[Entry],
    known_steps: &[&str],
    base_dir: &Path,
) -> Result<Entry, input::Error> {
    let kind = raw.step.get_ref();
    let known = || known_steps.iter().copied().chain(KINDS);
    if !known().any(|known| known == kind) {
        let instead = match closest(kind, known()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("write {}", alternatives(known())),
        };
        let what = format!("there is no step {kind:?}");
        return Err(document.mistake(raw.step.span(), what, instead));
    }
    let own = own::resolve(document, &raw.step, raw.with.as_ref(), base_dir)?;
    let step = &named(document, raw, own.is_some(), known_steps)?;
    let line = document.position(raw.step.span().start).0;
    if let Some(first) = earlier.iter().find(|entry| entry.step == *step) {
        return Err(document.mistake(
            raw.step.span(),
            format!("the step {step:?} is already on line {}", first.line),
            if own.is_some() {
                "give it a `name` of its own"
            } else {
                "leave one of them out"
            },
        ));
    }
    let after = raw.after.as_ref().map(Words::list).unwrap_or_default();
    Ok(Entry {
        step: step.clone(),
        own,
        on: roles(document, raw)?,
        optional: raw.optional.unwrap_or_default(),
        after: after
            .iter()
            .map(|name| waits_for(document, name, step, playbook, earlier))
            .collect::<Result<_, _>>()?,
        rollout: rollout(document, raw.rollout.as_ref())?,
        line,
    })
}

/// What the step goes by: an own step may be given a name, a built-in one has its own.
fn named(
    document: &Document,
    raw: &RawStep,
    own: bool,
    known_steps: &[&str],
) -> Result<String, input::Error> {
    let Some(name) = &raw.name else {
        return Ok(raw.step.get_ref().clone());
    };
    let wrong = |what: String, instead: &str| Err(document.mistake(name.span(), what, instead));
    if !own {
        let what = format!("the step {:?} has its name already", raw.step.get_ref());
        return wrong(what, "leave `name` out");
    }
    if known_steps.contains(&name.get_ref().as_str()) {
        let what = format!(
            "{:?} is the name of a step that is built in",
            name.get_ref()
        );
        return wrong(what, "give it another name");
    }
    match SiteName::new(name.get_ref().clone()) {
        Ok(name) => Ok(name.to_string()),
        Err(e) => wrong(e.what, &e.instead),
    }
}

fn waits_for(
    document: &Document,
    name: &Spanned<String>,
    step: &str,
    playbook: &RawPlaybook,
    earlier: &[Entry],
) -> Result<String, input::Error> {
    let wanted = name.get_ref();
    if earlier.iter().any(|entry| entry.step == *wanted) {
        return Ok(wanted.clone());
    }
    let later = playbook
        .step
        .iter()
        .find(|other| other.name.as_ref().unwrap_or(&other.step).get_ref() == wanted);
    Err(match later {
        Some(other) if wanted != step => document.clash(
            name.span(),
            other.step.span(),
            "it is here",
            format!("{step:?} can't wait for {wanted:?}, which comes later"),
            format!("write the step {wanted:?} before {step:?}"),
        ),
        Some(_) => document.mistake(
            name.span(),
            format!("{step:?} can't wait for itself"),
            "leave it out",
        ),
        None => {
            let names = earlier.iter().map(|entry| entry.step.as_str());
            let instead = match closest(wanted, names) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("add the step {wanted:?} before {step:?}, or leave it out here"),
            };
            let what = format!("{step:?} can't wait for {wanted:?}, which isn't in this playbook");
            document.mistake(name.span(), what, instead)
        }
    })
}

fn roles(document: &Document, raw: &RawStep) -> Result<Vec<Role>, input::Error> {
    const ALL: &str = "all";
    let Some(on) = &raw.on else {
        return Ok(Vec::new());
    };
    let list = Words::list(on);
    let words = || Role::ALL.map(Role::as_str).into_iter().chain([ALL]);
    let mut roles = Vec::new();
    for word in &list {
        let written = word.get_ref();
        if written == ALL && list.len() == 1 {
            return Ok(Vec::new());
        }
        match Role::ALL.into_iter().find(|role| role.as_str() == written) {
            Some(role) if roles.contains(&role) => {
                let what = format!("the role {written:?} is named twice");
                return Err(document.mistake(word.span(), what, "leave one of them out"));
            }
            Some(role) => roles.push(role),
            None if written == ALL => {
                return Err(document.mistake(
                    word.span(),
                    "\"all\" is every host already",
                    "write on = \"all\" alone",
                ));
            }
            None => {
                let instead = match closest(written, words()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("write {}", alternatives(words())),
                };
                let what = format!("{written:?} is not a role");
                return Err(document.mistake(word.span(), what, instead));
            }
        }
    }
    if roles.is_empty() {
        return Err(document.mistake(
            on.span(),
            format!("the step {:?} runs nowhere", raw.step.get_ref()),
            format!("write {} at `on`", alternatives(words())),
        ));
    }
    Ok(roles)
}

fn rollout(document: &Document, raw: Option<&Spanned<String>>) -> Result<Rollout, input::Error> {
    const KNOWN: [(&str, Rollout); 2] = [
        ("together", Rollout::Together),
        ("one-by-one", Rollout::OneByOne),
    ];
    let Some(word) = raw else {
        return Ok(Rollout::default());
    };
    let found = KNOWN.iter().find(|(name, _)| name == word.get_ref());
    found.map(|(_, rollout)| *rollout).ok_or_else(|| {
        document.mistake(
            word.span(),
            format!("{:?} is not a rollout", word.get_ref()),
            format!("write {}", alternatives(KNOWN.map(|(name, _)| name))),
        )
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct RawPlaybook {
    description: Option<String>,
    step: Vec<RawStep>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct RawStep {
    #[serde(rename = "use")]
    step: Spanned<String>,
    /// What an own step goes by; there may be several of a kind.
    name: Option<Spanned<String>>,
    on: Option<Spanned<Words>>,
    after: Option<Spanned<Words>>,
    rollout: Option<Spanned<String>>,
    optional: Option<bool>,
    /// The options of an own step.
    with: Option<Spanned<own::RawOwn>>,
}
