//! `backup`: A timer on the server that backs up the database and uploaded files

use super::{Cx, Error, Resources, Step};

pub(super) const STEP: Step = Step {
    name: "backup",
    summary: "A timer on the server that backs up the database and uploaded files",
    reads: "its units",
    changes: "nothing yet",
    guarded: false,
    resources,
};

fn resources(_: &Cx<'_>) -> Result<Resources, Error> {
    Ok(Vec::new())
}
