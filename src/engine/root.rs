//! Ways to be root on a host, and which of them a user has there.
//!
//! The first command finds out: it is sent the way that most often works, and if that fails, what
//! was said names the next one. The way that worked is kept for the run, for every session of
//! that user on that host.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Events;
use super::exec::{Came, Request, exec, unsaid};
use super::refusal::{Refusal, Said, by_doas, by_sudo, no_shell, said, silent, unanswered};
use super::way::Way;
use crate::event::Failure;
use crate::shell::{Cmd, Secret};
use crate::ssh::{self, Ask, Done, Input, Question, Session};

/// How often a password is asked for.
const ASKED: usize = 3;

/// What sudo-rs says where a module such as pam_faillock(8) makes an error of its own of a
/// missing or wrong password. It asks PAM even when it may not ask the user.
const PAM_ERROR: &str = "sudo-rs: PAM error: Permission denied";

/// Something by host and user.
type ByUser<T> = BTreeMap<(String, String), T>;

/// What is known of all users on all hosts of a run.
#[derive(Clone)]
pub(super) struct Roots {
    ask: Arc<dyn Ask>,
    users: Arc<Mutex<ByUser<Arc<Root>>>>,
    /// Whom the server said to take instead.
    instead: Arc<Mutex<ByUser<String>>>,
}

impl Roots {
    /// Nothing is known yet; passwords are asked for here.
    pub(super) fn new(ask: Arc<dyn Ask>) -> Self {
        Self {
            ask,
            users: Arc::default(),
            instead: Arc::default(),
        }
    }

    /// How a user is root on a host.
    pub(super) fn of(&self, host: &str, user: &str) -> Arc<Root> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let root = users.entry((host.to_owned(), user.to_owned()));
        let new = || {
            Arc::new(Root {
                host: host.to_owned(),
                user: user.to_owned(),
                ask: Arc::clone(&self.ask),
                known: tokio::sync::Mutex::default(),
                refusal: Mutex::default(),
            })
        };
        Arc::clone(root.or_insert_with(new))
    }

    /// Whom the server said to take instead of this user.
    pub(super) fn instead(&self, host: &str, user: &str) -> Option<String> {
        let instead = self.instead.lock().unwrap_or_else(PoisonError::into_inner);
        instead.get(&(host.to_owned(), user.to_owned())).cloned()
    }

    /// Keeps that.
    pub(super) fn keep_instead(&self, host: &str, user: &str, instead: &str) {
        let mut all = self.instead.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert((host.to_owned(), user.to_owned()), instead.to_owned());
    }
}

/// How one user is root on one host.
pub(super) struct Root {
    host: String,
    user: String,
    ask: Arc<dyn Ask>,
    known: tokio::sync::Mutex<Known>,
    /// Why the last command did not run as root.
    refusal: Mutex<Option<Refusal>>,
}

#[derive(Default)]
struct Known {
    way: Option<Way>,
    /// Passwords that were turned down. None is tried again: accounts are locked for less.
    wrong: Vec<Secret>,
    /// Why there is no password.
    unanswered: Option<String>,
}

impl Root {
    /// Runs a command as root.
    ///
    /// If it can't be root, what comes back is what was said instead, and [`Self::refusal`]
    /// tells why.
    ///
    /// # Errors
    /// Those of [`Session::exec`].
    pub(super) async fn exec(
        &self,
        session: &Session,
        events: &Events,
        cmd: &Cmd,
        request: Request,
    ) -> Result<Done, ssh::Error> {
        self.refuse(None);
        let at = At {
            session,
            events,
            cmd,
        };
        let mut known = self.known.lock().await;
        if let Some(way) = known.way.clone() {
            drop(known);
            return self.in_known(&at, &way, request).await;
        }
        let Request {
            input,
            lines,
            limit,
        } = request;
        let mut again = Again {
            lines,
            limit,
            bytes: None,
        };
        match input {
            Input::Empty => {}
            Input::Bytes(bytes) => again.bytes = Some(bytes),
            // It can be sent once only. So something else goes first.
            Input::Stream(pieces) => {
                let nothing = Cmd::new("true");
                let first = At {
                    cmd: &nothing,
                    ..at
                };
                let done = self.settle(&first, &mut known, &again).await?;
                let Some(way) = known.way.clone() else {
                    return Ok(done);
                };
                drop(known);
                let request = Request {
                    input: Input::Stream(pieces),
                    lines: again.lines,
                    limit,
                };
                return self.in_known(&at, &way, request).await;
            }
        }
        self.settle(&at, &mut known, &again).await
    }

    /// Why the last command did not run as root, if it didn't.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        refusal.clone()
    }

    /// The way that is known to work, if one is.
    pub(super) async fn way(&self) -> Option<Way> {
        self.known.lock().await.way.clone()
    }

    fn refuse(&self, why: Option<Refusal>) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    async fn in_known(&self, at: &At<'_>, way: &Way, request: Request) -> Result<Done, ssh::Error> {
        match exec(at.session, way, at.cmd, request).await? {
            Came::Ran(done) => Ok(done),
            other => {
                let (refusal, done) = self.why(at, way, other);
                self.refuse(Some(refusal));
                Ok(done)
            }
        }
    }

    /// Finds a way and runs the command in it.
    async fn settle(
        &self,
        at: &At<'_>,
        known: &mut Known,
        again: &Again,
    ) -> Result<Done, ssh::Error> {
        let way = if self.user == "root" {
            Way::Root
        } else {
            Way::Sudo
        };
        let came = exec(at.session, &way, at.cmd, again.request()).await?;
        let (mut refusal, mut done) = match came {
            Came::Ran(done) => {
                known.way = Some(way);
                return Ok(done);
            }
            other @ Came::NoShell(_) => {
                let (refusal, done) = self.why(at, &way, other);
                self.refuse(Some(refusal));
                return Ok(done);
            }
            other => {
                let wants = wants_password(&other);
                let (refusal, done) = self.why(at, &way, other);
                if !wants {
                    (refusal, done)
                } else {
                    match self.with_password(at, known, again).await? {
                        Ok(done) => return Ok(done),
                        Err(why) => (why, done),
                    }
                }
            }
        };
        match exec(at.session, &Way::Doas, at.cmd, again.request()).await? {
            Came::Ran(done) => {
                known.way = Some(Way::Doas);
                return Ok(done);
            }
            // No doas: what sudo said stands.
            Came::NotRoot(end) if said(&end.status, &text(&end.stderr)) == Said::Absent => {}
            other if said(&done.status, &text(&done.stderr)) == Said::Absent => {
                (refusal, done) = self.why(at, &Way::Doas, other);
            }
            _ => {}
        }
        self.refuse(Some(refusal));
        Ok(done)
    }

    /// Asks for the password and runs the command with it.
    async fn with_password(
        &self,
        at: &At<'_>,
        known: &mut Known,
        again: &Again,
    ) -> Result<Result<Done, Refusal>, ssh::Error> {
        let (user, host) = (self.user.as_str(), self.host.as_str());
        let mut refusal = by_sudo(user, host, Said::WrongPassword, "");
        for asked in 0..ASKED {
            if let Some(why) = &known.unanswered {
                return Ok(Err(unanswered(user, why).into()));
            }
            let question = Question::Sudo {
                host: host.to_owned(),
                user: user.to_owned(),
                again: asked > 0,
            };
            let password = match self.ask.ask(&question).await {
                Ok(password) => password,
                // After a wrong password, that is the news.
                Err(_) if asked > 0 => break,
                Err(none) => {
                    known.unanswered = Some(none.to_string());
                    continue;
                }
            };
            at.events.hide(&password);
            if password.reveal().contains(['\n', '\r', '\0']) {
                known.unanswered = Some("what was given isn't one line".to_owned());
                continue;
            }
            // From a variable or a command it is the same as before.
            if known.wrong.contains(&password) {
                break;
            }
            let way = Way::SudoWith(password.clone());
            match exec(at.session, &way, at.cmd, again.request()).await? {
                Came::Ran(done) => {
                    known.way = Some(way);
                    return Ok(Ok(done));
                }
                other => {
                    let wrong = is_wrong(&other);
                    let (why, _) = self.why(at, &way, other);
                    if !wrong {
                        return Ok(Err(why));
                    }
                    known.wrong.push(password);
                    let printed = why.failure.tail.join("\n");
                    refusal = by_sudo(user, host, Said::WrongPassword, &printed);
                }
            }
        }
        Ok(Err(refusal.into()))
    }

    /// What kept a command from running as root, and what to give back in its place.
    fn why(&self, at: &At<'_>, way: &Way, came: Came) -> (Refusal, Done) {
        let (user, host) = (self.user.as_str(), self.host.as_str());
        let plain = |failure: Failure| {
            let done = unsaid(&failure.what);
            (Refusal::from(failure), done)
        };
        match came {
            Came::WrongPassword => plain(by_sudo(user, host, Said::WrongPassword, "")),
            Came::Silent => plain(silent(user, host)),
            Came::NoShell(done) => {
                let printed = format!("{}{}", text(&done.stdout), text(&done.stderr));
                let printed = at.events.masked(&printed);
                (no_shell(user, host, &done, &printed), done)
            }
            Came::NotRoot(done) | Came::Ran(done) => {
                let printed = at.events.masked(&text(&done.stderr));
                let said = said(&done.status, &printed);
                let failure = match way {
                    Way::Doas => by_doas(user, host, said, &printed),
                    Way::Root | Way::Sudo | Way::SudoWith(_) => by_sudo(user, host, said, &printed),
                };
                (failure.into(), done)
            }
        }
    }
}

/// A command at a session.
#[derive(Clone, Copy)]
struct At<'a> {
    session: &'a Session,
    events: &'a Events,
    cmd: &'a Cmd,
}

/// A request that can be made more than once.
struct Again {
    bytes: Option<Vec<u8>>,
    lines: Option<tokio::sync::mpsc::UnboundedSender<String>>,
    limit: Option<std::time::Duration>,
}

impl Again {
    fn request(&self) -> Request {
        Request {
            input: match &self.bytes {
                Some(bytes) => Input::Bytes(bytes.clone()),
                None => Input::Empty,
            },
            lines: self.lines.clone(),
            limit: self.limit,
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn wants_password(came: &Came) -> bool {
    match came {
        Came::NotRoot(done) => {
            let stderr = text(&done.stderr);
            said(&done.status, &stderr) == Said::WantsPassword || stderr.contains(PAM_ERROR)
        }
        _ => false,
    }
}

fn is_wrong(came: &Came) -> bool {
    match came {
        Came::WrongPassword => true,
        Came::NotRoot(done) => {
            let stderr = text(&done.stderr);
            said(&done.status, &stderr) == Said::WrongPassword || stderr.contains(PAM_ERROR)
        }
        _ => false,
    }
}
