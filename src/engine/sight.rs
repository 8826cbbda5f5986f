//! Has every host say what it is like at this moment, for the proof and the audit.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::remote::Remote;
use crate::proof::{Denied, Sight};
use crate::shell::Script;

const SIGHT: Script = Script(include_str!("sh/sight.sh"));

/// What a host says of itself, in one command.
///
/// # Errors
/// In words, if it can't be asked.
pub(super) async fn sight(remote: &Remote) -> Result<Sight, String> {
    let done = remote.script(SIGHT, &[]).await.map_err(|e| e.to_string())?;
    if !done.status.success() {
        return Err(format!(
            "{} could not be looked at: {}",
            remote.host, done.status
        ));
    }
    Ok(Sight::parse(&String::from_utf8_lossy(&done.stdout)))
}

/// How much the deny rules of a host have dropped by now.
///
/// # Errors
/// As [`sight`].
pub(super) async fn denied(remote: &Remote) -> Result<Denied, String> {
    let done = remote.script(SIGHT, &["denied"]).await;
    let done = done.map_err(|e| e.to_string())?;
    Ok(Sight::parse(&String::from_utf8_lossy(&done.stdout)).denied)
}

/// What all hosts say of themselves, asked at once.
pub(super) async fn sights(
    remotes: &BTreeMap<String, Remote>,
) -> BTreeMap<String, Result<Sight, String>> {
    let all = remotes
        .iter()
        .map(|(name, remote)| async move { (name.clone(), sight(remote).await) });
    join_all(all).await.into_iter().collect()
}
