//! The renewal's units, by where the certificate comes from and who is told.

use provision::resource::{Action, Observed, sha256};

use crate::{SCALED, files, whole};

const UNIT: &str = "/etc/systemd/system/polls-renew.service";
const TOLD: &str = "/etc/systemd/system/polls-renew-failed.service";

fn with(tls: &str) -> String {
    let (site, _) = SCALED.split_once("[tls]").unwrap();
    format!("{site}[tls]\n{tls}\n")
}

/// The words that follow a key of a unit.
fn line<'a>(unit: &'a str, key: &str) -> &'a str {
    let mut lines = unit.lines().filter_map(|line| line.split_once('='));
    lines.find(|(name, _)| *name == key).unwrap().1
}

#[test]
fn a_self_signed_certificate_is_made_by_the_timer_for_every_name() {
    let files = files(&whole(&with("mode = \"self-signed\"")), "proxy", false);
    assert_eq!(
        line(&files[UNIT], "ExecStart"),
        "\"/srv/polls/proxy/renew.sh\" \"polls\" \"/var/lib/provision/polls\" \
         \"/srv/polls/proxy/tls/self-signed.pem\" \"polls-proxy\" \"self-signed\" \"365\" \
         \"rsa\" \"4096\" \"polls.example.com\" \"www.polls.example.com\""
    );
    assert!(files.contains_key("/srv/polls/proxy/self-signed.sh"));
    assert!(
        files[UNIT]
            .lines()
            .any(|line| line == "ReadWritePaths=/srv/polls/proxy/tls")
    );
}

#[test]
fn without_tls_there_is_no_timer_and_an_earlier_ones_is_removed() {
    let plan = whole(&with("mode = \"off\""));
    let put = files(&plan, "proxy", false);
    assert!(!put.keys().any(|path| path.contains("renew")), "{put:?}");
    let host = plan.hosts.iter().find(|h| h.host.name.as_str() == "proxy");
    let step = host.unwrap().steps.iter().find(|s| s.name == "renewal");
    let ids: Vec<String> = step.unwrap().resources.iter().map(|r| r.id()).collect();
    assert_eq!(ids, ["the certificate's renewal"]);
}

#[test]
fn a_command_that_is_told_keeps_every_character_of_its_arguments() {
    let alert = "email = \"a@b.example\"\n\
                 on_failure = { command = [\"/bin/alert\", \"it's 100%n\", \"\", \"$HOME \\\"q\\\"; x\"] }";
    let files = files(&whole(&with(alert)), "proxy", false);
    assert!(files[UNIT].contains("\nOnFailure=polls-renew-failed.service\n"));
    let start = line(&files[TOLD], "ExecStart");
    let (_, command) = start.split_once(" \"command\" ").unwrap();
    assert_eq!(
        command,
        r#""/bin/alert" "it\x27s\x20100%%n" "" "$$HOME\x20\x22q\x22\x3b\x20x""#
    );
    assert!(!whole_of(&files).contains("webhook\" "));
}

fn whole_of(files: &std::collections::BTreeMap<String, String>) -> String {
    files
        .iter()
        .filter(|(path, _)| path.ends_with("service"))
        .map(|(_, text)| text.as_str())
        .collect()
}

#[test]
fn the_webhooks_url_stands_in_a_secret_file_alone() {
    let text = with("email = \"a@b.example\"\non_failure = { webhook_env = \"WEBHOOK\" }");
    let plan = whole(&text);
    let files = files(&plan, "proxy", false);
    let holders: Vec<&String> = files
        .iter()
        .filter(|(_, text)| text.contains("https://hook.example/c4n4ry"))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(holders, ["/srv/polls/proxy/alert.conf"]);
    assert_eq!(
        files["/srv/polls/proxy/alert.conf"],
        "secret: globoff\nurl = \"https://hook.example/c4n4ry\"\n"
    );
}

/// The digest of what the rehearsal depends on.
fn rehearsal(text: &str) -> String {
    let plan = whole(text);
    let resources = plan.hosts.iter().flat_map(|host| &host.steps);
    let resources = resources.flat_map(|step| &step.resources);
    let mut found = resources.filter(|resource| resource.id() == "renewal rehearsal");
    let ops = found.next().unwrap().converge(&Observed::default());
    match &ops.last().unwrap().action {
        Action::Put { content, .. } => sha256(format!("{content:?}")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_renewal_is_rehearsed_again_for_what_matters_to_it() {
    let same = rehearsal(SCALED);
    assert_eq!(rehearsal(SCALED), same);
    assert_eq!(rehearsal(&SCALED.replace("polls:1", "polls:2")), same);
    for other in [
        "staging = true",
        "directory = \"https://acme.example/dir\"",
        "image = \"certbot/certbot:v5.2.0\"",
    ] {
        assert_ne!(rehearsal(&format!("{SCALED}{other}\n")), same, "{other}");
    }
    let names = "\"polls.example.com\", \"www.polls.example.com\"";
    let fewer = SCALED.replace(names, "\"polls.example.com\"");
    assert_ne!(rehearsal(&fewer), same);
}
