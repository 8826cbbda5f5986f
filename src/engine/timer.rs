//! What a host says of a timer and of what it starts.

use std::collections::BTreeMap;

use crate::proof::{Run, Service, Timed, Timer};
use crate::shell::Script;
use crate::site::Site;

/// The script that says it, for arguments as [`arguments`] makes them.
pub(super) const SCRIPT: Script = Script(include_str!("sh/timer.sh"));

/// What the script needs: the name of the units, and where the record lies.
pub(super) fn arguments(site: &Site, timed: Timed) -> [String; 2] {
    let (unit, record) = match timed {
        Timed::Renewal => ("renew", "renewal"),
        Timed::Backup => ("backup", "backup"),
    };
    [
        format!("{}-{unit}", site.name),
        format!("{}/{record}", site.state()),
    ]
}

/// Reads what the script printed.
pub(super) fn parse(printed: &str) -> Timer {
    let values: BTreeMap<&str, &str> = printed
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key, value.trim()))
        .collect();
    let value = |key: &str| values.get(key).copied().unwrap_or_default();
    let time = |key: &str| seconds(value(key));
    let number = |key: &str| value(key).parse::<i64>().ok();
    let failure = || match value("last.message") {
        "" => "it doesn't say why".to_owned(),
        message => message.to_owned(),
    };
    let last = number("last.ended").map(|ended| Run {
        ended,
        failure: (value("last.result") == "failed").then(failure),
        did: value("last.did").to_owned(),
        well: number("last.ok"),
    });
    let result = value("service.Result");
    Timer {
        enabled: value("timer.UnitFileState") == "enabled",
        active: value("timer.ActiveState") == "active",
        since: time("timer.ActiveEnterTimestamp"),
        next: time("timer.NextElapseUSecRealtime"),
        running: value("timer.SubState") == "running",
        last,
        service: Service {
            failed: (!matches!(result, "" | "success")).then(|| result.to_owned()),
            ended: time("service.ExecMainExitTimestamp"),
        },
    }
}

/// A time as systemd writes it in UTC, "Sat 2026-11-21 23:41:12 UTC", in seconds since 1970.
fn seconds(text: &str) -> Option<i64> {
    let mut words = text.split_ascii_whitespace().skip(1);
    let (date, clock) = (words.next()?, words.next()?);
    let (Some("UTC"), None) = (words.next(), words.next()) else {
        return None;
    };
    let numbers = |text: &str, between: char| -> Option<[i64; 3]> {
        let all: Result<Vec<i64>, _> = text.split(between).map(str::parse).collect();
        all.ok()?.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(clock, ':')?;
    if !(1..=12).contains(&month) || !(1970..=9999).contains(&year) {
        return None;
    }
    // Years that begin in March have their odd day at the end: of these 400 take 146097 days,
    // and five months 153.
    let (year, month) = match month {
        ..3 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    /// Days from the 1st of March of the year 0 to 1970.
    const EPOCH: i64 = 719_468;
    Some(((days - EPOCH) * 24 + hour) * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_systemds_becomes_seconds() {
        for (text, expected) in [
            ("Thu 1970-01-01 00:00:00 UTC", Some(0)),
            ("Tue 2000-02-29 12:00:01 UTC", Some(951_825_601)),
            ("Wed 2000-03-01 00:00:00 UTC", Some(951_868_800)),
            ("Sat 2026-11-21 23:41:12 UTC", Some(1_795_304_472)),
            ("Fri 2100-12-31 23:59:59 UTC", Some(4_133_980_799)),
            ("n/a", None),
            ("", None),
            ("Sat 2026-11-21 23:41:12 CET", None),
            ("Sat 2026-13-21 23:41:12 UTC", None),
            ("Sat 2026-11 23:41 UTC", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn what_a_timer_says_is_read_whatever_is_missing() {
        let timer = parse(
            "timer.NextElapseUSecRealtime=Sat 2026-11-21 23:41:12 UTC\n\
             timer.ActiveState=active\ntimer.SubState=waiting\ntimer.UnitFileState=enabled\n\
             timer.ActiveEnterTimestamp=n/a\nservice.Result=success\n\
             service.ExecMainExitTimestamp=\nlast.ended=1795300000\n\
             last.result=failed\nlast.did=\nlast.ok=1795200000\nlast.message=a=b",
        );
        assert_eq!(
            timer,
            Timer {
                enabled: true,
                active: true,
                since: None,
                next: Some(1_795_304_472),
                running: false,
                last: Some(Run {
                    ended: 1_795_300_000,
                    failure: Some("a=b".to_owned()),
                    did: String::new(),
                    well: Some(1_795_200_000),
                }),
                service: Service::default(),
            }
        );
        // A receipt of another kind that had the file's name before is no run.
        let timer = parse("last.0123abc\nservice.Result=timeout");
        assert_eq!(timer.last, None);
        assert_eq!(timer.service.failed.as_deref(), Some("timeout"));
        // Of what it starts, systemd knows no time while it goes on.
        let timer = parse("timer.SubState=running\ntimer.NextElapseUSecRealtime=n/a");
        assert!(timer.running);
        assert_eq!(timer.next, None);
        assert_eq!(parse(""), Timer::default());
    }
}
