//! What `status` shows.

use super::*;
use crate::event::{Certificate, Container, Disk, LastBackup, Mend, NextBackup, Renewal, Standing};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

fn now() -> i64 {
    i64::try_from(NOW).unwrap()
}

fn container(name: &str, image: &str) -> Container {
    Container {
        name: name.into(),
        state: "running".into(),
        health: Some("healthy".into()),
        since: "3 days".into(),
        image: image.into(),
    }
}

fn app(host: &str) -> Standing {
    Standing {
        host: host.into(),
        containers: vec![container("polls-app", "polls:1")],
        proven_at: Some(now() - 3 * DAY),
        ..Standing::default()
    }
}

fn proxy() -> Standing {
    Standing {
        host: "proxy".into(),
        containers: vec![container("polls-proxy", "nginx:1.28")],
        certificate: Some(Certificate {
            mode: "letsencrypt".into(),
            names: vec!["polls.example.com".into(), "www.polls.example.com".into()],
            issuer: "C=US, O=Let's Encrypt, CN=R12".into(),
            key: "ECDSA P-256".into(),
            not_before: now() - 30 * DAY,
            not_after: now() + 60 * DAY,
            sha256: "ab".into(),
            trusted: true,
            on_file: Some(true),
            unseen: None,
        }),
        renewal: Some(Renewal {
            armed: true,
            next: Some(now() + 8 * HOUR),
            last: Some(now() - 3 * HOUR),
            did: Some("not-due".into()),
            failure: None,
            well: Some(now() - 3 * HOUR),
        }),
        proven_at: Some(now() - 2 * DAY),
        ..Standing::default()
    }
}

fn status(standings: &[Standing], others: Vec<Event>, exit_code: u8) -> String {
    let mut all = vec![started(Mode::Status, &["app1", "proxy"])];
    all.extend(others);
    let stands = |standing: &Standing| Event::Stands(Box::new(standing.clone()));
    all.extend(standings.iter().map(stands));
    all.push(finished(Summary {
        ms: 640,
        exit_code,
        ..Summary::default()
    }));
    terminal(false, &all)
}

#[test]
fn a_site_that_is_well_is_seen_at_a_glance() {
    // Hosts answer in any order.
    insta::assert_snapshot!(status(&[proxy(), app("app1")], Vec::new(), 0), @r"
        polls · 2 hosts

        app1   polls-app     running, healthy · 3 days · polls:1
        proxy  polls-proxy   running, healthy · 3 days · nginx:1.28
               certificate   60 days left (until 2030-05-16) · Let's Encrypt R12, ECDSA P-256 · polls.example.com, www.polls.example.com
               renewal       next run in 8 hours · last run 3 hours ago: not due
        proven 3 days ago
        ");
}

#[test]
fn what_needs_a_hand_is_said_where_it_is_and_once_more_at_the_end() {
    let mut ill = proxy();
    ill.containers[0].health = Some("unhealthy".into());
    let certificate = ill.certificate.as_mut().unwrap();
    certificate.not_after = now() + 5 * DAY;
    certificate.mode = "self-signed".into();
    certificate.issuer = "CN=polls.example.com".into();
    certificate.trusted = false;
    certificate.on_file = Some(false);
    let renewal = ill.renewal.as_mut().unwrap();
    renewal.failure = Some("no route to the authority".into());
    renewal.well = Some(now() - 9 * DAY);
    ill.held_by = Some("alice@laptop, pid 812".into());
    ill.guards = vec!["firewall, armed".into()];
    ill.pending = vec!["nginx".into(), "systemd".into()];
    ill.reboot_required = true;
    ill.low = vec![Disk {
        mount: "/".into(),
        left: 400_000,
        total: 41_943_040,
    }];
    ill.proven_at = None;
    ill.mend = vec![Mend {
        what: "polls-proxy is unhealthy".into(),
        next: "`docker logs polls-proxy` on proxy tells why; `provision run` starts it".into(),
    }];
    let mut stopped = app("app1");
    stopped.containers[0].state = "exited".into();
    stopped.containers[0].health = None;
    stopped.containers[0].since = "Exited (1) 5 minutes ago".into();
    insta::assert_snapshot!(status(&[stopped, ill], Vec::new(), 4), @r"
        polls · 2 hosts

        app1   polls-app     exited · Exited (1) 5 minutes ago · polls:1
        proxy  polls-proxy   running, unhealthy · 3 days · nginx:1.28
               certificate   5 days left (until 2030-03-22) · polls.example.com, ECDSA P-256 · polls.example.com, www.polls.example.com · self-signed · not trusted here · not the one on file
               renewal       next run in 8 hours · last run 3 hours ago: failed, no route to the authority · ended well 9 days ago
               at work       a run of alice@laptop, pid 812
               guard         firewall, armed: of the run that is at work
               still due     nginx, systemd; the next run does it
               reboot        required: provision verify --reboot
               disk          390 MiB left of 40.0 GiB on /
        not proven since the last change: provision run

        ✗ proxy: polls-proxy is unhealthy
          next: `docker logs polls-proxy` on proxy tells why; `provision run` starts it
        exit code 4: something needs a hand · 0.64 s
        ");
}

#[test]
fn what_is_not_there_is_said_in_words() {
    let mut bare = proxy();
    bare.containers.clear();
    bare.certificate = Some(Certificate {
        mode: "off".into(),
        ..Certificate::default()
    });
    bare.renewal = None;
    let failed = Event::HostFailed {
        host: "app1".into(),
        failure: apt_failure(),
    };
    insta::assert_snapshot!(status(&[bare], vec![failed], 3), @r#"
        polls · 2 hosts

        app1   ✗ change: apt-get could not install docker.io
                 command    apt-get install -y docker.io
                 exit code  100
                 printed    E: Unable to fetch some archives
                            E: No space left
                 next:      make room on /var, then run it again
        proxy  certificate   none: HTTP alone, [tls] mode is "off"
        proven 2 days ago
        exit code 3: a host can't be read · 0.64 s
        "#);
    let mut unseen = proxy();
    let certificate = unseen.certificate.as_mut().unwrap();
    certificate.unseen = Some("198.51.100.13:443 refused the connection".into());
    unseen.renewal = Some(Renewal::default());
    insta::assert_snapshot!(status(&[app("app1"), unseen], Vec::new(), 4), @r"
        polls · 2 hosts

        app1   polls-app     running, healthy · 3 days · polls:1
        proxy  polls-proxy   running, healthy · 3 days · nginx:1.28
               certificate   not seen: 198.51.100.13:443 refused the connection
               renewal       the timer is not armed · no run yet
        proven 3 days ago
        exit code 4: something needs a hand · 0.64 s
        ");
}

#[test]
fn a_backup_is_told_with_what_makes_the_next() {
    let with = |well, failure: Option<&str>, timer: Option<(bool, Option<i64>)>| {
        let mut db = app("db");
        db.containers = vec![container("polls-postgres", "postgres:17")];
        db.backup = Some(LastBackup {
            well,
            name: well.map_or_else(String::new, |_| "polls-20300317T000000Z.tar".into()),
            bytes: 4_096,
            failure: failure.map(str::to_owned),
            timer: timer.map(|(armed, next)| NextBackup { armed, next }),
        });
        let page = status(&[db], Vec::new(), 0);
        let line = page.lines().find(|line| line.contains(" backup "));
        line.unwrap_or(&page).trim().to_owned()
    };
    let (well, next) = (Some(now() - 2 * HOUR), Some(now() + 22 * HOUR));
    let table = [
        with(well, None, None),
        with(well, None, Some((true, next))),
        with(None, None, Some((true, next))),
        with(well, None, Some((true, None))),
        with(well, Some("no room"), Some((true, next))),
        with(None, Some("no room"), None),
        with(well, None, Some((false, None))),
    ];
    insta::assert_snapshot!(table.join("\n"), @r"
        backup           2 hours ago · polls-20300317T000000Z.tar
        backup           2 hours ago · polls-20300317T000000Z.tar · the next in 22 hours
        backup           none yet · the next in 22 hours
        backup           2 hours ago · polls-20300317T000000Z.tar · the next now
        backup           the last one failed; a whole one 2 hours ago · polls-20300317T000000Z.tar · the next in 22 hours
        backup           the last one failed; none is whole
        backup           2 hours ago · polls-20300317T000000Z.tar · the timer is not armed
        ");
}

#[test]
fn machines_read_all_of_it_in_one_line_a_host() {
    let text = json(&[Event::Stands(Box::new(proxy()))]);
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["event"], "stands");
    assert_eq!(line["host"], "proxy");
    assert_eq!(line["containers"][0]["health"], "healthy");
    assert_eq!(line["certificate"]["not_after"], now() + 60 * DAY);
    assert_eq!(line["renewal"]["did"], "not-due");
}
