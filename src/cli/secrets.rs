//! `provision secrets`: makes, shows the names of, and changes what lies in the secrets file.

use std::fs::{self, File};
use std::io::{IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::vault::{Opener, typed};
use super::{Error, prompt, run};
use crate::secrets::{self, Clear, Kind, generate};
use crate::shell::Secret;
use crate::site::{Asked, EnvName, Held, asked, held};

/// What is done with the secrets file.
#[derive(Clone, Debug, Args)]
pub struct SecretsArgs {
    /// The site
    #[arg(default_value = "site.toml")]
    file: PathBuf,
    #[command(flatten)]
    what: What,
}

/// One thing, or none: then what is missing is made or asked for.
#[derive(Clone, Debug, Args)]
#[group(multiple = false)]
struct What {
    /// Show which values there are and where each comes from, and no value
    #[arg(long)]
    list: bool,
    /// Set a value: typed without being shown, or read from stdin
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
    /// Set a value to a new random one
    #[arg(long, value_name = "NAME")]
    generate: Option<String>,
    /// Change the file in $VISUAL or $EDITOR
    #[arg(long)]
    edit: bool,
    /// Lock the file anew for the recipients that site.toml names now
    #[arg(long)]
    rekey: bool,
}

/// The secrets file, opened.
struct Book {
    asked: Asked,
    opener: Opener,
    /// As it lies there.
    locked: Option<Vec<u8>>,
    text: Secret,
    held: Vec<Held>,
}

pub(super) fn run(args: &SecretsArgs) -> Result<u8, Error> {
    let mut book = Book::open(&args.file)?;
    let what = &args.what;
    if what.list {
        book.list();
        return Ok(0);
    }
    if let Some(name) = &what.set {
        let name = named(name)?;
        let value = match std::io::stdin().is_terminal() {
            true => twice(&name)?,
            false => from_stdin()?,
        };
        book.put(&name, &value)?;
    } else if let Some(name) = &what.generate {
        let name = named(name)?;
        let value = generate(Kind::of(name.as_str()))?;
        book.put(&name, &value)?;
    } else if what.edit {
        return book.edit();
    } else if what.rekey {
        if book.locked.is_none() {
            return Err(book.wrong("it isn't there; `provision secrets` makes it"));
        }
    } else {
        return book.complete();
    }
    book.save()?;
    anstream::println!("{} is written", book.file().display());
    Ok(0)
}

fn named(name: &str) -> Result<EnvName, Error> {
    EnvName::new(name.to_owned()).map_err(|wrong| Error::Secrets {
        file: PathBuf::from("--set"),
        why: format!("{}: write {}", wrong.what, wrong.instead),
    })
}

fn from_stdin() -> Result<Secret, Error> {
    let mut text = zeroize::Zeroizing::new(String::new());
    let read = std::io::stdin().lock().read_to_string(&mut text);
    let wrong = |why: String| Error::Secrets {
        file: PathBuf::from("stdin"),
        why,
    };
    read.map_err(|e| wrong(e.to_string()))?;
    match text.strip_suffix('\n').unwrap_or(&text) {
        "" => Err(wrong("it is empty".to_owned())),
        value if value.contains('\0') => Err(wrong("it holds a NUL".to_owned())),
        value => Ok(Secret::new(value)),
    }
}

/// Typed twice, since it can't be seen.
fn twice(name: &EnvName) -> Result<Secret, Error> {
    let wrong = |why: &str| Error::Secrets {
        file: PathBuf::from(name.as_str()),
        why: why.to_owned(),
    };
    let first = typed(&format!("{name}: ")).ok_or_else(|| wrong("no value was given"))?;
    let second = typed(&format!("{name}, again: "));
    match second {
        Some(second) if second == first => Ok(first),
        _ => Err(wrong("the two values are not the same")),
    }
}

impl Book {
    fn open(site: &Path) -> Result<Self, Error> {
        let asked = asked(site)?;
        let opener = Opener::default();
        let file = &asked.secrets.file;
        let locked = match fs::read(file) {
            Ok(locked) => Some(locked),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => {
                let (what, file) = ("read", file.clone());
                return Err(secrets::Error::File { what, file, source }.into());
            }
        };
        let text = match &locked {
            Some(locked) => opener.unlock(&asked.secrets, locked)?,
            None => Secret::new(""),
        };
        let held = held(&asked.secrets.file, &text)?;
        Ok(Self {
            asked,
            opener,
            locked,
            text,
            held,
        })
    }

    fn file(&self) -> &Path {
        &self.asked.secrets.file
    }

    fn wrong(&self, why: impl Into<String>) -> Error {
        Error::Secrets {
            file: self.file().to_owned(),
            why: why.into(),
        }
    }

    fn holds(&self, name: &EnvName) -> Option<&Held> {
        self.held.iter().find(|held| held.name == *name)
    }

    fn put(&mut self, name: &EnvName, value: &Secret) -> Result<(), Error> {
        let lines = self.holds(name).map(|held| held.lines.clone());
        self.text = secrets::put(&self.text, name.as_str(), value, lines);
        self.held = held(self.file(), &self.text)?;
        Ok(())
    }

    /// Where each value comes from.
    fn list(&self) {
        let names = self.asked.names.iter();
        let others = self.held.iter().map(|held| &held.name);
        let others = others.filter(|name| !self.asked.names.contains(name));
        let all: Vec<(&EnvName, bool)> = names
            .map(|name| (name, true))
            .chain(others.map(|name| (name, false)))
            .collect();
        let width = all
            .iter()
            .map(|(name, _)| name.as_str().len())
            .max()
            .unwrap_or(0);
        for (name, used) in all {
            let place = match self.origin(name) {
                Some(place) => place,
                None => "missing: `provision secrets` asks for it or makes it".to_owned(),
            };
            let unused = if used {
                ""
            } else {
                ", and site.toml doesn't ask for it"
            };
            anstream::println!("{:width$}  {place}{unused}", name.as_str());
        }
    }

    fn origin(&self, name: &EnvName) -> Option<String> {
        if self.asked.secrets.from.contains_key(name) {
            return Some("[secrets.from]".to_owned());
        }
        if self.holds(name).is_some() {
            let file = self.file().file_name().unwrap_or_default();
            return Some(file.to_string_lossy().into_owned());
        }
        let set = std::env::var_os(name.as_str()).is_some();
        set.then(|| "your environment".to_owned())
    }

    /// Makes what can be made, and asks for the rest.
    fn complete(mut self) -> Result<u8, Error> {
        let missing: Vec<EnvName> = self
            .asked
            .names
            .iter()
            .filter(|name| self.origin(name).is_none())
            .cloned()
            .collect();
        let mut left = Vec::new();
        let mut told = Vec::new();
        for name in missing {
            let own = self.asked.own.contains(&name);
            let value = match Kind::of(name.as_str()) {
                // Nobody else has to know it.
                kind @ Kind::Key => Some((generate(kind)?, "made")),
                kind @ Kind::Password if own => Some((generate(kind)?, "made")),
                Kind::Password if prompt::somebody() => {
                    typed(&format!("{name} (empty to leave it out): ")).map(|v| (v, "taken"))
                }
                Kind::Password => None,
            };
            match value {
                Some((value, how)) => {
                    self.put(&name, &value)?;
                    told.push(format!("{name} {how}"));
                }
                None => left.push(name.to_string()),
            }
        }
        if !told.is_empty() {
            self.save()?;
            anstream::println!("{}: {}", self.file().display(), told.join(", "));
        } else if left.is_empty() {
            anstream::println!("nothing is missing");
        }
        if left.is_empty() {
            return Ok(0);
        }
        Err(self.wrong(format!(
            "it has no value for {}; set each with `provision secrets --set NAME`, or have a random \
             one made with --generate NAME",
            left.join(", ")
        )))
    }

    /// Locks the text and puts it in place of what was there.
    fn save(&mut self) -> Result<(), Error> {
        let recipients = self
            .opener
            .recipients(&self.asked.secrets, self.locked.as_deref())?;
        let locked = secrets::lock(&self.text, &recipients)?;
        // Whoever locks themselves out would notice it too late.
        let opened = self.opener.unlock(&self.asked.secrets, locked.as_bytes());
        if let Err(error) = opened {
            return Err(self.wrong(format!(
                "you could not open it any more: {error}; add your own key to `recipients`"
            )));
        }
        let now = fs::read(self.file()).ok();
        if now != self.locked {
            return Err(self.wrong("somebody else has changed it meanwhile; try again"));
        }
        self.replace(locked.as_bytes())
            .map_err(|source| secrets::Error::File {
                what: "write",
                file: self.file().to_owned(),
                source,
            })?;
        self.locked = Some(locked.into_bytes());
        Ok(())
    }

    fn replace(&self, locked: &[u8]) -> std::io::Result<()> {
        let mut part = self.file().as_os_str().to_owned();
        part.push(format!(".part-{}", std::process::id()));
        let part = PathBuf::from(part);
        let written = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .and_then(|mut file| file.write_all(locked).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&part, self.file()));
        if written.is_err() {
            let _gone = fs::remove_file(&part);
        }
        written
    }

    /// In the operator's editor, until it can be read or they give up.
    fn edit(mut self) -> Result<u8, Error> {
        let memory = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let memory = Clear::memory(memory).map_err(|e| self.wrong(e.to_string()))?;
        let text = match self.text.reveal() {
            "" => Secret::new("# NAME=value, one a line; quotes for what a line can't hold.\n"),
            _ => self.text.clone(),
        };
        let clear = Clear::new(&memory, "secrets.env", &text)?;
        let runtime = run::runtime()?;
        loop {
            runtime
                .block_on(editor(clear.path()))
                .map_err(|why| self.wrong(why))?;
            let text = clear.text()?;
            if text == self.text {
                anstream::println!("nothing was changed");
                return Ok(0);
            }
            match held(clear.path(), &text) {
                Ok(held) => {
                    (self.text, self.held) = (text, held);
                    self.save()?;
                    anstream::println!("{} is written", self.file().display());
                    return Ok(0);
                }
                Err(error) => {
                    anstream::eprintln!("{error}");
                    let again = prompt::somebody()
                        && runtime
                            .block_on(prompt::confirmed("edit it again?"))
                            .unwrap_or(false);
                    if !again {
                        return Err(self.wrong("nothing was changed"));
                    }
                }
            }
        }
    }
}

/// Runs the operator's editor on a file. A signal that would end this program ends the editor
/// first, so that the clear text is taken away.
async fn editor(file: &Path) -> Result<(), String> {
    let named = ["VISUAL", "EDITOR"].into_iter();
    let named = named.filter_map(|name| std::env::var(name).ok());
    let line = named.into_iter().find(|line| !line.trim().is_empty());
    let line = line.unwrap_or_else(|| "vi".to_owned());
    let words = shlex::split(&line).filter(|words| !words.is_empty());
    let words = words.ok_or_else(|| format!("$EDITOR can't be understood: {line}"))?;
    let heard = |kind| signal(kind).map_err(|e| format!("signals can't be heard: {e}"));
    // Ctrl-C is the editor's to understand.
    let mut interrupt = heard(SignalKind::interrupt())?;
    let (mut term, mut hangup) = (
        heard(SignalKind::terminate())?,
        heard(SignalKind::hangup())?,
    );
    let mut child = tokio::process::Command::new(&words[0])
        .args(&words[1..])
        .arg(file)
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| format!("the editor {} can't be started: {e}; set $EDITOR", words[0]))?;
    loop {
        tokio::select! {
            done = child.wait() => {
                let status = done.map_err(|e| e.to_string())?;
                return match status.success() {
                    true => Ok(()),
                    false => Err(format!("the editor ended with {status}; nothing was changed")),
                };
            }
            _ = interrupt.recv() => {}
            _ = term.recv() => return Err("ended by a signal; nothing was changed".to_owned()),
            _ = hangup.recv() => return Err("the terminal is gone; nothing was changed".to_owned()),
        }
    }
}
