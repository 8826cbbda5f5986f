//! When a certificate is due for its successor, and when that is overdue.

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;

/// A life shorter than this is renewed at half of it (certbot ≥ 4.1, `--renew-before-expiry`'s
/// default).
const SHORT: i64 = 10 * DAY;
/// What a timer that fires twice a day, up to 6 hours late, may be behind.
const PERIOD: i64 = 18 * HOUR;
/// The most that an operator is reminded ahead.
const REMINDER: i64 = 30 * DAY;

/// Where a certificate comes from. It decides who has to trust it and when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From an authority that this machine trusts, renewed by a timer.
    Acme,
    /// From one that nobody trusts, renewed by a timer.
    Staging,
    /// From the operator, who has to bring the next one.
    Provided,
    /// Made on the proxy, renewed by a timer.
    SelfSigned,
}

impl Origin {
    /// What has to be said wherever it is shown, if no browser trusts it.
    pub fn warning(self) -> Option<&'static str> {
        match self {
            Self::Acme | Self::Provided => None,
            Self::Staging => Some("staging: no browser trusts it"),
            Self::SelfSigned => Some("self-signed: no browser trusts it"),
        }
    }
}

/// The last part of a certificate's life. Everything in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// With so much left it is due: a third of its life, half of a life of less than 10 days.
    pub due: i64,
    /// With less than this left, its successor should have come by now.
    pub overdue: i64,
}

impl Window {
    /// Of a certificate that holds for so long.
    pub fn of(origin: Origin, life: i64) -> Self {
        let part = if life < SHORT { life / 2 } else { life / 3 };
        match origin {
            Origin::Provided => {
                let due = part.min(REMINDER);
                Self { due, overdue: due }
            }
            Origin::Acme | Origin::Staging | Origin::SelfSigned => Self {
                due: part,
                overdue: part - PERIOD.min(part / 2),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_due_in_its_last_third_and_a_short_one_in_its_second_half() {
        for (origin, life, due, overdue) in [
            (Origin::Acme, 90 * DAY, 30 * DAY, 30 * DAY - 18 * HOUR),
            (Origin::Staging, 45 * DAY, 15 * DAY, 15 * DAY - 18 * HOUR),
            (Origin::Acme, 160 * HOUR, 80 * HOUR, 62 * HOUR),
            // The slack is never more than half of the window.
            (Origin::Acme, 600, 300, 150),
            (Origin::SelfSigned, 10 * DAY, 80 * HOUR, 62 * HOUR),
            // Nobody renews it by himself, so that it is never late by a timer.
            (Origin::Provided, 365 * DAY, 30 * DAY, 30 * DAY),
            (Origin::Provided, 60 * DAY, 20 * DAY, 20 * DAY),
        ] {
            let window = Window::of(origin, life);
            assert_eq!((window.due, window.overdue), (due, overdue), "{life} s");
        }
    }
}
