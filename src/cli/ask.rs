//! Answers for the SSH room: from where site.toml says a secret is kept, else from the
//! operator, else from `$SSH_ASKPASS`.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;

use tokio::process::Command;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Mutex, oneshot};

use super::prompt::{self, Interrupted, Prompt};
use crate::engine::Events;
use crate::shell::Secret;
use crate::site::{SecretSource, Site};
use crate::ssh::{Answer, Ask, Dialer, Keys, Note, Question, Unanswered};

/// What a host's secrets come from.
#[derive(Clone, Debug, Default)]
struct Sources {
    password: Option<SecretSource>,
    sudo: Option<SecretSource>,
}

/// How questions get to the operator.
pub(super) enum Way {
    /// In turn with the reports of a run.
    InTurn(UnboundedSender<Prompt>),
    /// At once: nothing else is on the terminal.
    AtOnce,
    /// Nobody sits there.
    Nobody,
}

/// The operator, at the terminal or through what they have set up.
pub(super) struct Operator {
    /// By host.
    sources: BTreeMap<String, Sources>,
    way: Way,
    /// Told of every answer, so that none is shown.
    events: Option<Events>,
    /// What was given for logins, by host and user.
    logins: Mutex<BTreeMap<(String, String), Secret>>,
    /// What was given for sudo, by user: asked for once, and offered to every host. Held while
    /// it is asked for, so that the others wait for the answer.
    sudo: Mutex<BTreeMap<String, Secret>>,
    /// What sources gave, by what they are.
    fetched: Mutex<BTreeMap<SecretSource, Secret>>,
    /// Held while a question is on the terminal, or a program asks it.
    turn: Mutex<()>,
}

impl Operator {
    pub(super) fn new(site: &Site, way: Way, events: Option<Events>) -> Self {
        let all = &site.ssh;
        let sources = site.hosts.values().map(|host| {
            let sources = Sources {
                password: host.password.clone().or_else(|| all.password.clone()),
                sudo: host
                    .sudo_password
                    .clone()
                    .or_else(|| all.sudo_password.clone()),
            };
            (host.name.to_string(), sources)
        });
        Self {
            sources: sources.collect(),
            way,
            events,
            logins: Mutex::default(),
            sudo: Mutex::default(),
            fetched: Mutex::default(),
            turn: Mutex::default(),
        }
    }

    /// What opens connections, with these answers and the operator's keys.
    pub(super) fn dialer(self, notes: Option<UnboundedSender<Note>>) -> Dialer {
        Dialer::new(Keys::from_env(), Arc::new(self), notes)
    }

    async fn answer(&self, question: &Question) -> Result<Secret, Unanswered> {
        let secret = match question {
            Question::Passphrase { key, again } => {
                let key = key.display();
                self.put(format!("{}passphrase of {key}: ", wrong(*again)), false)
                    .await
            }
            Question::Password { host, user, again } => {
                let source = self.sources.get(host).and_then(|s| s.password.as_ref());
                match source {
                    Some(source) if *again => Err(refused(source, user, host)),
                    Some(source) => self.fetch(source).await,
                    None => self.for_login(host, user, *again).await,
                }
            }
            Question::Prompt {
                host,
                user,
                instruction,
                prompt,
                echo,
            } => {
                let said = match instruction.trim() {
                    "" => String::new(),
                    said => format!("{said} "),
                };
                let text = format!("{user} on {host}: {said}{prompt}");
                self.put(text, *echo).await
            }
            Question::Sudo { host, user, again } => self.for_sudo(host, user, *again).await,
        }?;
        if let Some(events) = &self.events {
            events.hide(&secret);
        }
        Ok(secret)
    }

    /// One answer for all connections of a user to a host: a further one isn't asked for again.
    async fn for_login(&self, host: &str, user: &str, again: bool) -> Result<Secret, Unanswered> {
        let of = (host.to_owned(), user.to_owned());
        if !again && let Some(secret) = self.logins.lock().await.get(&of) {
            return Ok(secret.clone());
        }
        let text = format!("{}password of {user} on {host}: ", wrong(again));
        let secret = self.put(text, false).await?;
        self.logins.lock().await.insert(of, secret.clone());
        Ok(secret)
    }

    /// One answer for all hosts where the user has the same name, unless a host turns it down.
    async fn for_sudo(&self, host: &str, user: &str, again: bool) -> Result<Secret, Unanswered> {
        let source = self.sources.get(host).and_then(|s| s.sudo.as_ref());
        match source {
            Some(source) if again => return Err(refused(source, user, host)),
            Some(source) => return self.fetch(source).await,
            None => {}
        }
        let mut given = self.sudo.lock().await;
        if !again && let Some(secret) = given.get(user) {
            return Ok(secret.clone());
        }
        let text = format!("{}sudo password of {user} on {host}: ", wrong(again));
        let secret = self.put(text, false).await?;
        given.insert(user.to_owned(), secret.clone());
        Ok(secret)
    }

    /// Asks the operator.
    async fn put(&self, text: String, echo: bool) -> Result<Secret, Unanswered> {
        let nobody = matches!(self.way, Way::Nobody);
        if let Some(program) = askpass(nobody) {
            let _turn = self.turn.lock().await;
            let argv = [program.clone(), text];
            return printed(&argv, &format!("SSH_ASKPASS ({program})")).await;
        }
        match &self.way {
            Way::Nobody => Err(Unanswered::NoTerminal),
            Way::AtOnce => {
                let _turn = self.turn.lock().await;
                let asking = tokio::task::spawn_blocking(move || prompt::ask(&text, echo));
                match asking.await {
                    Ok(Ok(answer)) => answer,
                    Err(_) => Err(Unanswered::Cancelled),
                    // The signal itself ends it all.
                    Ok(Err(Interrupted)) => std::future::pending().await,
                }
            }
            Way::InTurn(prompts) => {
                let (reply, answer) = oneshot::channel();
                let prompt = Prompt { text, echo, reply };
                prompts.send(prompt).map_err(|_| Unanswered::Cancelled)?;
                answer.await.unwrap_or(Err(Unanswered::Cancelled))
            }
        }
    }

    /// Takes a secret from where it is kept, once a run.
    async fn fetch(&self, source: &SecretSource) -> Result<Secret, Unanswered> {
        let mut fetched = self.fetched.lock().await;
        if let Some(secret) = fetched.get(source) {
            return Ok(secret.clone());
        }
        let secret = match source {
            SecretSource::Env(name) => match std::env::var(name.as_str()) {
                Ok(value) if !value.is_empty() => Secret::new(value),
                _ => {
                    let name = name.as_str();
                    return Err(Unanswered::Failed(format!(
                        "the environment variable {name}, named in site.toml, is not set"
                    )));
                }
            },
            SecretSource::Command(argv) => printed(argv, &shown(source)).await?,
        };
        fetched.insert(source.clone(), secret.clone());
        Ok(secret)
    }
}

impl Ask for Operator {
    fn ask<'a>(&'a self, question: &'a Question) -> Answer<'a> {
        Box::pin(self.answer(question))
    }
}

fn wrong(again: bool) -> &'static str {
    if again { "wrong; " } else { "" }
}

/// Where a secret is kept, for people.
fn shown(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => format!("the environment variable {}", name.as_str()),
        SecretSource::Command(argv) => format!("`{}`", argv.join(" ")),
    }
}

fn refused(source: &SecretSource, user: &str, host: &str) -> Unanswered {
    Unanswered::Failed(format!(
        "{host} doesn't take the password that {} gives for {user}",
        shown(source)
    ))
}

/// The first line that a command prints.
async fn printed(argv: &[String], shown: &str) -> Result<Secret, Unanswered> {
    let failed = |why: String| Unanswered::Failed(format!("{shown} gives no password: {why}"));
    let Some((program, args)) = argv.split_first() else {
        return Err(failed("it is empty".to_owned()));
    };
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|e| failed(e.to_string()))?;
    let stdout = zeroize::Zeroizing::new(output.stdout);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("{}: {}", output.status, said.trim())));
    }
    let text = std::str::from_utf8(&stdout).map_err(|_| failed("it isn't UTF-8".to_owned()))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Secret::new(line)),
        _ => Err(failed("it printed nothing".to_owned())),
    }
}

/// The program of `$SSH_ASKPASS`, where it is to be asked: as ssh(1) has it, in place of a
/// missing terminal if there is a display, and otherwise as `$SSH_ASKPASS_REQUIRE` says.
fn askpass(nobody: bool) -> Option<String> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let display = || set("DISPLAY").is_some() || set("WAYLAND_DISPLAY").is_some();
    let wanted = match set("SSH_ASKPASS_REQUIRE").as_deref() {
        Some("never") => false,
        Some("force") => true,
        Some("prefer") => display(),
        _ => nobody && display(),
    };
    set("SSH_ASKPASS").filter(|_| wanted)
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    /// Asks these questions one after the other; gives back the answers and what was put to
    /// the operator, who answers "first", "second", ….
    async fn asked(questions: &[Question]) -> (Vec<String>, Vec<String>) {
        let (sender, mut prompts) = unbounded_channel::<Prompt>();
        let operator = Operator {
            sources: BTreeMap::new(),
            way: Way::InTurn(sender),
            events: None,
            logins: Mutex::default(),
            sudo: Mutex::default(),
            fetched: Mutex::default(),
            turn: Mutex::default(),
        };
        let answering = async {
            let mut put = Vec::new();
            let mut words = ["first", "second", "third"].into_iter();
            while let Some(prompt) = prompts.recv().await {
                put.push(prompt.text);
                let word = Secret::new(words.next().unwrap_or_default());
                prompt.reply.send(Ok(word)).unwrap();
            }
            put
        };
        let asking = async {
            let mut answers = Vec::new();
            for question in questions {
                answers.push(operator.ask(question).await.unwrap().reveal().to_owned());
            }
            drop(operator);
            answers
        };
        tokio::join!(asking, answering)
    }

    fn password(host: &str, again: bool) -> Question {
        Question::Password {
            host: host.to_owned(),
            user: "root".to_owned(),
            again,
        }
    }

    fn sudo(host: &str, again: bool) -> Question {
        Question::Sudo {
            host: host.to_owned(),
            user: "ops".to_owned(),
            again,
        }
    }

    #[tokio::test]
    async fn a_further_connection_to_a_host_isnt_asked_for_its_password_again() {
        let questions = [
            password("app1", false),
            password("app1", false),
            password("app2", false),
        ];
        let (answers, put) = asked(&questions).await;
        assert_eq!(answers, ["first", "first", "second"]);
        assert_eq!(put.len(), 2, "{put:?}");
    }

    #[tokio::test]
    async fn a_password_that_was_turned_down_is_asked_for_anew() {
        let questions = [password("app1", false), password("app1", true)];
        let (answers, put) = asked(&questions).await;
        assert_eq!(answers, ["first", "second"]);
        assert!(put[1].starts_with("wrong; "), "{put:?}");
    }

    #[tokio::test]
    async fn sudo_is_asked_for_once_unless_a_host_turns_it_down() {
        let questions = [sudo("app1", false), sudo("app2", false), sudo("app2", true)];
        let (answers, _) = asked(&questions).await;
        assert_eq!(answers, ["first", "first", "second"]);
    }
}
