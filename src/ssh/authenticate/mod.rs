//! Logging in: keys first, then what the server asks, then a password, as ssh(1) orders them.
//!
//! - `publickey`: one key after the other; `prompts`: keyboard-interactive and password
//! - `stopwatch`: how long it took, the operator's own time not counted
//!
//! Where there are keys, the first of them is what the server hears first: asking with `none`
//! for the methods it takes would cost a round trip, and a refused key tells them as well.

mod prompts;
mod publickey;
mod stopwatch;

use std::collections::VecDeque;
use std::time::Duration;

use russh::MethodKind;
use russh::client::{AuthResult, Handle};
use tokio::time::timeout;

use super::fault::Fault;
use super::handler::{Handler, Said};
use super::keys::{Candidate, Candidates};
use super::shared::Shared;
use super::target::Target;
use crate::shell::Secret;
use stopwatch::Stopwatch;

/// A server may want several things one after the other (AuthenticationMethods). One that wants
/// more than these plays with us.
const MOST_FACTORS: usize = 5;

/// What will be tried, gathered before anything is sent.
pub(super) struct Login(Candidates);

/// Gathers what there is to log in with.
pub(super) async fn prepare(shared: &Shared, target: &Target) -> Result<Login, Fault> {
    let after = target.patience.login;
    timeout(after, shared.keys().candidates(&target.identity))
        .await
        .unwrap_or(Err(Fault::AuthTimeout { after }))
        .map(Login)
}

/// Logs in on a connection whose host key was accepted.
pub(super) async fn log_in(
    shared: &Shared,
    target: &Target,
    handle: &mut Handle<Handler>,
    Login(candidates): Login,
    said: &Said,
) -> Result<(), Fault> {
    let after = target.patience.login;
    let watch = Stopwatch::start();
    let mut attempt = Attempt {
        shared,
        target,
        handle,
        said,
        watch: &watch,
        keys: candidates.try_these.into(),
        passed_over: candidates.passed_over,
        tried: Vec::new(),
        accepted: Vec::new(),
        accepts: None,
        asked: false,
        wrong: Vec::new(),
        refused_answers: 0,
        unanswered: false,
    };
    tokio::select! {
        biased;
        outcome = attempt.run() => outcome,
        () = watch.ended(after) => Err(Fault::AuthTimeout { after }),
    }
}

/// How one method ended.
enum Step {
    /// We are in.
    In,
    /// It was right, and the server wants another besides.
    Partly,
    /// It led to nothing, or there was nothing to try.
    Out,
}

/// One login, and what has come of it so far.
struct Attempt<'a> {
    shared: &'a Shared,
    target: &'a Target,
    handle: &'a mut Handle<Handler>,
    said: &'a Said,
    watch: &'a Stopwatch,
    keys: VecDeque<Candidate>,
    passed_over: Vec<String>,
    tried: Vec<String>,
    /// What the server took without being content.
    accepted: Vec<String>,
    /// The methods the server goes on to accept, once it has said so.
    accepts: Option<Vec<MethodKind>>,
    /// Whether the operator was asked something.
    asked: bool,
    /// Passwords that were wrong.
    wrong: Vec<Secret>,
    /// How often other answers were wrong.
    refused_answers: usize,
    /// Nobody answered, or answered again what was wrong: asking on is no use.
    unanswered: bool,
}

impl Attempt<'_> {
    async fn run(&mut self) -> Result<(), Fault> {
        while self.accepted.len() <= MOST_FACTORS {
            if self.takes(MethodKind::PublicKey) {
                match self.public_keys().await? {
                    Step::In => return Ok(()),
                    Step::Partly => continue,
                    Step::Out => {}
                }
            }
            if self.accepts.is_none() {
                match self.none().await? {
                    Step::In => return Ok(()),
                    Step::Partly => continue,
                    Step::Out => {}
                }
            }
            if self.target.identity.interactive && self.takes(MethodKind::KeyboardInteractive) {
                match self.interactive().await? {
                    Step::In => return Ok(()),
                    Step::Partly => continue,
                    Step::Out => {}
                }
            }
            if self.target.identity.password && self.takes(MethodKind::Password) {
                match self.password().await? {
                    Step::In => return Ok(()),
                    Step::Partly => continue,
                    Step::Out => {}
                }
            }
            break;
        }
        Err(self.refusal())
    }

    /// Whether a method is worth trying. Until the server has spoken, any is.
    fn takes(&self, method: MethodKind) -> bool {
        self.accepts
            .as_ref()
            .is_none_or(|methods| methods.contains(&method))
    }

    /// Asks which methods there are. A server that wants none lets us in (RFC 4252, 5.2).
    async fn none(&mut self) -> Result<Step, Fault> {
        match self.handle.authenticate_none(&self.target.user).await {
            Ok(answer) => self.take(answer, || "nothing".to_owned()).await,
            Err(_) => Err(self.cut_off()),
        }
    }

    /// Notes what the server answers.
    async fn take(
        &mut self,
        answer: AuthResult,
        name: impl FnOnce() -> String,
    ) -> Result<Step, Fault> {
        match answer {
            AuthResult::Success => Ok(Step::In),
            AuthResult::Failure {
                partial_success,
                remaining_methods,
            } => {
                // A connection that is gone looks like a refusal that leaves no method.
                if remaining_methods.is_empty() && ended(self.handle).await {
                    return Err(self.cut_off());
                }
                self.accepts = Some(remaining_methods.to_vec());
                if !partial_success {
                    return Ok(Step::Out);
                }
                // What was tried before is forgotten: it was turned down for the step before.
                self.tried.clear();
                self.accepted.push(name());
                Ok(Step::Partly)
            }
        }
    }

    fn cut_off(&self) -> Fault {
        Fault::AuthCutOff {
            user: self.target.user.clone(),
            tried: self.tried(),
            asked: self.asked,
            said: self.said.get(),
        }
    }

    fn refusal(&mut self) -> Fault {
        let user = self.target.user.clone();
        let tried = self.tried();
        let passed_over = std::mem::take(&mut self.passed_over);
        let accepts = self.accepts.take().unwrap_or_default();
        let accepts = accepts.iter().map(String::from).collect();
        if !self.accepted.is_empty() {
            return Fault::AuthIncomplete {
                user,
                key: self.accepted.join(" and "),
                wants: accepts,
                tried,
                passed_over,
            };
        }
        match tried.is_empty() {
            true => Fault::NoKeys {
                user,
                accepts,
                passed_over,
            },
            false => Fault::AuthRefused {
                user,
                tried,
                accepts,
                passed_over,
            },
        }
    }

    /// How often what the operator answered was wrong.
    fn refusals(&self) -> usize {
        self.wrong.len() + self.refused_answers
    }

    /// What was tried, with wrong passwords told by their number.
    fn tried(&self) -> Vec<String> {
        let passwords = match self.wrong.len() {
            0 => None,
            1 => Some("a password".to_owned()),
            number => Some(format!("{number} passwords")),
        };
        let answers = (self.refused_answers > 0).then(|| "answers to its questions".to_owned());
        let tried = self.tried.iter().cloned();
        tried.chain(passwords).chain(answers).collect()
    }
}

/// Whether the connection is gone. russh closes it a moment after it has told of it.
async fn ended(handle: &Handle<Handler>) -> bool {
    for _ in 0..20 {
        if handle.is_closed() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}
