//! What waits for what across hosts.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::plan::Plan;

/// How a step ended on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Badly,
}

type Key = (String, String);

/// A host's part in a run. Dropped, also when its task panics, it leaves: nobody waits for
/// steps that can't end any more.
pub(super) struct Part {
    pub gates: Arc<Gates>,
    pub host: String,
}

impl Drop for Part {
    fn drop(&mut self) {
        self.gates.leave(&self.host);
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_whose_task_panics_keeps_nobody_waiting() {
        let gate = |step: &str| {
            (
                ("app1".to_owned(), step.to_owned()),
                watch::Sender::new(None),
            )
        };
        let gates = Arc::new(Gates([gate("image"), gate("app")].into()));
        gates.open("app1", "image", Ended::Well);
        let part = Part {
            gates: Arc::clone(&gates),
            host: "app1".to_owned(),
        };
        let task = tokio::spawn(async move {
            let _part = part;
            panic!("a fault of ours");
        });
        assert!(task.await.is_err());
        assert_eq!(gates.wait("app1", "image").await, Ended::Well);
        assert_eq!(gates.wait("app1", "app").await, Ended::Badly);
    }
}
