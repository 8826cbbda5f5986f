//! How nginx reads its configuration and certificate again.

use super::{Cx, material};
use crate::resource::served::Served;
use crate::shell::{Cmd, Script};

/// Tests, reloads, waits for the new workers, and notes what they have loaded. Also installed on
/// the proxy, for the renewal's timer.
pub(super) const SCRIPT: &str = include_str!("nginx-reload.sh");

/// Where the digest of the certificate that nginx has loaded is noted.
fn receipt(cx: &Cx<'_>) -> String {
    format!("{}/served", cx.site.state())
}

/// Reloads nginx.
pub(super) fn reload(cx: &Cx<'_>) -> Cmd {
    let file = material::wanted(cx).map_or_else(|| "-".to_owned(), |wanted| wanted.host);
    Cmd::script(Script(SCRIPT), [material::container(cx), file, receipt(cx)])
}

/// That nginx has loaded the certificate that site.toml asks for, if it asks for one.
pub(super) fn served(cx: &Cx<'_>) -> Option<Served> {
    Some(Served {
        file: material::wanted(cx)?.host,
        receipt: receipt(cx),
        reload: reload(cx),
    })
}
