//! OpenSSH certificates (PROTOCOL.certkeys): reading them, and what is wrong with one.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate};

use super::known_hosts::glob;

/// Reads a certificate as it stands in a `-cert.pub` file.
pub(super) fn read(text: &str) -> Result<Certificate, String> {
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .ok_or("it is empty")?;
    let blob = line.split_ascii_whitespace().nth(1);
    let blob = blob
        .and_then(|blob| STANDARD.decode(blob).ok())
        .ok_or("it isn't a certificate")?;
    // The reader follows certificates within certificates as deep as they go: a file could
    // exhaust the stack with them. OpenSSH allows none within another.
    let inner = b"-cert-v01@";
    if blob
        .windows(inner.len())
        .filter(|part| part == inner)
        .count()
        > 1
    {
        return Err("it isn't a certificate of a plain key".to_owned());
    }
    Certificate::from_bytes(&blob).map_err(|error| error.to_string())
}

/// What is wrong with the certificate that a host shows, whose authority is trusted.
pub(super) fn host_fault(certificate: &Certificate, name: &str) -> Result<(), String> {
    if certificate.cert_type() != CertType::Host {
        return Err("it is a user's certificate, not a host's".to_owned());
    }
    // Not OpenSSH's CASignatureAlgorithms either, since 8.2.
    if matches!(
        certificate.signature().algorithm(),
        Algorithm::Rsa { hash: None } | Algorithm::Dsa
    ) {
        return Err("it is signed with SHA-1".to_owned());
    }
    certificate
        .verify_signature()
        .map_err(|_| "its signature is wrong".to_owned())?;
    in_time(certificate)?;
    if let Some(option) = certificate.critical_options().keys().next() {
        return Err(format!(
            "it demands {:?}, which isn't known here",
            plain(option)
        ));
    }
    let names = certificate.valid_principals();
    // OpenSSH took a certificate without names for everybody's until 10.3. We don't.
    if names.is_empty() {
        return Err("it names no host".to_owned());
    }
    let name = name.to_ascii_lowercase();
    let named = |pattern: &String| glob(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes());
    if names.iter().any(named) {
        return Ok(());
    }
    let names: Vec<String> = names.iter().map(|name| plain(name)).collect();
    Err(format!("it is for {}, not for {name}", names.join(", ")))
}

/// What is wrong with a user's certificate before anybody is shown it.
pub(super) fn user_fault(certificate: &Certificate) -> Result<(), String> {
    if certificate.cert_type() != CertType::User {
        return Err("it is a host's certificate, not a user's".to_owned());
    }
    in_time(certificate)
}

fn in_time(certificate: &Certificate) -> Result<(), String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    if now < certificate.valid_after() {
        return Err(format!(
            "it is valid from {} on",
            date(certificate.valid_after())
        ));
    }
    if now >= certificate.valid_before() {
        return Err(format!(
            "it expired on {}",
            date(certificate.valid_before())
        ));
    }
    Ok(())
}

/// `2026-11-21 06:26 UTC`, from seconds since 1970.
fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March have their odd day at the end; 400 of them have 146,097 days.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, late) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    format!(
        "{:04}-{month:02}-{of_month:02} {:02}:{:02} UTC",
        era * 400 + year + late,
        rest / 3_600,
        rest / 60 % 60
    )
}

/// Text of somebody else's, on one line and without what a terminal would obey.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let table = [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59 UTC"),
            (1_709_251_200, "2024-03-01 00:00 UTC"),
            (4_102_444_799, "2099-12-31 23:59 UTC"),
        ];
        for (seconds, expected) in table {
            assert_eq!(date(seconds), expected);
        }
        // The furthest a certificate can name ends in some date, and not in an overflow.
        assert!(date(u64::MAX).ends_with("UTC"));
    }
}
