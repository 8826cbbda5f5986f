//! ssh_config(5): our reader against the `ssh -G` of this machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use provision::ssh::config::{Config, ConfigError, Source};

use crate::config::{Home, ask};

/// The ssh of this machine; `None` where there is none, which CI doesn't put up with.
pub(super) fn openssh() -> Option<PathBuf> {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|directory| directory.join("ssh"))
        .find(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "there is no ssh in PATH");
        println!("left out: there is no ssh in PATH to compare with");
    }
    found
}

/// How many configurations are made up.
const ROUNDS: usize = 150;

/// Configurations, and the hosts to ask for in each.
const TABLE: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "web",
            "WEB.Example.com",
            "ann@web",
            "ssh://ann@web:2222",
            "10.0.0.1",
            "::1",
        ],
    ),
    (
        "Host web\n  HostName web.example.com\n  User deploy\n  Port 2222\nHost *\n  User other\n  Port 22\n",
        &["web", "db", "Web", "ann@web", "ssh://web:33"],
    ),
    (
        "Host web* !web3\n User a\nHost !web3\n User b\nHost ?b\n User c\n",
        &["web1", "web3", "db", "x"],
    ),
    (
        "Hostname %h.Example.COM\nHost web\nUser a\nHost web.example.com\nUser b\n",
        &["web", "WEB"],
    ),
    ("Host *\nHostName 2001:DB8:0::1\n", &["web"]),
    (
        "Host web\nHostname = \"1.2.3.4\"\nport=33\nUser =ann\n\tPasswordAuthentication\tNO\n",
        &["web"],
    ),
    (
        "IdentityFile ~/.ssh/a\nIdentityFile /k/%h-%r-%p-%n-%u-%i-%%\nIdentityFile ~/.ssh/a\nHost web\nIdentityFile \"/with a blank\"\nIdentitiesOnly yes\nCertificateFile ~/c-cert.pub\nCertificateFile /d\n",
        &["web", "db"],
    ),
    (
        "IdentityFile ${PATH}/x\nIdentityFile %d/y\nIdentityFile none\n",
        &["web"],
    ),
    ("IdentityFile none\n", &["web"]),
    ("IdentityAgent none\n", &["web"]),
    ("IdentityAgent SSH_AUTH_SOCK\n", &["web"]),
    ("IdentityAgent $NO_SUCH_VARIABLE_HERE\n", &["web"]),
    ("IdentityAgent $PATH\n", &["web"]),
    ("IdentityAgent \"~/a b/%h.sock\"\n", &["web"]),
    ("ProxyJump a@b:33,c,[::1]:44\nUser deploy\n", &["web"]),
    ("ProxyJump ssh://a@b:33\n", &["web"]),
    (
        "Host web\nProxyJump none\nHost *\nProxyJump b\n",
        &["web", "db"],
    ),
    (
        "ProxyJump none\nProxyCommand nc -X 5 \"%h\" %p # not a comment\n",
        &["web"],
    ),
    ("ProxyCommand nc %h %p\nProxyJump b\n", &["web"]),
    ("ProxyJump b\nProxyCommand nc %h %p\n", &["web"]),
    ("ProxyCommand none\nProxyJump b\n", &["web"]),
    ("ProxyCommand none\n", &["web"]),
    ("ProxyCommand=ssh -W %h:%p gate\n", &["web"]),
    (
        "UserKnownHostsFile ~/.ssh/k_%h_%k /dev/null\nGlobalKnownHostsFile /etc/k \nHostKeyAlias ALIAS\n",
        &["web"],
    ),
    (
        "UserKnownHostsFile \"/a b/c\" /d\nGlobalKnownHostsFile none\n",
        &["web"],
    ),
    (
        "UserKnownHostsFile none\nRevokedHostKeys ~/revoked\n",
        &["web"],
    ),
    ("UserKnownHostsFile /a\nUserKnownHostsFile /b\n", &["web"]),
    (
        "ConnectTimeout 5m\nServerAliveInterval 1h30\nServerAliveCountMax 7\n",
        &["web"],
    ),
    (
        "ConnectTimeout none\nServerAliveInterval 0\nServerAliveCountMax 3\n",
        &["web"],
    ),
    ("AddressFamily inet6\nBindAddress 10.0.0.2\n", &["web"]),
    // Debian's ssh has an interval of its own for batches.
    ("BatchMode yes\nServerAliveInterval 7\n", &["web"]),
    (
        "AddressFamily INET\nPreferredAuthentications publickey,password\n",
        &["web"],
    ),
    (
        "KbdInteractiveAuthentication no\nPubkeyAuthentication unbound\n",
        &["web"],
    ),
    (
        "ChallengeResponseAuthentication no\nPubkeyAuthentication no\n",
        &["web"],
    ),
    ("HostKeyAlgorithms ssh-ed25519,rsa-sha2-512\n", &["web"]),
    ("HostKeyAlgorithms +ssh-rsa\n", &["web"]),
    ("HostKeyAlgorithms ^rsa-sha2-256\n", &["web"]),
    ("HostKeyAlgorithms -*cert*,ecdsa-*\n", &["web"]),
    (
        "IgnoreUnknown Foo*,Use*\nFooBar yes\nUseKeychain yes\nUser a\n",
        &["web"],
    ),
    (
        "Match host web\nUser a\nMatch host *.example.com,!x.example.com\nUser b\nMatch all\nUser c\n",
        &["web", "WEB", "y.example.com", "x.example.com"],
    ),
    (
        "HostName web.example.com\nMatch host web\nUser a\nMatch originalhost web\nUser b\n",
        &["web", "db"],
    ),
    (
        "Match user ann\nPort 1\nMatch !user ann\nPort 2\n",
        &["web", "ann@web"],
    ),
    (
        "Host web\nUser bob\nMatch user bob host web\nPort 3\nMatch user=bob\nPort 4\n",
        &["web", "bob@db", "db"],
    ),
    (
        "Match localuser nobody-of-this-name\nPort 1\nMatch !localuser nobody-of-this-name\nPort 2\n",
        &["web"],
    ),
    ("Match exec true\nPort 1\n", &["web"]),
    (
        "Match exec false\nPort 1\nMatch !exec \"test %h = web\"\nPort 2\nMatch exec \"test '%n' = web -a %p = 22\"\nPort 3\n",
        &["web", "db"],
    ),
    ("Match host db exec \"touch DIR/ran\"\nPort 1\n", &["web"]),
    (
        "HostName web.example.com\nMatch final host web.example.com\nUser a\nMatch final\nPort 2\n",
        &["web"],
    ),
    (
        "Match canonical\nPort 2\nHost web.example.com\nUser b\nHost *\nHostName web.example.com\n",
        &["web"],
    ),
    ("Match !final\nPort 2\nMatch final all\nUser x\n", &["web"]),
    (
        "Match all\nPort 7 # why\nMatch host web # x\nUser a\n",
        &["web"],
    ),
    ("Include DIR/inc/*.conf\nUser z\n", &["web", "db"]),
    ("Host db\nInclude DIR/inc/*.conf\nPort 9\n", &["web", "db"]),
    ("Include DIR/inc/none* DIR/inc/b.conf\n", &["web", "db"]),
    (
        "Host web\r\n  User ann\r\n  IdentityFile \"/a b\"\r\nProxyCommand nc %h\r\n",
        &["web"],
    ),
    (
        "   # c\n\t\nCiphers aes256-gcm@openssh.com\nForwardAgent yes\nSendEnv LANG LC_*\nLocalForward 1 a:2\nUser a\n",
        &["web"],
    ),
    ("User \"a\\\"b\"\nIdentityFile /a\\ b\n", &["web"]),
];

/// What a line of one of these configurations has wrong is wrong for both.
const WRONG: &[&str] = &[
    "Port 0\n",
    "Port abc\n",
    "Port\n",
    "User \"a\n",
    "User a b\n",
    "Host web\nHost db\nPort 70000\n",
    "ConnectTimeout soon\n",
    "BatchMode perhaps\n",
    "AddressFamily inet5\n",
    "ProxyJump a,,b\n",
    "ProxyJump ::1\n",
    "UserKnownHostsFile none /a\n",
    "Match\n",
    "Match host\n",
    "Match host web all\nMatch host web user a all\n",
    "Match all host web\n",
    "Match weather fine\n",
    "IdentityFile \"\"\n",
    "ServerAliveCountMax many\n",
    "StrictHostKeyChecking maybe\n",
    "Include DIR/loop\n",
    "IdentityAgent ${X\n",
    "HostName %x\n",
];

const INCLUDED: &[(&str, &str)] = &[
    (
        "inc/a.conf",
        "Host web\nUser from-a\nInclude DIR/inc/deep/x\n",
    ),
    (
        "inc/b.conf",
        "Host db\nUser from-b\nMatch all\nIdentityFile /from-b\n",
    ),
    ("inc/deep/x", "Port 77\n"),
    ("loop", "Include DIR/loop\n"),
];

/// Both readings of one file.
pub(super) fn both(home: &Home, ssh: PathBuf, text: &str) -> [Config; 2] {
    let file = Source::File(home.write("config", text));
    [
        Config::with_openssh(ssh, file.clone(), None, Duration::from_secs(20)),
        Config::without_openssh(file, None, Path::new("/etc/ssh")),
    ]
}

#[tokio::test]
async fn our_reader_and_openssh_come_to_the_same_options() {
    let Some(ssh) = openssh() else { return };
    let home = Home::new(INCLUDED);
    let mut differences = Vec::new();
    for (text, hosts) in TABLE {
        let [theirs, ours] = both(&home, ssh.clone(), text);
        for host in *hosts {
            for (user, port) in [(None, None), (Some("given"), Some(4022))] {
                let mut answers = Vec::new();
                for config in [&theirs, &ours] {
                    let answer = config.resolve(host, user, port).await;
                    let mut answer = answer.unwrap_or_else(|error| panic!("{text}{host}: {error}"));
                    if !answer.identity_files_configured {
                        // Every version of ssh has its own.
                        answer.identity_files.clear();
                    }
                    answers.push(answer);
                }
                if answers[0] != answers[1] {
                    let [theirs, ours] = [&answers[0], &answers[1]];
                    differences.push(format!("{text}{host}:\n{theirs:?}\n{ours:?}\n"));
                }
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(
        !home.path("ran").exists(),
        "a command was run for another host"
    );
}

#[tokio::test]
async fn what_openssh_refuses_we_refuse() {
    let Some(ssh) = openssh() else { return };
    let home = Home::new(INCLUDED);
    for text in WRONG {
        let [theirs, ours] = both(&home, ssh.clone(), text);
        let error = ask(&theirs, "web").await.expect_err(text);
        assert!(
            matches!(error, ConfigError::Refused { .. }),
            "{text}: {error}"
        );
        let error = ask(&ours, "web").await.expect_err(text);
        assert!(!error.next().is_empty());
    }
}

/// A small generator of the xorshift family, so that a failure can be run again.
struct Dice(u64);

impl Dice {
    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        choices[usize::try_from(self.0 % choices.len() as u64).unwrap()]
    }
}

/// A configuration of lines that are nearly all right.
fn random(dice: &mut Dice) -> String {
    let mut text = String::new();
    let lines = dice.of(&["1", "3", "6", "9"]).parse().unwrap();
    for _ in 0..lines {
        let keyword = dice.of(&[
            "Host",
            "Host",
            "Match",
            "Match",
            "HostName",
            "User",
            "Port",
            "IdentityFile",
            "CertificateFile",
            "IdentityAgent",
            "ProxyJump",
            "ProxyCommand",
            "UserKnownHostsFile",
            "HostKeyAlias",
            "ConnectTimeout",
            "AddressFamily",
            "PasswordAuthentication",
            "Include",
            "IgnoreUnknown",
            "Nonsense",
        ]);
        let value = match keyword {
            "Host" => dice.of(&[
                "web",
                "*",
                "!web *",
                "w?b db",
                "*.example.com",
                "ann",
                "WEB",
                "! a",
            ]),
            "Match" => dice.of(&[
                "all",
                "host web",
                "!host web",
                "host *.example.com,!db",
                "user ann",
                "!user ann",
                "originalhost web",
                "final",
                "!final",
                "canonical",
                "final all",
                "exec true",
                "exec false",
                "!exec false",
                "host web exec \"test %r = ann\"",
                "user=ann",
                "host",
                "all host web",
                "final host web.example.com",
                "HOST WEB",
                "localuser x",
            ]),
            "HostName" => dice.of(&[
                "%h.example.com",
                "web",
                "10.0.0.1",
                "A.B",
                "%%",
                "2001:DB8::1",
            ]),
            "User" => dice.of(&["ann", "bob", "\"a n\"", "a b", "'ann'"]),
            "Port" => dice.of(&["22", "2222", "0", "\"33\"", "033"]),
            "IdentityFile" | "CertificateFile" => dice.of(&[
                "~/.ssh/a",
                "/b/%h/%r/%p/%n/%k",
                "none",
                "NONE",
                "c d",
                "\"c d\"",
                "rel",
            ]),
            "IdentityAgent" => dice.of(&["none", "SSH_AUTH_SOCK", "$PATH", "~/s", "/%h", "$A-B"]),
            "ProxyJump" => dice.of(&[
                "none",
                "a",
                "a@b:2,c",
                "[::1]:5",
                "ssh://a@b",
                "a@",
                "b:99999",
            ]),
            "ProxyCommand" => dice.of(&["none", "nc %h %p", "= x 'y z'", "nc \"%h"]),
            "UserKnownHostsFile" => dice.of(&["/a /b", "none", "~/k_%k", "none /a", "\"/a b\" /c"]),
            "HostKeyAlias" => dice.of(&["Alias", "alias two"]),
            "ConnectTimeout" => dice.of(&["3", "1m", "none", "1m1", "m", "-1", "0"]),
            "AddressFamily" => dice.of(&["inet", "inet6", "any", "Any", "x"]),
            "PasswordAuthentication" => dice.of(&["yes", "no", "True", "FALSE", "maybe"]),
            "Include" => dice.of(&["DIR/inc/*.conf", "DIR/inc/deep/x", "DIR/none"]),
            _ => dice.of(&["Non*", "x"]),
        };
        let before = dice.of(&["", "  ", "\t", "#"]);
        let between = dice.of(&[" ", " ", "=", " = ", "\t"]);
        let after = dice.of(&["", "", "", " ", " # why", "\r"]);
        text.push_str(&format!("{before}{keyword}{between}{value}{after}\n"));
    }
    text
}

#[tokio::test]
async fn our_reader_and_openssh_agree_on_whatever_comes() {
    let Some(ssh) = openssh() else { return };
    let home = Home::new(INCLUDED);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut understood, mut differences) = (0, Vec::new());
    for _ in 0..ROUNDS {
        let text = random(&mut dice);
        let host = dice.of(&["web", "db", "WEB", "ann@web", "web.example.com"]);
        let mut answers = Vec::new();
        for config in both(&home, ssh.clone(), &text) {
            answers.push(ask(&config, host).await.map(|mut options| {
                if !options.identity_files_configured {
                    options.identity_files.clear();
                }
                options
            }));
        }
        understood += usize::from(answers[0].is_ok());
        let [theirs, ours] = [&answers[0], &answers[1]];
        match (theirs, ours) {
            (Ok(theirs), Ok(ours)) if theirs == ours => {}
            (Err(_), Err(_)) => {}
            _ => differences.push(format!("{text}{host}:\n{theirs:?}\n{ours:?}\n")),
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(understood > ROUNDS / 4, "{understood} understood");
}
