//! Two proofs of one site, held against each other.

use std::collections::BTreeMap;

use crate::event::{Difference, Finding};

/// What a finding is of.
type Key<'a> = (&'a str, &'a str, &'a str, Option<&'a str>);

/// How much of a proof is as it was in an earlier one, and what isn't. What was seen and how it
/// was judged counts; the evidence, with its counters and times, doesn't.
pub fn compare(before: &[Finding], after: &[Finding]) -> (usize, Vec<Difference>) {
    let (mut left, right) = (grouped(before), grouped(after));
    let mut same = 0;
    let mut differences = Vec::new();
    for (key, now) in &right {
        let mut then = left.remove(key).unwrap_or_default();
        let mut new = Vec::new();
        for finding in now {
            let alike =
                |known: &&Finding| (&known.seen, known.verdict) == (&finding.seen, finding.verdict);
            match then.iter().position(alike) {
                Some(at) => {
                    then.remove(at);
                    same += 1;
                }
                None => new.push(*finding),
            }
        }
        let mut gone = then.into_iter();
        for finding in new {
            differences.push(Difference {
                before: gone.next().cloned(),
                after: Some(finding.clone()),
            });
        }
        differences.extend(gone.map(lost));
    }
    differences.extend(left.into_values().flatten().map(lost));
    (same, differences)
}

fn lost(finding: &Finding) -> Difference {
    Difference {
        before: Some(finding.clone()),
        after: None,
    }
}

fn grouped(findings: &[Finding]) -> BTreeMap<Key<'_>, Vec<&Finding>> {
    let mut groups: BTreeMap<Key<'_>, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        let key = (
            finding.host.as_str(),
            finding.subject.as_str(),
            finding.from.as_str(),
            finding.address.as_deref(),
        );
        groups.entry(key).or_default().push(finding);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Verdict;

    fn finding(subject: &str, seen: &str, evidence: &str) -> Finding {
        Finding {
            host: "app1".to_owned(),
            subject: subject.to_owned(),
            from: "here".to_owned(),
            address: Some("198.51.100.11".to_owned()),
            expected: "blocked".to_owned(),
            seen: seen.to_owned(),
            evidence: evidence.to_owned(),
            verdict: if seen == "open" {
                Verdict::Failed
            } else {
                Verdict::Proven
            },
        }
    }

    #[test]
    fn what_is_seen_alike_is_the_same_whatever_its_counters_say() {
        let before = [
            finding("80/tcp", "blocked", "moved by 2"),
            finding("22/tcp", "closed", ""),
        ];
        let after = [
            finding("22/tcp", "closed", ""),
            finding("80/tcp", "blocked", "moved by 3"),
        ];
        assert_eq!(compare(&before, &after), (2, Vec::new()));
    }

    #[test]
    fn what_is_seen_otherwise_is_named_with_what_it_was() {
        let before = [
            finding("80/tcp", "blocked", ""),
            finding("81/tcp", "blocked", ""),
        ];
        let after = [
            finding("80/tcp", "open", ""),
            finding("82/tcp", "blocked", ""),
        ];
        let (same, differences) = compare(&before, &after);
        assert_eq!(same, 0);
        let told: Vec<_> = differences
            .iter()
            .map(|d| {
                let name =
                    |f: &Option<Finding>| f.as_ref().map(|f| format!("{} {}", f.subject, f.seen));
                (name(&d.before), name(&d.after))
            })
            .collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            told,
            [
                (some("80/tcp blocked"), some("80/tcp open")),
                (None, some("82/tcp blocked")),
                (some("81/tcp blocked"), None),
            ]
        );
    }

    #[test]
    fn two_findings_of_one_thing_are_two() {
        let twice = [
            finding("80/tcp", "blocked", ""),
            finding("80/tcp", "200", ""),
        ];
        let once = &twice[..1];
        assert_eq!(compare(&twice, &twice), (2, Vec::new()));
        let (same, differences) = compare(&twice, once);
        assert_eq!((same, differences.len()), (1, 1));
        assert!(differences[0].after.is_none());
    }
}
