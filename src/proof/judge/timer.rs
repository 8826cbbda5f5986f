//! Timers, and how long ago something was.

use super::{Judgement, failed, proven};
use crate::proof::{Timed, Timer};

const MINUTE: i64 = 60;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// The timer of the renewal, which fires twice a day, has run within this time.
const SILENT: i64 = 2 * DAY;

/// "60 days", "3 hours", "12 min".
pub(super) fn span(seconds: i64) -> String {
    let one = |n: i64, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
    match seconds {
        ..MINUTE => "less than a minute".to_owned(),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..172_800 => one(seconds / HOUR, "hour"),
        _ => one(seconds / DAY, "day"),
    }
}

/// Whether it fires when it should, and what it last started ended well.
pub(super) fn armed(timed: Timed, timer: &Timer, now: i64) -> Judgement {
    if !timer.active {
        return failed("stopped", "the timer is not running");
    }
    if !timer.enabled {
        return failed("disabled", "it won't start again at boot");
    }
    if timer.next.is_none() && !timer.running {
        return failed("no next run", "systemd has none planned");
    }
    if let Some((when, message)) = timer.failure() {
        let when = when.map_or_else(String::new, |when| format!("{} ago: ", span(now - when)));
        return failed("armed, and its last run failed", format!("{when}{message}"));
    }
    let active = timer.since.map_or(0, |since| now - since);
    // How often a backup is made is the operator's word.
    let silent = |time: i64| timed == Timed::Renewal && !timer.running && time > SILENT;
    let next = match timer.running {
        true => "enabled, active, a run goes on",
        false => "enabled, active, the next run is planned",
    };
    match &timer.last {
        Some(last) if silent(now - last.ended) && silent(active) => failed(
            format!("no run for {}", span(now - last.ended)),
            "the timer has been active all the while: see `journalctl -u` for it",
        ),
        None if silent(active) => failed(
            format!("no run for {}", span(active)),
            "none is on record since the timer was started",
        ),
        None => proven("armed", next),
        Some(last) => proven(
            "armed",
            format!("{next}; the last ended well {} ago", span(now - last.ended)),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Verdict::{self, Failed, Proven};
    use crate::proof::{Run, Service};

    const NOW: i64 = 1_000_000_000;

    fn timer() -> Timer {
        Timer {
            enabled: true,
            active: true,
            since: Some(NOW - 30 * DAY),
            next: Some(NOW + HOUR),
            running: false,
            last: Some(Run {
                ended: NOW - HOUR,
                failure: None,
                did: "not-due".to_owned(),
                well: Some(NOW - HOUR),
            }),
            service: Service::default(),
        }
    }

    fn run(ended: i64, failure: Option<&str>) -> Option<Run> {
        Some(Run {
            ended,
            failure: failure.map(str::to_owned),
            ..Run::default()
        })
    }

    fn service(ended: i64) -> Service {
        Service {
            failed: Some("timeout".to_owned()),
            ended: Some(ended),
        }
    }

    #[test]
    fn a_timer_is_armed_and_its_last_run_was_lately_and_ended_well() {
        let hour = NOW - HOUR;
        let young = Some(NOW - DAY);
        let old = NOW - 3 * DAY;
        let table: [(Timer, Verdict); 13] = [
            (timer(), Proven),
            (
                Timer {
                    enabled: false,
                    ..timer()
                },
                Failed,
            ),
            (
                Timer {
                    active: false,
                    ..timer()
                },
                Failed,
            ),
            (
                Timer {
                    next: None,
                    ..timer()
                },
                Failed,
            ),
            // While what it starts is at work, systemd plans no other.
            (
                Timer {
                    next: None,
                    running: true,
                    ..timer()
                },
                Proven,
            ),
            (
                Timer {
                    last: run(hour, Some("no")),
                    ..timer()
                },
                Failed,
            ),
            (
                Timer {
                    last: run(old, None),
                    ..timer()
                },
                Failed,
            ),
            (
                Timer {
                    last: run(old, None),
                    since: young,
                    ..timer()
                },
                Proven,
            ),
            (
                Timer {
                    last: None,
                    ..timer()
                },
                Failed,
            ),
            (
                Timer {
                    last: None,
                    since: young,
                    ..timer()
                },
                Proven,
            ),
            // systemd ended a run, which could leave nothing on record.
            (
                Timer {
                    service: service(hour + 1),
                    ..timer()
                },
                Failed,
            ),
            // A later one by hand, of which systemd knows nothing.
            (
                Timer {
                    service: service(hour - 1),
                    ..timer()
                },
                Proven,
            ),
            (
                Timer {
                    last: None,
                    since: young,
                    service: service(hour),
                    ..timer()
                },
                Failed,
            ),
        ];
        for (timer, expected) in table {
            assert_eq!(
                armed(Timed::Renewal, &timer, NOW).verdict,
                expected,
                "{timer:?}"
            );
        }
        let failed = Timer {
            last: run(hour, Some("no route")),
            ..timer()
        };
        for timed in [Timed::Renewal, Timed::Backup] {
            let judged = armed(timed, &failed, NOW);
            assert_eq!(judged.evidence, "1 hour ago: no route");
        }
    }

    #[test]
    fn a_backup_may_be_as_old_as_the_operator_has_it() {
        let monthly = Timer {
            last: run(NOW - 20 * DAY, None),
            ..timer()
        };
        assert_eq!(armed(Timed::Renewal, &monthly, NOW).verdict, Failed);
        let judged = armed(Timed::Backup, &monthly, NOW);
        assert_eq!(judged.verdict, Proven);
        assert!(judged.evidence.ends_with("ended well 20 days ago"));
        let stopped = Timer {
            active: false,
            ..monthly
        };
        assert_eq!(armed(Timed::Backup, &stopped, NOW).verdict, Failed);
    }
}
