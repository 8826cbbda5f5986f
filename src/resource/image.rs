//! A container image: built from a context of ours, or pulled.

use super::{Content, Fact, Observed, Op, Resource, Unreadable, differs, unknown};
use crate::event::State;
use crate::resource::op::Context;
use crate::shell::Cmd;

/// An image that must be on the host.
#[derive(Clone, Debug)]
pub struct Image {
    reference: String,
    context: Option<Context>,
}

impl Image {
    /// Pulled from its registry.
    pub fn pulled(reference: impl Into<String>) -> Self {
        Self {
            reference: reference.into(),
            context: None,
        }
    }

    /// Built on the host; the reference's tag says from what.
    pub fn built(reference: impl Into<String>, context: Context) -> Self {
        Self {
            reference: reference.into(),
            context: Some(context),
        }
    }
}

impl Resource for Image {
    fn id(&self) -> String {
        format!("image {}", self.reference)
    }

    fn facts(&self) -> Vec<Fact> {
        vec![Fact::Docker]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        let Some(docker) = seen.docker()? else {
            return Ok(unknown("docker"));
        };
        Ok(match docker.image(&self.reference) {
            Some(_) => State::InSync,
            None if self.context.is_some() => differs("not built"),
            None => differs("not pulled"),
        })
    }

    fn converge(&self, _: &Observed) -> Vec<Op> {
        let (what, cmd, input) = match &self.context {
            Some(context) => (
                format!("build {}", self.reference),
                Cmd::new("docker").args(["build", "--tag", &self.reference, "-"]),
                Content::Context(context.clone()),
            ),
            None => (
                format!("pull {}", self.reference),
                Cmd::new("docker").args(["pull", &self.reference]),
                Content::Empty,
            ),
        };
        vec![Op::run(what, cmd).input(input).long()]
    }
}
