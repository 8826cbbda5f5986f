//! What a proxy says of its certificate and of what renews it.

use std::collections::BTreeMap;

use crate::proof::{Filed, Run, Service, Timer};
use crate::site::{Host, Site};
use crate::step;
use crate::vantage::Certificate;

/// The script that says it, for arguments as [`arguments`] makes them.
pub(super) const SCRIPT: &str = include_str!("sh/tls.sh");

/// What the script needs of a host.
pub(super) fn arguments(site: &Site, host: &Host) -> [String; 4] {
    let serving = step::serving(site, host);
    let proxy = host.roles.contains(&crate::site::Role::Proxy);
    [
        site.name.to_string(),
        site.state(),
        serving.certificate.filter(|_| proxy).unwrap_or_default(),
        match site.proxy.http3 {
            true => serving.container,
            false => String::new(),
        },
    ]
}

/// What a proxy said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub timer: Timer,
    /// The certificate on file in PEM.
    pub pem: Option<String>,
    /// Whether Docker publishes 443/udp.
    pub udp: Option<bool>,
}

impl Told {
    pub(super) fn parse(printed: &str) -> Self {
        let (lines, pem) = match printed.find("-----BEGIN CERTIFICATE-----") {
            Some(at) => (&printed[..at], Some(printed[at..].to_owned())),
            None => (printed, None),
        };
        let values: BTreeMap<&str, &str> = lines
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key, value.trim()))
            .collect();
        let value = |key: &str| values.get(key).copied().unwrap_or_default();
        let time = |key: &str| seconds(value(key));
        let number = |key: &str| value(key).parse::<i64>().ok();
        let failure = || match value("renewal.message") {
            "" => "it doesn't say why".to_owned(),
            message => message.to_owned(),
        };
        let last = number("renewal.ended").map(|ended| Run {
            ended,
            failure: (value("renewal.result") == "failed").then(failure),
            did: value("renewal.did").to_owned(),
            well: number("renewal.ok"),
        });
        let result = value("service.Result");
        Self {
            timer: Timer {
                enabled: value("timer.UnitFileState") == "enabled",
                active: value("timer.ActiveState") == "active",
                since: time("timer.ActiveEnterTimestamp"),
                next: time("timer.NextElapseUSecRealtime"),
                last,
                service: Service {
                    failed: (!matches!(result, "" | "success")).then(|| result.to_owned()),
                    ended: time("service.ExecMainExitTimestamp"),
                },
            },
            pem,
            udp: match value("udp") {
                "published" => Some(true),
                "no" => Some(false),
                _ => None,
            },
        }
    }

    /// The certificate on file, of which the path is known.
    pub(super) fn filed(&self, path: &str) -> Filed {
        let Some(pem) = &self.pem else {
            return Filed::Nothing(path.to_owned());
        };
        match Certificate::from_pem(pem) {
            Some(certificate) => Filed::Certificate(certificate.sha256),
            None => Filed::Unknown(format!("{path} can't be parsed")),
        }
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
    fn what_a_proxy_says_is_read_whatever_is_missing() {
        let told = Told::parse(
            "timer.NextElapseUSecRealtime=Sat 2026-11-21 23:41:12 UTC\n\
             timer.ActiveState=active\ntimer.UnitFileState=enabled\n\
             timer.ActiveEnterTimestamp=n/a\nservice.Result=success\n\
             service.ExecMainExitTimestamp=\nrenewal.ended=1795300000\n\
             renewal.result=failed\nrenewal.did=\nrenewal.ok=1795200000\n\
             renewal.message=a=b\nudp=no\n\
             -----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        );
        assert_eq!(
            told.timer,
            Timer {
                enabled: true,
                active: true,
                since: None,
                next: Some(1_795_304_472),
                last: Some(Run {
                    ended: 1_795_300_000,
                    failure: Some("a=b".to_owned()),
                    did: String::new(),
                    well: Some(1_795_200_000),
                }),
                service: Service::default(),
            }
        );
        assert_eq!(told.udp, Some(false));
        assert!(matches!(told.filed("/x"), Filed::Unknown(_)));
        // A receipt of another kind that had the file's name before is no run.
        let told = Told::parse("renewal.0123abc\nservice.Result=timeout");
        assert_eq!(told.timer.last, None);
        assert_eq!(told.timer.service.failed.as_deref(), Some("timeout"));
        assert_eq!(told.filed("/x"), Filed::Nothing("/x".to_owned()));
        assert_eq!(Told::parse(""), Told::default());
    }
}
