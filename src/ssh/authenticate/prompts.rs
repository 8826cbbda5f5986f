//! What only the operator can answer: a password, or whatever the server asks
//! (keyboard-interactive, RFC 4256).

use russh::MethodKind;
use russh::client::{AuthResult, KeyboardInteractiveAuthResponse as Reply, Prompt};

use super::{Attempt, Fault, Step};
use crate::shell::Secret;
use crate::ssh::ask::Question;

/// Wrong passwords in all, as ssh(1)'s NumberOfPasswordPrompts. More may lock the user out.
const TRIES: usize = 3;

/// Rounds of prompts in one attempt. A server that asks on and on gets no more.
const MOST_ROUNDS: usize = 10;

/// What came of the rounds of one attempt.
enum Round {
    Answer(AuthResult),
    /// There was no answer to send, and the connection still waits for one.
    GaveUp,
}

impl Attempt<'_> {
    /// Sends passwords.
    pub(super) async fn password(&mut self) -> Result<Step, Fault> {
        while self.takes(MethodKind::Password) && self.may_ask() {
            let Some(password) = self.ask_password("password").await else {
                break;
            };
            let sent = self
                .handle
                .authenticate_password(&self.target.user, password.reveal());
            let Ok(answer) = sent.await else {
                return Err(self.cut_off());
            };
            match self.take_password(answer, Some(password)).await? {
                Step::Out => {}
                done => return Ok(done),
            }
        }
        Ok(Step::Out)
    }

    /// Answers what the server asks.
    pub(super) async fn interactive(&mut self) -> Result<Step, Fault> {
        while self.takes(MethodKind::KeyboardInteractive) && self.may_ask() {
            let mut answers = Answers::default();
            let answer = match self.rounds(&mut answers).await? {
                Round::Answer(answer) => answer,
                Round::GaveUp => return Ok(Step::Out),
            };
            let asked = answers.given > 0;
            match self.take_answers(answer, answers).await? {
                Step::Out => {}
                done => return Ok(done),
            }
            // A server that refuses without asking would do so again.
            if !asked || self.unanswered {
                break;
            }
        }
        Ok(Step::Out)
    }

    /// One attempt: rounds of prompts until the server has made up its mind.
    async fn rounds(&mut self, answers: &mut Answers) -> Result<Round, Fault> {
        let user = self.target.user.clone();
        let start = self
            .handle
            .authenticate_keyboard_interactive_start(user, None::<String>);
        let mut reply = start.await;
        for _ in 0..MOST_ROUNDS {
            let (instruction, prompts) = match reply {
                Err(_) => return Err(self.cut_off()),
                Ok(Reply::Success) => return Ok(Round::Answer(AuthResult::Success)),
                Ok(Reply::Failure {
                    remaining_methods,
                    partial_success,
                }) => {
                    return Ok(Round::Answer(AuthResult::Failure {
                        remaining_methods,
                        partial_success,
                    }));
                }
                Ok(Reply::InfoRequest {
                    name,
                    instructions,
                    prompts,
                }) => (said(&[name, instructions]), prompts),
            };
            if expired(&instruction, &prompts) {
                return Err(Fault::PasswordExpired {
                    user: self.target.user.clone(),
                });
            }
            if prompts.is_empty() && !instruction.is_empty() {
                self.shared.note(&self.target.host, instruction.as_str());
            }
            let Some(lines) = self.answer(&instruction, &prompts, answers).await else {
                // russh hears nothing else until the round is answered. An answer that isn't
                // there fails without counting as a wrong password; without another method to
                // go on to, the connection is closed instead.
                if !self.target.identity.password
                    || !self.takes(MethodKind::Password)
                    || self.unanswered
                {
                    return Ok(Round::GaveUp);
                }
                let refused = self
                    .handle
                    .authenticate_keyboard_interactive_respond(Vec::new());
                return match refused.await {
                    Ok(Reply::Failure {
                        remaining_methods,
                        partial_success,
                    }) => {
                        answers.given = 0;
                        Ok(Round::Answer(AuthResult::Failure {
                            remaining_methods,
                            partial_success,
                        }))
                    }
                    _ => Ok(Round::GaveUp),
                };
            };
            let sent = self.handle.authenticate_keyboard_interactive_respond(lines);
            reply = sent.await;
        }
        self.pass_over("keyboard-interactive", "the server asks on and on");
        Ok(Round::GaveUp)
    }

    /// The answers to one round, or none.
    async fn answer(
        &mut self,
        instruction: &str,
        prompts: &[Prompt],
        answers: &mut Answers,
    ) -> Option<Vec<String>> {
        let mut lines = Vec::new();
        for prompt in prompts {
            let answer = if prompts.len() == 1 && is_password(prompt) {
                let password = self.ask_password("keyboard-interactive").await?;
                answers.password = Some(Secret::new(password.reveal()));
                password
            } else {
                let question = Question::Prompt {
                    host: self.target.host.clone(),
                    user: self.target.user.clone(),
                    instruction: instruction.to_owned(),
                    prompt: said(std::slice::from_ref(&prompt.prompt)),
                    echo: prompt.echo,
                };
                match self.ask(&question).await {
                    Ok(answer) => answer,
                    Err(why) => {
                        self.pass_over("keyboard-interactive", &why);
                        return None;
                    }
                }
            };
            answers.given += 1;
            lines.push(answer.reveal().to_owned());
        }
        Some(lines)
    }

    fn may_ask(&self) -> bool {
        !self.unanswered && self.refusals() < TRIES
    }

    /// Asks for the password. One that was wrong already isn't sent again: whoever answers
    /// (a file, a variable) has no other, and each costs a step towards a lock-out.
    async fn ask_password(&mut self, method: &str) -> Option<Secret> {
        let question = Question::Password {
            host: self.target.host.clone(),
            user: self.target.user.clone(),
            again: self.refusals() > 0,
        };
        let why = match self.ask(&question).await {
            Ok(answer) => {
                let known = |wrong: &Secret| wrong.reveal() == answer.reveal();
                if !self.wrong.iter().any(known) {
                    return Some(answer);
                }
                "the same password was wrong before".to_owned()
            }
            Err(why) => why,
        };
        self.unanswered = true;
        self.pass_over(method, &why);
        None
    }

    async fn ask(&mut self, question: &Question) -> Result<Secret, String> {
        self.asked = true;
        let answer = self.shared.ask().ask(question);
        self.watch
            .uncounted(answer)
            .await
            .map_err(|why| why.to_string())
    }

    fn pass_over(&mut self, method: &str, why: &str) {
        self.passed_over.push(format!("{method} ({why})"));
    }

    async fn take_answers(&mut self, answer: AuthResult, answers: Answers) -> Result<Step, Fault> {
        match answers.given {
            0 => self.take(answer, || "nothing".to_owned()).await,
            1 if answers.password.is_some() => self.take_password(answer, answers.password).await,
            // If there was a password among them, which of them was wrong isn't said.
            _ => {
                self.refused_answers += usize::from(is_refusal(&answer));
                self.take(answer, || "the answers".to_owned()).await
            }
        }
    }

    async fn take_password(
        &mut self,
        answer: AuthResult,
        password: Option<Secret>,
    ) -> Result<Step, Fault> {
        if is_refusal(&answer) {
            self.wrong.extend(password);
        }
        self.take(answer, || "the password".to_owned()).await
    }
}

fn is_refusal(answer: &AuthResult) -> bool {
    matches!(
        answer,
        AuthResult::Failure {
            partial_success: false,
            ..
        }
    )
}

/// What was answered in one attempt.
#[derive(Default)]
struct Answers {
    given: usize,
    /// The answer to a lone prompt for the password.
    password: Option<Secret>,
}

/// The prompt of PAM for a user's password, in the words of most systems. A stored password may
/// answer it. Anything else that is a one-time code or a new password must not get one.
fn is_password(prompt: &Prompt) -> bool {
    let text = prompt.prompt.to_lowercase();
    let other = ["new", "one-time", "one time", "otp", "token", "code"];
    !prompt.echo && text.contains("password") && !other.iter().any(|word| text.contains(word))
}

/// Whether the server wants the password changed: PAM says so, and then asks for the present one
/// and the new one.
fn expired(instruction: &str, prompts: &[Prompt]) -> bool {
    let text = instruction.to_lowercase();
    let asks = |what: &str| {
        prompts
            .iter()
            .any(|prompt| prompt.prompt.to_lowercase().contains(what))
    };
    asks("new password")
        || asks("current password")
        || (text.contains("password") && text.contains("expired"))
        || text.contains("change your password")
}

/// The server's words, without what a terminal would obey.
fn said(parts: &[String]) -> String {
    let lines = parts.iter().flat_map(|part| part.lines());
    let lines: Vec<String> = lines
        .map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>())
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines.join("\n")
}
