//! What makes a firewall unsound without being ours to change: settings of ufw, Docker and
//! iptables under which rules don't hold, and doors that stand open beside the guarded one.
//!
//! [`Lint`] is a resource that is never converged: what keeps the firewall from holding is
//! refused, everything else remarked.

use crate::event::{Remark, State};
use crate::resource::{Fact, Observed, Op, Resource, Unreadable};

/// Looks a host over.
#[derive(Clone, Debug, Default)]
pub struct Lint;

impl Resource for Lint {
    fn id(&self) -> String {
        "soundness of the firewall".to_owned()
    }

    fn facts(&self) -> Vec<Fact> {
        Vec::new()
    }

    fn compare(&self, _: &Observed) -> Result<State, Unreadable> {
        Ok(State::InSync)
    }

    fn converge(&self, _: &Observed) -> Vec<Op> {
        Vec::new()
    }

    fn remarks(&self, _: &Observed) -> Vec<Remark> {
        Vec::new()
    }
}
