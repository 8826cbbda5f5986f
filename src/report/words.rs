//! Durations, counts and lists as words.

/// "0.31 s", "41.2 s", "2 min 3 s", "1 h 2 min".
pub(super) fn duration(ms: u64) -> String {
    let seconds = ms.saturating_add(500) / 1000;
    match ms {
        0..1_000 => format!("{}.{:02} s", ms / 1000, ms / 10),
        // From 59.95 s on, one decimal would round up to "60.0 s".
        1_000..59_950 => {
            let tenths = (ms + 50) / 100;
            format!("{}.{} s", tenths / 10, tenths % 10)
        }
        59_950..3_599_500 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// "just now", "12 minutes ago", "3 days ago"; both in seconds since 1970.
pub(super) fn ago(then: u64, now: u64) -> String {
    let seconds = now.saturating_sub(then);
    match seconds {
        0..60 => "just now".to_owned(),
        60..3_600 => format!("{} ago", count(seconds / 60, "minute")),
        3_600..172_800 => format!("{} ago", count(seconds / 3_600, "hour")),
        _ => format!("{} ago", count(seconds / 86_400, "day")),
    }
}

/// "less than a minute", "12 minutes", "8 hours", "60 days": how long that many seconds are.
pub(super) fn ahead(seconds: u64) -> String {
    match seconds {
        0..60 => "less than a minute".to_owned(),
        60..3_600 => count(seconds / 60, "minute"),
        3_600..172_800 => count(seconds / 3_600, "hour"),
        _ => count(seconds / 86_400, "day"),
    }
}

/// "2027-02-18", in UTC, of seconds since 1970.
pub(super) fn date(at: u64) -> String {
    // Of years that begin in March, with their odd day at the end, 400 take 146097 days.
    let days = at / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + later)
}

/// "1 host", "3 hosts".
pub(super) fn count<N>(n: N, noun: &str) -> String
where
    N: Copy + std::fmt::Display + PartialEq + From<u8>,
{
    let plural = if n == N::from(1) { "" } else { "s" };
    format!("{n} {noun}{plural}")
}

/// "app1", "app1 and app2", "app1, app2 and app3".
pub(super) fn list(items: &[impl AsRef<str>]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", most.join(", "), last.as_ref())
        }
    }
}

/// What an exit code of the program means, unless all is well.
pub(super) fn exit_meaning(code: u8) -> Option<&'static str> {
    match code {
        0 => None,
        2 => Some("the command line or site.toml is at fault"),
        3 => Some("a host failed"),
        4 => Some("something is exposed, or its proof inconclusive"),
        5 => Some("a guard put the old state back"),
        6 => Some("another run holds the lock"),
        130 => Some("interrupted"),
        _ => Some("something unexpected happened"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_naturally_and_never_round_to_sixty_seconds() {
        for (ms, text) in [
            (0, "0.00 s"),
            (310, "0.31 s"),
            (999, "0.99 s"),
            (1_400, "1.4 s"),
            (41_249, "41.2 s"),
            (59_949, "59.9 s"),
            (59_950, "1 min 0 s"),
            (123_000, "2 min 3 s"),
            (3_599_499, "59 min 59 s"),
            (3_599_500, "1 h 0 min"),
            (u64::MAX, "5124095576030 h 25 min"),
        ] {
            assert_eq!(duration(ms), text, "{ms} ms");
        }
    }

    #[test]
    fn a_date_is_the_calendars() {
        for (at, text) in [
            (0, "1970-01-01"),
            (951_825_601, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_795_304_472, "2026-11-21"),
            (4_107_542_399, "2100-02-28"),
            (4_107_542_400, "2100-03-01"),
            (4_133_980_799, "2100-12-31"),
        ] {
            assert_eq!(date(at), text, "{at}");
        }
    }

    #[test]
    fn a_time_in_the_future_is_just_now() {
        assert_eq!(ago(2_000, 1_000), "just now");
        assert_eq!(ago(1_000, 1_000 + 12 * 60 + 59), "12 minutes ago");
        assert_eq!(ago(0, 3_600), "1 hour ago");
        assert_eq!(ago(0, 3 * 86_400), "3 days ago");
    }

    #[test]
    fn lists_end_with_and() {
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(list(&[] as &[&str; 0]), "");
    }
}
