//! A verb at work: its events go to a reporter, its questions to the terminal.

use std::future::Future;
use std::io::IsTerminal;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use super::OutputArgs;
use super::ask::{Operator, Way};
use super::prompt::{self, Answered, Interrupted, Prompt};
use crate::engine::{Events, Settings};
use crate::event::{Event, Mode, Summary};
use crate::plan::Plan;
use crate::report::{Kind, Reporter, Verbosity, reporter};
use crate::shell::Mask;
use crate::ssh::{Dialer, Note, Unanswered};

/// Exit code after Ctrl-C.
pub(super) const INTERRUPTED: u8 = 130;
/// The depth of what is told about connections.
const CONNECTIONS: u8 = 2;

/// A verb at work: where its events come from and who reports them.
pub(super) struct Stage {
    pub(super) events: Events,
    pub(super) reporter: Box<dyn Reporter + Send>,
    received: UnboundedReceiver<Event>,
    notes: UnboundedReceiver<Note>,
    prompts: UnboundedReceiver<Prompt>,
    dialer: Dialer,
}

/// A question that is on the terminal right now.
struct Asking {
    prompt: Prompt,
    answer: JoinHandle<Answered>,
    before: prompt::Settings,
}

impl Asking {
    fn begin(prompt: Prompt) -> Self {
        let (text, echo) = (prompt.text.clone(), prompt.echo);
        let before = prompt::Settings::now();
        let answer = tokio::task::spawn_blocking(move || prompt::ask(&text, echo));
        Self {
            prompt,
            answer,
            before,
        }
    }

    /// Leaves the question on the terminal as it is. The thread goes on waiting until the program
    /// ends.
    fn break_off(self) {
        self.before.restore();
        anstream::eprintln!();
    }
}

impl Stage {
    pub(super) fn new(plan: &Plan, settings: &Settings, output: &OutputArgs, mode: Mode) -> Self {
        let (sender, received) = unbounded_channel();
        let kind = if output.json {
            Kind::Json
        } else if std::io::stderr().is_terminal() && std::io::stdout().is_terminal() {
            Kind::Terminal
        } else {
            Kind::Plain
        };
        let out = Box::new(anstream::AutoStream::auto(std::io::stdout()));
        let verbosity = Verbosity {
            output: output.verbose > 0,
            depth: output.verbose,
        };
        let mut reporter = reporter(kind, verbosity, out);
        reporter.event(&Event::Started {
            site: plan.site.clone(),
            playbook: plan.playbook.clone(),
            mode,
            hosts: plan
                .hosts
                .iter()
                .map(|host| host.host.name.to_string())
                .collect(),
        });
        let events = Events::new(sender, Mask::new(settings.site.secrets()));
        let (questions, prompts) = unbounded_channel();
        let (notes_to, notes) = unbounded_channel();
        let way = match prompt::somebody() && !output.json {
            true => Way::InTurn(questions),
            false => Way::Nobody,
        };
        let operator = Operator::new(&settings.site, way, Some(events.clone()));
        let dialer = operator.dialer(Some(notes_to));
        Self {
            events,
            reporter,
            received,
            notes,
            prompts,
            dialer,
        }
    }

    /// What connections are opened with.
    pub(super) fn dialer(&self) -> Dialer {
        self.dialer.clone()
    }

    /// Reports events until the work is done, or Ctrl-C. While a question is on the terminal,
    /// the work goes on and its events wait.
    pub(super) async fn drive<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<T, Interrupted> {
        tokio::pin!(work);
        let mut asking: Option<Asking> = None;
        let done = loop {
            let quiet = asking.is_none();
            tokio::select! {
                biased;
                Some(event) = self.received.recv(), if quiet => self.reporter.event(&event),
                Some(note) = self.notes.recv(), if quiet => self.tell(note),
                Some(prompt) = self.prompts.recv(), if quiet => {
                    // Whoever asked may have given up while another question was answered.
                    if !prompt.reply.is_closed() {
                        self.reporter.pause();
                        asking = Some(Asking::begin(prompt));
                    }
                }
                answer = answered(asking.as_mut()) => {
                    let answer = answer?;
                    if let Some(Asking { prompt, .. }) = asking.take() {
                        // Whoever asked may have given up meanwhile.
                        let _gone = prompt.reply.send(answer);
                    }
                }
                done = &mut work => break done,
                _ = tokio::signal::ctrl_c() => {
                    if let Some(asking) = asking {
                        asking.break_off();
                    }
                    return Err(Interrupted);
                }
            }
        };
        if let Some(asking) = asking {
            asking.break_off();
        }
        while let Ok(note) = self.notes.try_recv() {
            self.tell(note);
        }
        while let Ok(event) = self.received.try_recv() {
            self.reporter.event(&event);
        }
        Ok(done)
    }

    fn tell(&mut self, note: Note) {
        self.reporter.event(&Event::Detail {
            host: note.host,
            depth: CONNECTIONS,
            text: self.events.masked(&note.text),
        });
    }

    pub(super) fn end(mut self, result: Result<Summary, Interrupted>) -> u8 {
        self.reporter.finish();
        match result {
            Ok(summary) => summary.exit_code,
            Err(Interrupted) => {
                anstream::eprintln!(
                    "interrupted: what had begun on a server may still end there; nothing is \
                     lost, the next run goes on from what it finds"
                );
                INTERRUPTED
            }
        }
    }
}

/// The answer to the question on the terminal; never, if there is none.
async fn answered(asking: Option<&mut Asking>) -> Answered {
    match asking {
        Some(asking) => (&mut asking.answer)
            .await
            .unwrap_or(Ok(Err(Unanswered::Cancelled))),
        None => std::future::pending().await,
    }
}
