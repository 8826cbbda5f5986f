//! Moments as authorities write them.

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Days from 1970 to the first of a month (the proleptic Gregorian calendar; months from 1).
fn days(year: u64, month: u64) -> u64 {
    // A year that begins in March has its leap day at its end.
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let leaps = year / 4 - year / 100 + year / 400;
    year * 365 + leaps + (month * 153 + 2) / 5 - 719_468
}

/// The moment that a text begins with, in seconds since 1970: "2026-11-22 13:00:00 UTC" or
/// "2026-11-22T13:00:00Z". Any other zone is none.
pub(super) fn moment(text: &str) -> Option<u64> {
    let text = text.trim_start();
    let number = |from: usize, to: usize| -> Option<u64> {
        let part = text.get(from..to)?;
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse().ok())?
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let marks = [(4, "-"), (7, "-"), (13, ":"), (16, ":")];
    let shaped = marks
        .iter()
        .all(|(at, mark)| text.get(*at..at + 1) == Some(mark))
        && matches!(text.get(10..11), Some(" " | "T"));
    let rest = text.get(19..)?;
    let utc = rest.starts_with('Z') || rest.trim_start().starts_with("UTC");
    let real = year >= 1970
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    (shaped && utc && real)
        .then(|| (days(year, month) + day - 1) * DAY + hour * 3600 + minute * 60 + second)
}

/// A moment in words, to the minute: "2026-11-22 13:00 UTC".
pub(super) fn shown(seconds: u64) -> String {
    let day = seconds / DAY;
    let mut year = 1970 + day / 366;
    while days(year + 1, 1) <= day {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days(year, month + 1) <= day {
        month += 1;
    }
    let of_month = day - days(year, month) + 1;
    let minutes = seconds % DAY / 60;
    format!(
        "{year}-{month:02}-{of_month:02} {:02}:{:02} UTC",
        minutes / 60,
        minutes % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2000-03-01 00:00:00 UTC", 951_868_800),
            (
                "2026-11-22 13:00:00 UTC: see https://a.example",
                1_795_352_400,
            ),
            ("2100-03-01 00:00:00 UTC", 4_107_542_400),
            ("  2027-12-31T23:59:00Z", 1_830_297_540),
        ] {
            assert_eq!(moment(text), Some(seconds), "{text}");
            let minute = text.trim().replace('T', " ");
            assert_eq!(shown(seconds), format!("{} UTC", &minute[..16]));
        }
    }

    #[test]
    fn what_is_no_moment_in_utc_is_none() {
        for text in [
            "",
            "tomorrow",
            "2026-11-22",
            "2026-11-22 13:00:00",
            "2026-11-22 13:00:00 +0200",
            "2026-13-22 13:00:00 UTC",
            "2026-11-00 13:00:00 UTC",
            "1969-11-01 13:00:00 UTC",
            "2026/11/22 13:00:00 UTC",
            "2026-11-2é 13:00:00 UTC",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}
