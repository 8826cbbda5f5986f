//! The site.toml that `provision init` writes.

use std::ffi::OsString;

use provision::site::{self, Role};

use crate::home::Home;

#[test]
fn the_starter_loads_as_it_is() {
    let home = Home::new();
    let site = home.parse(site::starter()).unwrap();
    assert_eq!(site.name.as_str(), "polls");
    assert_eq!(site.with_role(Role::App).count(), 2);
    assert_eq!(site.with_role(Role::Proxy).count(), 1);
}

#[test]
fn every_option_the_starter_tells_of_can_be_switched_on() {
    let home = Home::new();
    home.write("polls.env", "DATABASE_HOST=db\n");
    home.write(
        "test-ca.pem",
        "-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n",
    );
    for name in ["http", "server", "location"] {
        home.write(&format!("nginx/{name}.conf"), "# nothing\n");
    }
    let is_option = |line: &str| {
        line.strip_prefix("# ")
            .and_then(|rest| rest.split_once(" = "))
            .is_some_and(|(key, _)| {
                key.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            })
    };
    let lines: Vec<&str> = site::starter().lines().collect();
    let options: Vec<usize> = (0..lines.len())
        .filter(|at| is_option(lines[*at]))
        .collect();
    assert!(options.len() >= 25, "{}", options.len());
    for option in options {
        let text: Vec<&str> = lines
            .iter()
            .enumerate()
            .map(|(at, line)| if at == option { &line[2..] } else { line })
            .collect();
        let environment = |name: &str| match name {
            "HOME" => Some(home.path().into()),
            "ALERT_URL" => Some(OsString::from("https://alert.example/")),
            _ => Some(OsString::from("a value")),
        };
        let file = home.path().join("site.toml");
        if let Err(error) = site::parse(&text.join("\n"), &file, environment) {
            panic!("{error}");
        }
    }
}
