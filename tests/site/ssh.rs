//! How hosts are reached: bastions, where passwords come from, keys.

use provision::site::{HostName, Jump, SecretSource, Site, Sudo};

use crate::home::{Home, KEY, SMALL, with};

fn site(ssh: &str, app1: &str) -> Site {
    let app1 = with("[hosts.app1]\n", &format!("[hosts.app1]\n{app1}\n"));
    let text = format!("{app1}[ssh]\n{ssh}\n");
    let home = Home::new();
    home.parse(&text).unwrap_or_else(|error| panic!("{error}"))
}

/// The way to a host, as `ssh -J` would be told.
fn way(site: &Site, host: &str) -> Vec<String> {
    let host = &site.hosts[&HostName::new(host).unwrap()];
    site.way(host)
        .into_iter()
        .map(|jump| match jump {
            Jump::Host(name) => name.to_string(),
            Jump::Elsewhere { user, host, port } => format!(
                "{}@{host}:{}",
                user.as_deref().unwrap_or("-"),
                port.unwrap_or_default()
            ),
        })
        .collect()
}

#[test]
fn every_option_of_ssh_arrives() {
    let site = site(
        "bootstrap = \"debian\"\nsudo = \"password\"\nharden = true\nconnect_timeout = 5\n\
         password = { env = \"VPS_PASSWORD\" }\n\
         sudo_password = { command = [\"pass\", \"show\", \"vps/root\"] }",
        "port = 2222\nssh = \"app1.prod\"\nsudo_password = { env = \"APP1\" }",
    );
    let ssh = &site.ssh;
    assert_eq!(ssh.bootstrap.as_ref().unwrap().as_str(), "debian");
    assert_eq!((ssh.sudo, ssh.harden), (Sudo::Password, true));
    assert_eq!(ssh.connect_timeout, Some(5));
    // A variable that the environment doesn't have: it is not looked at yet.
    assert!(
        matches!(&ssh.password, Some(SecretSource::Env(name)) if name.as_str() == "VPS_PASSWORD")
    );
    let command = ["pass", "show", "vps/root"].map(str::to_owned).to_vec();
    assert_eq!(ssh.sudo_password, Some(SecretSource::Command(command)));
    let app1 = &site.hosts[&HostName::new("app1").unwrap()];
    assert_eq!((app1.port, app1.port()), (Some(2222), 2222));
    assert_eq!(app1.ssh.as_deref(), Some("app1.prod"));
    assert!(
        matches!(&app1.sudo_password, Some(SecretSource::Env(name)) if name.as_str() == "APP1")
    );
    assert!(app1.password.is_none() && app1.jump.is_none());
}

#[test]
fn a_bastion_is_a_host_of_the_site_or_what_ssh_takes() {
    let behind = site("jump = \"proxy\"", "");
    assert_eq!(way(&behind, "app1"), ["proxy"]);
    assert!(way(&behind, "proxy").is_empty(), "it is reached directly");

    let chain = "jump = [\"ops@bastion.example.com:2222\", \"proxy\"]";
    let chained = site(chain, "");
    let bastion = "ops@bastion.example.com:2222";
    assert_eq!(way(&chained, "app1"), [bastion, "proxy"]);
    assert_eq!(way(&chained, "proxy"), [bastion]);
    assert!(way(&site(chain, "jump = []"), "app1").is_empty());

    let nested = site(&format!("jump = {bastion:?}"), "jump = \"proxy\"");
    assert_eq!(
        way(&nested, "app1"),
        [bastion, "proxy"],
        "its own way first"
    );

    let forms = "[\"ssh://a@b.example:22\", \"[2001:db8::1]:2200\", \"2001:db8::2\", \"x,y\"]";
    assert_eq!(
        way(&site(&format!("jump = {forms}"), ""), "app1"),
        [
            "a@b.example:22",
            "-@2001:db8::1:2200",
            "-@2001:db8::2:0",
            "-@x:0",
            "-@y:0"
        ]
    );
}

#[test]
fn a_private_address_will_do_behind_a_bastion() {
    let text = SMALL.replace("198.51.100.11", "10.0.0.11");
    let text = text.replace("role = \"app\"", "role = \"app\"\njump = \"proxy\"");
    let site = Home::new().parse(&text).unwrap();
    assert_eq!(way(&site, "app1"), ["proxy"]);
}

#[test]
fn public_keys_are_lines_or_files_and_each_counts_once() {
    let (start, _) = KEY.rsplit_once(' ').unwrap();
    let list = format!("[\"~/.ssh/id_ed25519.pub\", \"{start} the same again\"]");
    let site = site(&format!("authorized_keys = {list}"), "");
    assert_eq!(site.ssh.authorized_keys, [KEY]);
    assert!(site.ssh.operator_keys.is_empty());
}

#[test]
fn a_password_in_the_clear_is_refused_and_not_shown() {
    let home = Home::new();
    for (text, at) in [
        (
            format!("{SMALL}[ssh]\npassword = \"hunter2\"\n"),
            "site.toml:14:",
        ),
        (
            format!("{SMALL}[ssh]\nsudo_password = {{ env = \"hunter2!\" }}\n"),
            "site.toml:14:",
        ),
        (
            format!("{SMALL}[ssh]\npassword = \"hunter2\n"),
            "site.toml:14:",
        ),
        (
            with(
                "role = \"app\"\n",
                "role = \"app\"\npassword = \"hunter2\"\n",
            ),
            "site.toml:6:",
        ),
    ] {
        let picture = home.picture(&text);
        assert!(picture.contains(at), "{picture}");
        assert!(!picture.contains("hunter2"), "{picture}");
    }
}
