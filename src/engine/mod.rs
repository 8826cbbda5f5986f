//! Plan → Events: connect, read, compare, converge, confirm, prove. The one room that acts.
//!
//! | file | does |
//! |---|---|
//! | [`survey`] | connects to all hosts, reads each in one exec, compares; changes nothing |
//! | [`route`] | the way to every host, by site.toml and the operator's SSH configuration |
//! | [`bastion`] | hosts that others are reached through |
//! | [`login`] | logs in, as the bootstrap user where the sudo user isn't there yet |
//! | [`itinerary`] | the way to a host in words |
//! | [`root`] | ways to be root: as it is, by sudo with or without a password, by doas |
//! | [`way`], [`exec`] | these ways, and one command in one of them |
//! | [`wrap`] | a command as text that every login shell understands the same |
//! | [`refusal`] | why a user can't be root |
//! | [`failure`] | failures as they are reported |
//! | [`token`] | names that nobody else has |
//! | [`remote`] | runs scripts as root on a host, with masked output |
//! | [`converge`] | the steps of one host, in order |
//! | [`act`] | carries out one operation |
//! | [`look`] | looks from here whether the world sees a page of a server's |
//! | [`job`] | carries out a long one, which goes on where the connection breaks |
//! | [`link`] | makes a connection that broke again |
//! | [`gates`] | what waits for what across hosts |
//! | [`lock`] | one run at a time on a host |
//! | [`guard`] | puts the old state back unless a new connection proves the new one |
//! | [`context`] | a build context as a stream of tar |
//! | [`life`] | backups, what puts them in place, and the end of a site |
//! | [`sight`] | has hosts say what listens on them and what they dropped |
//! | [`knock`] | many connections at once, from here or from a server |
//! | [`attached`] | starts a command that the operator sits at |
//! | [`audit`] | judges servers that others set up by their own rules |
//! | [`reboot`] | restarts servers, and proves the site again after each |
//! | [`served`], [`timer`] | what a proxy has to serve; what a host says of a timer |
//! | [`status`] | how a site is doing |
//! | [`proof`] | looks from outside and judges |
//! | [`run`] | all of it, and the summary |

mod act;
mod attached;
mod audit;
mod bastion;
mod context;
mod converge;
mod exec;
mod failure;
mod gates;
mod guard;
mod itinerary;
mod job;
mod knock;
pub mod life;
mod link;
mod lock;
mod login;
mod look;
mod proof;
mod reboot;
mod refusal;
mod remote;
mod root;
mod route;
mod run;
mod served;
mod sight;
mod status;
mod survey;
mod timer;
mod token;
mod way;
mod wrap;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::mpsc::UnboundedSender;

use crate::event::Event;
use crate::shell::{Mask, Secret};
use crate::site::Site;

pub use attached::{Attached, Leash, Nowhere, Order, Output, Window, attach, exit_code};
pub use audit::audit;
pub use reboot::{Restarts, Turn};
pub use route::{RouteError, Routes};
pub use run::{converge_and_prove, prove_only};
pub use status::{status, status_plan};
pub use survey::{Survey, survey};

/// What the engine needs beside the plan.
#[derive(Clone, Debug)]
pub struct Settings {
    /// DNS, TLS roots, what the firewall must let in.
    pub site: Arc<Site>,
    /// How hosts are reached.
    pub routes: Routes,
    /// Who runs this, for the lock: "alice@laptop, pid 812".
    pub owner: String,
    /// A directory on this machine for clones of repositories.
    pub cache: PathBuf,
}

/// Where events go.
#[derive(Clone, Debug)]
pub struct Events {
    sender: UnboundedSender<Event>,
    mask: Arc<RwLock<Mask>>,
}

impl Events {
    /// Events to this channel; remote output is masked for these values.
    pub fn new(sender: UnboundedSender<Event>, mask: Mask) -> Self {
        Self {
            sender,
            mask: Arc::new(RwLock::new(mask)),
        }
    }

    /// Sends an event. A receiver that is gone wants no more of them.
    fn send(&self, event: Event) {
        let _gone = self.sender.send(event);
    }

    /// A text without the values that must not be shown.
    pub fn masked(&self, text: &str) -> String {
        let mask = self.mask.read().unwrap_or_else(PoisonError::into_inner);
        mask.apply(text)
    }

    /// Masks a password that was answered in all that comes, here and in all clones.
    pub fn hide(&self, password: &Secret) {
        let mut mask = self.mask.write().unwrap_or_else(PoisonError::into_inner);
        mask.hide(password);
    }
}

/// An error with its causes, in one line.
pub fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}

/// Exit codes of a run.
pub mod exit {
    /// Done.
    pub const DONE: u8 = 0;
    /// A host failed.
    pub const FAILED: u8 = 3;
    /// Exposed, or not proven; or, as a status has it, in need of a hand.
    pub const EXPOSED: u8 = 4;
    /// A guard put the old state back.
    pub const ROLLED_BACK: u8 = 5;
    /// Another run holds a host.
    pub const LOCKED: u8 = 6;
}
