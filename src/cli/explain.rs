//! `provision steps` and `provision explain`.

use std::path::Path;

use super::Error;
use crate::playbook::{self, Rollout};
use crate::step;

/// That there is a step of this name.
pub(super) fn known(name: &str) -> Result<&'static step::Step, Error> {
    step::find(name).ok_or_else(|| {
        let close = step::names()
            .into_iter()
            .map(|known| (strsim::damerau_levenshtein(known, name), known))
            .filter(|(distance, _)| *distance <= 3)
            .min();
        let hint = close.map_or_else(String::new, |(_, known)| format!("did you mean {known}? "));
        Error::UnknownStep {
            name: name.to_owned(),
            hint,
        }
    })
}

/// Lists the steps of a playbook in order.
pub(super) fn steps(name: &str) -> Result<u8, Error> {
    let playbook = playbook::load(name, Path::new(""), &step::names())?;
    anstream::println!("{} · {}\n", playbook.name, playbook.description);
    for entry in &playbook.steps {
        let on: Vec<&str> = entry.on.iter().map(|role| role.as_str()).collect();
        let on = if on.is_empty() {
            "all".to_owned()
        } else {
            on.join(", ")
        };
        let summary = step::find(&entry.step).map_or("", |step| step.summary);
        anstream::println!("{:<12} {:<6} {summary}", entry.step, on);
        if !entry.after.is_empty() {
            anstream::println!("{:<19} after {} on every host", "", entry.after.join(", "));
        }
        if entry.rollout == Rollout::OneByOne {
            anstream::println!("{:<19} one host after another", "");
        }
    }
    Ok(0)
}

/// Says what a step does.
pub(super) fn explain(name: &str) -> Result<u8, Error> {
    let step = known(name)?;
    anstream::println!("{}\n  {}\n", step.name, step.summary);
    anstream::println!("reads\n  {}\n", step.reads);
    anstream::println!("changes\n  {}", step.changes);
    if step.guarded {
        anstream::println!(
            "\nguarded\n  the server puts its old firewall and sshd's configuration back by itself, unless a new SSH \
             connection proves\n  that it can still be reached"
        );
    }
    Ok(0)
}
