//! Commands that somebody sits at: what is refused before anybody is called.

use crate::home::{Home, SITE};

fn refused(arguments: &[&str]) -> String {
    let home = Home::new(SITE);
    let said = home.call(arguments);
    assert_eq!(
        (said.code, said.stdout.as_str()),
        (2, ""),
        "{}",
        said.stderr
    );
    said.stderr
}

#[test]
fn what_the_site_does_not_have_is_named() {
    let says = |arguments: &[&str], text: &str| {
        let stderr = refused(arguments);
        assert!(stderr.contains(text), "{arguments:?}: {stderr}");
    };
    says(&["redis-cli"], "there is no [redis] in site.toml");
    says(&["shell", "postgres"], "no host has the role \"db\"");
    says(
        &["shell", "celery"],
        "there are app, nginx, postgres, redis",
    );
    says(&["logs", "redis"], "no host has redis");
    says(&["logs", "celery"], "there is no service \"celery\"");
    says(
        &["manage", "--host", "two", "check"],
        "there is no host \"two\" in site.toml; it has one",
    );
    says(&["logs", "--host", "two"], "there is no host \"two\"");
    says(&["manage", "--site", "none.toml", "check"], "none.toml");
}

#[test]
fn options_before_the_first_argument_are_ours_and_a_slip_is_no_argument() {
    let stderr = refused(&["manage", "--hots", "one", "check"]);
    assert!(stderr.contains("--hots"), "{stderr}");
    assert!(stderr.contains("--host"), "{stderr}");
    let stderr = refused(&["logs", "--tail", "few"]);
    assert!(stderr.contains("a number of lines, or all"), "{stderr}");
    let stderr = refused(&["manage", "--json", "check"]);
    assert!(stderr.contains("--json"), "{stderr}");
}

#[test]
fn a_host_that_is_not_there_is_a_failure_of_its_own() {
    let home = Home::new(SITE);
    for arguments in [
        &["manage", "check"][..],
        &["dbshell"],
        &["logs"],
        &["shell"],
    ] {
        let said = home.call(arguments);
        assert_eq!(
            (said.code, said.stdout.as_str()),
            (3, ""),
            "{}",
            said.stderr
        );
        assert!(said.stderr.starts_with("one: connect: "), "{}", said.stderr);
        assert!(said.stderr.contains("\nnext: "), "{}", said.stderr);
    }
}

#[test]
fn who_sits_at_a_container_is_asked_for_no_secret_of_the_site() {
    let site = SITE.replace("[app]\n", "[app]\nsecrets = [\"DJANGO_SECRET_KEY\"]\n");
    let home = Home::new(&site);
    let planned = home.call(&["plan"]);
    assert_eq!(planned.code, 2, "{}", planned.stderr);
    assert!(
        planned.stderr.contains("DJANGO_SECRET_KEY"),
        "{}",
        planned.stderr
    );
    for arguments in [&["manage", "check"][..], &["logs"]] {
        let said = home.call(arguments);
        assert!(said.stderr.starts_with("one: connect: "), "{}", said.stderr);
    }
}
