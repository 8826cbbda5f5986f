//! What waits for what across hosts.

use std::collections::BTreeMap;

use tokio::sync::watch;

use crate::plan::Plan;

/// How a step ended on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Badly,
}

type Key = (String, String);

/// One gate for each step on each host; it opens when the step ends there.
#[derive(Debug)]
pub(super) struct Gates(BTreeMap<Key, watch::Sender<Option<Ended>>>);

impl Gates {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut gates = BTreeMap::new();
        for host in &plan.hosts {
            for step in &host.steps {
                let key = (host.host.name.to_string(), step.name.clone());
                gates.insert(key, watch::Sender::new(None));
            }
        }
        Self(gates)
    }

    /// Says how a step ended on a host.
    pub(super) fn open(&self, host: &str, step: &str, ended: Ended) {
        if let Some(gate) = self.0.get(&(host.to_owned(), step.to_owned())) {
            gate.send_replace(Some(ended));
        }
    }

    /// Says that a host left the run: whatever has not ended there ends badly.
    pub(super) fn leave(&self, host: &str) {
        for ((name, _), gate) in &self.0 {
            if name == host {
                gate.send_if_modified(|ended| {
                    let still = ended.is_none();
                    if still {
                        *ended = Some(Ended::Badly);
                    }
                    still
                });
            }
        }
    }

    /// Waits until a step has ended on a host.
    pub(super) async fn wait(&self, host: &str, step: &str) -> Ended {
        let Some(gate) = self.0.get(&(host.to_owned(), step.to_owned())) else {
            return Ended::Well;
        };
        let mut gate = gate.subscribe();
        match gate.wait_for(Option::is_some).await {
            Ok(ended) => ended.unwrap_or(Ended::Badly),
            Err(_) => Ended::Badly,
        }
    }
}
