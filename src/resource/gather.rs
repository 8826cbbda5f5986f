//! All facts of a host as one read-only script, and its output as [`Observed`].
//!
//! Sections are set apart by lines that begin with a nonce of this run, so that no file
//! and no tool can forge one.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::fact::{Docker, Fact, Family, File, Observed, Printed, Reveal, Unit, Unreadable};
use super::sha256;
use crate::shell::{Cmd, Script, quote};

const DOCKER: &str = include_str!("sh/docker.sh");
const FILES: &str = include_str!("sh/files.sh");

/// The unit by which systemd listens in sshd's place.
const SOCKET: &str = "ssh.socket";
/// Where scripts find what systemd said of it, if it was asked.
const SOCKET_VARIABLE: &str = "PROVISION_SSH_SOCKET";

/// The script that reads a set of facts.
#[derive(Clone, Debug)]
pub struct Gather {
    nonce: String,
    packages: Vec<String>,
    units: Vec<String>,
    files: Vec<(String, Vec<Reveal>)>,
    docker: bool,
    rules: Vec<Family>,
    scripts: Vec<(Script, Vec<String>)>,
}

impl Gather {
    /// Collects facts; those named twice are read once. `nonce` is a random word of letters
    /// and digits.
    pub fn new(nonce: impl Into<String>, facts: impl IntoIterator<Item = Fact>) -> Self {
        let mut gather = Self {
            nonce: nonce.into(),
            packages: Vec::new(),
            units: Vec::new(),
            files: Vec::new(),
            docker: false,
            rules: Vec::new(),
            scripts: Vec::new(),
        };
        let mut files: BTreeMap<String, BTreeSet<Reveal>> = BTreeMap::new();
        for fact in facts.into_iter().collect::<BTreeSet<_>>() {
            match fact {
                Fact::Package(name) => gather.packages.push(name),
                Fact::Unit(name) => gather.units.push(name),
                Fact::File { path, content } => {
                    files.entry(path).or_default().insert(content);
                }
                Fact::Docker => gather.docker = true,
                Fact::Rules(family) => gather.rules.push(family),
                Fact::Sh(script, args) => gather.scripts.push((script, args)),
            }
        }
        gather.files = files
            .into_iter()
            .map(|(p, r)| (p, r.into_iter().collect()))
            .collect();
        gather
    }

    /// How many facts it reads.
    pub fn len(&self) -> usize {
        self.packages.len()
            + self.units.len()
            + self.files.len()
            + usize::from(self.docker)
            + self.rules.len()
            + self.scripts.len()
    }

    /// Whether it reads nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a script takes what systemd says of ssh.socket from us: asking systemd twice would
    /// take longer than most of what is read.
    fn wants_socket(&self) -> bool {
        let takes = |(script, _): &(Script, Vec<String>)| script.0.contains(SOCKET_VARIABLE);
        self.scripts.iter().any(takes)
    }

    /// The units that systemd is asked for, in the order of its answers.
    fn asked_units(&self) -> Vec<String> {
        let mut units = self.units.clone();
        if self.wants_socket() {
            units.retain(|name| name != SOCKET);
            units.push(SOCKET.to_owned());
        }
        units
    }

    /// The script's text, to be fed to `sh -s` on stdin.
    pub fn script(&self) -> String {
        let mut body = String::new();
        if !self.packages.is_empty() {
            let cmd = Cmd::new("dpkg-query")
                .args([
                    "-W",
                    "-f",
                    "${Package}\\t${db:Status-Status}\\t${Version}\\n",
                    "--",
                ])
                .args(self.packages.iter().cloned());
            self.section(
                &mut body,
                "packages",
                &format!("{} 2>/dev/null", cmd.to_shell()),
            );
        }
        if !self.units.is_empty() {
            let mut cmd = Cmd::new("systemctl")
                .args([
                    "show",
                    "-p",
                    "LoadState,ActiveState,UnitFileState,NeedDaemonReload,Listen",
                    "--",
                ])
                .args(self.asked_units())
                .to_shell();
            if self.wants_socket() {
                // The last of the blocks is the socket's.
                cmd = format!(
                    "units=$({cmd}) && {{ printf '%s\\n' \"$units\"; {SOCKET_VARIABLE}=${{units##*\n\n}}; }}"
                );
            }
            self.section(&mut body, "units", &cmd);
        }
        if !self.files.is_empty() {
            let mut args = Vec::new();
            for (path, reveals) in &self.files {
                args.push(path.clone());
                args.push(wanted(reveals));
            }
            self.section(&mut body, "files", &in_subshell(FILES, &args));
        }
        for family in &self.rules {
            let (name, tool) = match family {
                Family::V4 => ("rules4", "iptables-save"),
                Family::V6 => ("rules6", "ip6tables-save"),
            };
            let cmd = format!(
                "if command -v {tool} >/dev/null; then {tool} -t filter; else (exit 127); fi"
            );
            self.section(&mut body, name, &cmd);
        }
        if self.docker {
            self.section(&mut body, "docker", &in_subshell(DOCKER, &[]));
        }
        for (at, (script, args)) in self.scripts.iter().enumerate() {
            self.section(&mut body, &format!("sh{at}"), &in_subshell(script.0, args));
        }
        // One compound command, so that the shell has read all of it before anything runs:
        // nothing here can swallow the rest of the script from stdin.
        format!(
            "LC_ALL=C; PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
             export LC_ALL PATH\n{{\n{body}printf '%s done\\n' {}\nexit 0\n}} </dev/null\n",
            self.nonce
        )
    }

    fn section(&self, body: &mut String, name: &str, command: &str) {
        let nonce = &self.nonce;
        body.push_str(&format!(
            "printf '%s begin {name}\\n' {nonce}\n{command}\nprintf '\\n%s end %s\\n' {nonce} $?\n"
        ));
    }

    /// Reads the script's output.
    ///
    /// # Errors
    /// If a section is missing or can't be understood.
    pub fn parse(&self, output: &[u8]) -> Result<Observed, Unreadable> {
        let text = String::from_utf8_lossy(output);
        let sections = self.sections(&text)?;
        let mut seen = Observed::default();
        let section = |name: &str| {
            sections
                .get(name)
                .ok_or_else(|| unreadable(name, "its section is missing from the answer"))
        };
        if !self.packages.is_empty() {
            let (status, text) = section("packages")?;
            if *status > 1 {
                return Err(unreadable(
                    "packages",
                    format!("dpkg-query ended with {status}"),
                ));
            }
            seen.packages = packages(text);
            seen.read
                .extend(self.packages.iter().map(|name| format!("package {name}")));
        }
        if !self.units.is_empty() {
            let (status, text) = section("units")?;
            if *status != 0 {
                return Err(unreadable(
                    "units",
                    format!("systemctl show ended with {status}"),
                ));
            }
            seen.units = units(&self.asked_units(), text)?;
        }
        if !self.files.is_empty() {
            let (_, text) = section("files")?;
            seen.files = self.parse_files(text)?;
        }
        for family in &self.rules {
            let name = if *family == Family::V4 {
                "rules4"
            } else {
                "rules6"
            };
            let (status, text) = section(name)?;
            match status {
                0 => {
                    seen.rules.insert(*family, text.clone());
                }
                // There is no such tool yet.
                127 => {}
                other => {
                    let why = format!("the tool that prints them ended with {other}");
                    return Err(unreadable(name, why));
                }
            }
            seen.read.insert(format!("rules {family:?}"));
        }
        if self.docker {
            let (status, text) = section("docker")?;
            seen.docker = match status {
                0 => Some(docker(text).map_err(|e| e.why)),
                3 => None,
                _ => Some(Err(text.trim().to_owned())),
            };
            seen.read.insert("docker".to_owned());
        }
        for (at, key) in self.scripts.iter().enumerate() {
            let (status, text) = section(&format!("sh{at}"))?;
            let text = text.trim_end_matches('\n').to_owned();
            seen.printed.insert(
                key.clone(),
                Printed {
                    status: *status,
                    text,
                },
            );
        }
        Ok(seen)
    }

    fn sections(&self, text: &str) -> Result<BTreeMap<String, (i32, String)>, Unreadable> {
        let mut sections = BTreeMap::new();
        let mut open: Option<(String, String)> = None;
        let mut done = false;
        for line in text.split_inclusive('\n') {
            let bare = line.trim_end_matches('\n');
            match bare.strip_prefix(&self.nonce).map(str::trim) {
                Some("done") => done = true,
                Some(mark) => {
                    if let Some(name) = mark.strip_prefix("begin ") {
                        open = Some((name.to_owned(), String::new()));
                    } else if let (Some(status), Some((name, mut body))) =
                        (mark.strip_prefix("end "), open.take())
                    {
                        let status = status
                            .parse()
                            .map_err(|_| unreadable(&name, "its exit status is not a number"))?;
                        // The newline that `section` puts before the end mark.
                        if body.ends_with('\n') {
                            body.pop();
                        }
                        sections.insert(name, (status, body));
                    }
                }
                None => {
                    if let Some((_, body)) = &mut open {
                        body.push_str(line);
                    }
                }
            }
        }
        if !done {
            return Err(unreadable("state", "the answer was cut off before its end"));
        }
        Ok(sections)
    }

    fn parse_files(&self, text: &str) -> Result<BTreeMap<String, Option<File>>, Unreadable> {
        let mut files: BTreeMap<String, Option<File>> = self
            .files
            .iter()
            .map(|(path, _)| (path.clone(), None))
            .collect();
        let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
        let (mut next, mut texts) = (Vec::new(), Vec::new());
        for line in text.lines().filter(|line| !line.is_empty()) {
            let bad = || unreadable("files", format!("unexpected line {line:?}"));
            let (kind, rest) = line.split_once(' ').ok_or_else(bad)?;
            match kind {
                "stat" => {
                    let fields: Vec<&str> = rest.splitn(6, '|').collect();
                    let [kind, mode, owner, modified, size, path] = fields.as_slice() else {
                        return Err(bad());
                    };
                    let mode = u32::from_str_radix(mode, 8).map_err(|_| bad())?;
                    let file = File {
                        kind: (*kind).to_owned(),
                        mode,
                        owner: owned(owner),
                        modified: modified.parse().map_err(|_| bad())?,
                        sha256: None,
                        content: None,
                    };
                    sizes.insert(path, size.parse().map_err(|_| bad())?);
                    files.insert((*path).to_owned(), Some(file));
                }
                "sum" => {
                    let (sum, path) = rest.split_once("  ").ok_or_else(bad)?;
                    if let Some(Some(file)) = files.get_mut(path) {
                        file.sha256 = Some(sum.to_owned());
                    }
                }
                "text" => {
                    let (encoded, path) = rest.split_once('|').ok_or_else(bad)?;
                    let content = BASE64.decode(encoded).map_err(|_| bad())?;
                    if let Some(Some(file)) = files.get_mut(path) {
                        file.content = Some(content);
                    }
                }
                "next" => next.push(rest),
                "texts" => texts = BASE64.decode(rest).map_err(|_| bad())?,
                _ => return Err(bad()),
            }
        }
        for (path, file) in &files {
            if file
                .as_ref()
                .is_some_and(|f| f.kind.starts_with("regular") && f.sha256.is_none())
            {
                return Err(unreadable(
                    &format!("file {path}"),
                    "exists but can't be read",
                ));
            }
        }
        // The texts of several files one after the other. Where one was written to meanwhile, a
        // piece isn't what its digest says.
        let mut texts = texts.as_slice();
        for path in next {
            let size = sizes.get(path).copied().unwrap_or_default();
            let (text, rest) = texts.split_at(size.min(texts.len()));
            texts = rest;
            match files.get_mut(path) {
                Some(Some(file)) if file.sha256.as_deref() == Some(sha256(text).as_str()) => {
                    file.content = Some(text.to_vec());
                }
                _ => {
                    let why = "was changed while it was read; try again";
                    return Err(unreadable(&format!("file {path}"), why));
                }
            }
        }
        Ok(files)
    }
}

/// An owner as resources name it: root by its name, everybody else by numbers.
fn owned(ids: &str) -> String {
    let name = |id: &str| if id == "0" { "root" } else { id }.to_owned();
    let names: Vec<String> = ids.split(':').map(name).collect();
    names.join(":")
}

fn unreadable(fact: &str, why: impl Into<String>) -> Unreadable {
    Unreadable {
        fact: fact.to_owned(),
        why: why.into(),
    }
}

/// A script of ours in a subshell with its arguments as `$1`, `$2`, …
fn in_subshell(script: &str, args: &[String]) -> String {
    let args: Vec<String> = args.iter().map(|arg| quote(arg)).collect();
    format!("(set -- {}\n{script}\n)", args.join(" "))
}

/// How files.sh is told what content to print: "-" none, "" all, else the known digests.
fn wanted(reveals: &[Reveal]) -> String {
    if reveals.contains(&Reveal::Always) {
        return String::new();
    }
    let sums: Vec<&str> = reveals
        .iter()
        .filter_map(|reveal| match reveal {
            Reveal::Unless(sum) => Some(sum.as_str()),
            _ => None,
        })
        .collect();
    match sums.as_slice() {
        [] => "-".to_owned(),
        // Two wishes for one file can't both be met by leaving it out: print it.
        [one] => (*one).to_owned(),
        _ => String::new(),
    }
}

fn packages(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split('\t');
            match (fields.next(), fields.next(), fields.next()) {
                (Some(name), Some("installed"), Some(version)) => {
                    Some((name.to_owned(), version.to_owned()))
                }
                _ => None,
            }
        })
        .collect()
}

fn units(names: &[String], text: &str) -> Result<BTreeMap<String, Unit>, Unreadable> {
    let blocks: Vec<&str> = text
        .split("\n\n")
        .filter(|block| !block.trim().is_empty())
        .collect();
    if blocks.len() != names.len() {
        return Err(unreadable(
            "units",
            format!(
                "asked systemd for {} units, it answered for {}",
                names.len(),
                blocks.len()
            ),
        ));
    }
    let mut units = BTreeMap::new();
    for (name, block) in names.iter().zip(blocks) {
        let mut unit = Unit::default();
        for line in block.lines() {
            match line.split_once('=') {
                Some(("LoadState", value)) => unit.load = value.to_owned(),
                Some(("ActiveState", value)) => unit.active = value.to_owned(),
                Some(("UnitFileState", value)) => unit.enabled = value.to_owned(),
                Some(("NeedDaemonReload", value)) => unit.stale = value == "yes",
                _ => {}
            }
        }
        units.insert(name.clone(), unit);
    }
    Ok(units)
}

fn docker(text: &str) -> Result<Docker, Unreadable> {
    let mut answers = text.lines().filter(|line| !line.trim().is_empty());
    let mut next = |what: &str| {
        answers
            .next()
            .ok_or_else(|| unreadable("docker", format!("its API gave no {what}")))
    };
    let bad = |what: &str| {
        let what = what.to_owned();
        move |e: serde_json::Error| unreadable("docker", format!("its list of {what}: {e}"))
    };
    let containers = serde_json::from_str(next("containers")?).map_err(bad("containers"))?;
    let networks = serde_json::from_str(next("networks")?).map_err(bad("networks"))?;
    let images = serde_json::from_str(next("images")?).map_err(bad("images"))?;
    Ok(Docker {
        containers,
        networks,
        images,
    })
}
