//! What is told of a change that didn't stay: what happened, what came back, what to do.

use crate::engine::Events;
use crate::engine::failure::failure;
use crate::event::Failure;

/// The story of a change that was not made in its time.
pub(super) fn too_late(seconds: u64, said: &str, events: &Events) -> Failure {
    let mut late = failure(
        "guard",
        format!(
            "the change was not made and proven within the {} seconds of its guard, so the \
             server put its old firewall and sshd's old configuration back",
            seconds
        ),
        "",
    );
    late.next = Some(not_back(said, events).unwrap_or_else(|| {
        "nobody was shut out: give a slow server more time, guard_seconds in [firewall], and \
         run again"
            .to_owned()
    }));
    late
}

/// What the operator has to put back, if anything.
pub(super) fn not_back(said: &str, events: &Events) -> Option<String> {
    if said.is_empty() {
        return None;
    }
    let said = events.masked(said);
    let said: Vec<&str> = said.lines().collect();
    Some(format!(
        "not all of it came back ({}): look at that on the server before anything else",
        said.join("; ")
    ))
}

/// The story of a change that the server took back by itself.
pub(super) fn rolled_back(why: &str, said: &str, events: &Events) -> Failure {
    let mut rolled = failure(
        "guard",
        format!(
            "the change was not proven by a new SSH connection ({why}), so the server put its old \
             firewall and sshd's old configuration back"
        ),
        "",
    );
    let mend = "look at the ssh and firewall options in site.toml, and at what else ufw (`ufw \
                status numbered`) and /etc/ssh say on the server: with what was applied nobody \
                could have come in any more. The server is as it was; once that is mended, run \
                again";
    rolled.next = Some(not_back(said, events).unwrap_or_else(|| mend.to_owned()));
    rolled
}

/// Nobody comes in, though the old state should be back.
pub(super) fn shut_out(mut failure: Failure) -> Failure {
    failure.what = format!(
        "the change was not proven, and no connection came about after the server's time to put \
         its old state back: {}",
        failure.what
    );
    failure.next = Some(
        "look at the server through its provider's console: `journalctl -u 'provision-guard-*'` \
         says what the guard did, and a restart of the server puts the old state back if the \
         guard could not"
            .to_owned(),
    );
    failure
}

/// The server didn't say what became of the guard.
pub(super) fn untold(why: Option<String>, said: &str, events: &Events) -> Failure {
    let why = why.map_or_else(String::new, |why| format!(" ({why})"));
    let mut failure = failure(
        "guard",
        format!("the server didn't say whether the change stays{why}"),
        &events.masked(said),
    );
    failure.next = Some("run again: what was never confirmed is taken back first".to_owned());
    failure
}
