//! The operator's ssh_config(5), in homes of our own and with programs that stand for ssh.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use provision::ssh::config::{Agent, Config, ConfigError, Family, Options, Proxy, Source};
use tempfile::TempDir;

use crate::config_openssh::{both, openssh};
use crate::executable;

/// A home with files below it. `DIR` in their text is the home's path.
pub(super) struct Home(TempDir);

impl Home {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            home.write(name, text);
        }
        home
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text.replace("DIR", self.0.path().to_str().unwrap())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// Our own reader, with `~/.ssh/config` and `etc/ssh_config` of this home.
    fn own(&self) -> Config {
        let home = Some(self.0.path().to_owned());
        Config::without_openssh(Source::Default, home, &self.path("etc"))
    }

    /// A program that stands for ssh.
    fn ssh(&self, script: &str) -> Config {
        self.ssh_within(script, Duration::from_secs(20))
    }

    fn ssh_within(&self, script: &str, limit: Duration) -> Config {
        let path = self.path("ssh");
        let script = script.replace("DIR", self.0.path().to_str().unwrap());
        executable::write(&path, &format!("#!/bin/sh\n{script}"));
        let home = Some(self.0.path().to_owned());
        Config::with_openssh(path, Source::Default, home, limit)
    }
}

pub(super) async fn ask(config: &Config, host: &str) -> Result<Options, ConfigError> {
    config.resolve(host, None, None).await
}

#[tokio::test]
async fn options_openssh_does_not_know_are_left_out_and_named_once() {
    let Some(ssh) = openssh() else { return };
    let home = Home::new(&[(
        "more",
        "UseRockets yes\nIgnoreUnknown UseQuiet\nUseQuiet yes\n",
    )]);
    let text = "UseWings yes\nHost web\nUseWings no\nUser a\nInclude DIR/more\nUseWheels 4\n";
    let [theirs, ours] = both(&home, ssh, text);
    for config in [theirs, ours] {
        for host in ["web", "web", "db"] {
            let options = ask(&config, host).await.unwrap();
            assert_eq!(options.user.as_deref(), (host == "web").then_some("a"));
        }
        let path = |name: &str| home.path(name).display().to_string();
        let warnings = config.warnings();
        for (name, place) in [
            ("usewings", format!("{}:1", path("config"))),
            ("userockets", format!("{}:1", path("more"))),
            ("usewheels", format!("{}:6", path("config"))),
        ] {
            let sentence = format!("The option {name} isn't known ({place}) and is left out.");
            assert!(warnings.contains(&sentence), "{warnings:?}");
        }
        assert_eq!(warnings.len(), 3, "{warnings:?}");
    }
}

#[tokio::test]
async fn a_user_who_is_configured_counts_even_if_it_is_the_local_one() {
    let Some(ssh) = openssh() else { return };
    let me = std::process::Command::new("id")
        .arg("-un")
        .output()
        .unwrap();
    let me = String::from_utf8(me.stdout).unwrap().trim().to_owned();
    let home = Home::new(&[]);
    for config in both(&home, ssh, &format!("Host web\nUser {me}\n")) {
        assert_eq!(ask(&config, "web").await.unwrap().user, Some(me.clone()));
        assert_eq!(ask(&config, "db").await.unwrap().user, None);
        assert_eq!(
            ask(&config, "ann@db").await.unwrap().user.as_deref(),
            Some("ann")
        );
    }
}

#[tokio::test]
async fn what_is_not_honoured_is_said_once() {
    let text = "StrictHostKeyChecking accept-new\nKnownHostsCommand /bin/keys %h\n\
        VerifyHostKeyDNS yes\nProxyCommand nc %h\nProxyUseFdpass yes\nBindInterface lo\n";
    let Some(ssh) = openssh() else { return };
    let home = Home::new(&[]);
    for config in both(&home, ssh, text) {
        assert_eq!(config.warnings(), [""; 0]);
        for host in ["web", "db"] {
            ask(&config, host).await.unwrap();
        }
        let warnings = config.warnings();
        assert_eq!(warnings.len(), 5, "{warnings:?}");
        let strict = warnings
            .iter()
            .find(|sentence| sentence.starts_with("StrictHost"));
        assert!(strict.unwrap().contains("`provision trust` pins it"));
    }
}

#[tokio::test]
async fn the_users_file_comes_before_the_systems() {
    let home = Home::new(&[
        (
            ".ssh/config",
            "\u{feff}Host web\n  User ann\n  Include hosts/*\n  IdentityFile ~/.ssh/web\n",
        ),
        (".ssh/hosts/web", "HostName web.example.com\n"),
        (
            "etc/ssh_config",
            "Include ssh_config.d/*.conf\nHost *\n  User root\n  Port 2222\n",
        ),
        ("etc/ssh_config.d/a.conf", "ConnectTimeout 3\n"),
    ]);
    let options = ask(&home.own(), "web").await.unwrap();
    assert_eq!(options.host_name, "web.example.com");
    assert_eq!(options.user.as_deref(), Some("ann"));
    assert_eq!(options.port, 2222);
    assert_eq!(options.connect_timeout, Some(Duration::from_secs(3)));
    assert_eq!(options.identity_files, [home.path(".ssh/web")]);
    assert_eq!(
        options.user_known_hosts,
        [
            home.path(".ssh/known_hosts"),
            home.path(".ssh/known_hosts2")
        ]
    );
    assert_eq!(
        options.global_known_hosts[0],
        home.path("etc/ssh_known_hosts")
    );
    let other = ask(&home.own(), "db").await.unwrap();
    assert_eq!(other.user.as_deref(), Some("root"));
    assert!(!other.identity_files_configured);
    assert_eq!(other.identity_files[0], home.path(".ssh/id_rsa"));
}

#[tokio::test]
async fn without_a_configuration_there_are_defaults() {
    let home = Home::new(&[]);
    let options = ask(&home.own(), "web").await.unwrap();
    assert_eq!(options.user, None);
    assert_eq!((options.port, options.family), (22, Family::Any));
    assert_eq!(
        (options.proxy, options.identity_agent),
        (Proxy::None, Agent::FromEnv)
    );
    assert!(options.password_authentication && options.pubkey_authentication);
    assert!(options.kbd_interactive_authentication && !options.batch_mode);
    assert_eq!(options.host_key_algorithms, None);
    let none = Config::without_openssh(Source::None, None, Path::new("/etc/ssh"));
    assert_eq!(ask(&none, "web").await.unwrap().host_name, "web");
    let missing = Config::without_openssh(
        Source::File(home.path("missing")),
        None,
        Path::new("/etc/ssh"),
    );
    let error = ask(&missing, "web").await.unwrap_err();
    assert!(matches!(error, ConfigError::Read { .. }), "{error}");
}

#[tokio::test]
async fn a_mistake_is_named_with_file_and_line() {
    let home = Home::new(&[
        (".ssh/config", "User ann\nInclude more\n"),
        (".ssh/more", "# first\n\nPort many\n"),
    ]);
    let error = ask(&home.own(), "web").await.unwrap_err();
    let expected = format!(
        "{}:3: port can't be \"many\"",
        home.path(".ssh/more").display()
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_file_that_others_may_write_to_is_not_read() {
    let home = Home::new(&[(".ssh/config", "Include more\n"), (".ssh/more", "User a\n")]);
    for name in [".ssh/more", ".ssh/config"] {
        let others = fs::Permissions::from_mode(0o622);
        fs::set_permissions(home.path(name), others).unwrap();
        let error = ask(&home.own(), "web").await.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(home.path(name).to_str().unwrap()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_include_of_itself_ends() {
    let home = Home::new(&[(".ssh/config", "Include config config\n")]);
    let error = ask(&home.own(), "web").await.unwrap_err();
    assert!(error.to_string().contains("16 deep"), "{error}");
    // Each level twice as wide as the one above.
    let home = Home::new(&[(".ssh/config", "Include 0 0\n")]);
    for level in 0..14 {
        let text = format!("Include {0} {0}\n", level + 1);
        home.write(&format!(".ssh/{level}"), &text);
    }
    home.write(".ssh/14", "User a\n");
    let error = ask(&home.own(), "web").await.unwrap_err();
    assert!(error.to_string().contains("too many files"), "{error}");
    let endless = Config::without_openssh(
        Source::File("/dev/zero".into()),
        None,
        Path::new("/etc/ssh"),
    );
    assert!(ask(&endless, "web").await.is_err());
}

#[tokio::test]
async fn the_command_of_a_proxy_gets_its_tokens_and_nothing_else() {
    let home = Home::new(&[(
        ".ssh/config",
        "HostName %h.example.com\nHost a\nProxyCommand nc %n %h %p %r 100%% $HOME\nHost b\n\
         ProxyCommand nc %d\nHost c\nProxyJump %r@gate-%n,[fe80::1%eth0]\n",
    )]);
    let command = ask(&home.own(), "a").await.unwrap().proxy_command("root");
    assert_eq!(
        command.unwrap().unwrap(),
        "nc a a.example.com 22 root 100% $HOME"
    );
    let wrong = ask(&home.own(), "b").await.unwrap().proxy_command("root");
    assert!(wrong.unwrap().is_err());
    let options = home.own().resolve("c", Some("ann"), None).await.unwrap();
    let Proxy::Jump(hops) = &options.proxy else {
        panic!("{:?}", options.proxy)
    };
    assert_eq!(hops[0].to_string(), "ann@gate-c");
    assert_eq!(hops[1].host, "fe80::1%eth0");
    assert!(options.proxy_command("root").is_none());
}

#[tokio::test]
async fn a_host_that_could_be_an_option_or_a_command_is_refused() {
    let home = Home::new(&[]);
    let marker = home.path("ran");
    let config = home.ssh("touch DIR/ran\n");
    for host in [
        "",
        "-oProxyCommand=x",
        "a;b",
        "a b",
        "$(x)",
        "`x`",
        "ann@",
        "a\nb",
        "ssh://a/b",
    ] {
        let error = ask(&config, host).await.unwrap_err();
        assert!(
            matches!(error, ConfigError::Name { .. } | ConfigError::Uri { .. }),
            "{host}: {error}"
        );
    }
    for user in ["-l", "a;b", "a b", ""] {
        assert!(
            config.resolve("web", Some(user), None).await.is_err(),
            "{user}"
        );
    }
    assert!(!marker.exists());
}

#[tokio::test]
async fn an_ssh_that_hangs_fails_or_prints_nonsense_is_an_error_that_says_so() {
    let home = Home::new(&[]);
    let begun = Instant::now();
    let config = home.ssh_within("exec sleep 60\n", Duration::from_millis(300));
    let error = ask(&config, "web").await.unwrap_err();
    assert!(matches!(error, ConfigError::Limit { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    for (script, expected) in [
        (
            "echo 'c line 3: Bad port' >&2; exit 255\n",
            "c line 3: Bad port",
        ),
        ("exit 1\n", "nothing (exit status: 1)"),
        ("echo hello\n", "says nothing of hostname"),
        // One that complains of another option each time it is asked.
        (
            "echo \"c: line 1: Bad configuration option: x$$\" >&2; exit 255\n",
            "ever more",
        ),
        (
            "echo 'c: line 1: Bad configuration option: x' >&2; exit 255\n",
            "option: x",
        ),
    ] {
        let error = ask(&home.ssh(script), "web").await.unwrap_err();
        assert!(error.to_string().contains(expected), "{script}: {error}");
    }
}

#[tokio::test]
async fn a_command_of_match_that_hangs_is_stopped() {
    let home = Home::new(&[]);
    let text = "Match exec \"exec sleep 60\"\nUser a\n";
    let limit = Duration::from_secs(3);
    let mut configs = Vec::new();
    if let Some(ssh) = openssh() {
        let file = Source::File(home.write("config", text));
        configs.push(Config::with_openssh(ssh, file, None, limit));
    }
    // Prints the local user's name, so that our own reader is asked, too; it doesn't matter
    // what becomes of that.
    home.write(".ssh/config", text);
    let script = "echo hostname web; echo port 22; echo user $(id -un)\n";
    let begun = Instant::now();
    let options = ask(&home.ssh_within(script, limit), "web").await;
    assert_eq!(options.unwrap().user, None);
    for config in configs {
        let error = ask(&config, "web").await.unwrap_err();
        assert!(matches!(error, ConfigError::Limit { .. }), "{error}");
    }
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn answers_of_old_and_new_openssh_are_read_alike() {
    let home = Home::new(&[]);
    let common = "user ann\nhostname web.example.com\nport 22\nidentityfile ~/.ssh/k\n\
        serveraliveinterval 15\nserveralivecountmax 5\nproxyjump a,b@[10.0.0.1]:22\n";
    let old = "challengeresponseauthentication no\nkbdinteractiveauthentication no\n\
        addressfamily any\nconnecttimeout none\nuserknownhostsfile ~/.ssh/k1 ~/.ssh/k2\n";
    let new = "host web\nkbdinteractiveauthentication no\naddressfamily any\nconnecttimeout none\n\
        userknownhostsfile DIR/.ssh/k1 DIR/.ssh/k2\nrevokedhostkeys none\n";
    let mut answers = Vec::new();
    for own in [old, new] {
        let script = format!(
            "case $* in *localhost) printf 'user me\\nhostname h\\nport 22\\n' ;;\n\
             *) cat <<'END'\n{common}{own}END\n;; esac\n"
        );
        answers.push(ask(&home.ssh(&script), "web").await.unwrap());
    }
    assert_eq!(answers[0], answers[1]);
    let options = &answers[0];
    assert_eq!(options.identity_files, [home.path(".ssh/k")]);
    assert_eq!(
        options.user_known_hosts,
        [home.path(".ssh/k1"), home.path(".ssh/k2")]
    );
    assert_eq!(options.server_alive_interval, Some(Duration::from_secs(15)));
    assert_eq!(options.server_alive_count_max, Some(5));
    assert!(!options.kbd_interactive_authentication);
    let Proxy::Jump(hops) = &options.proxy else {
        panic!("{:?}", options.proxy)
    };
    assert_eq!(hops[1].to_string(), "b@10.0.0.1:22");
}

#[tokio::test]
async fn many_hosts_may_be_asked_for_at_once() {
    let Some(ssh) = openssh() else { return };
    let home = Home::new(&[]);
    let [theirs, ours] = both(&home, ssh, "HostName %h.example.com\n");
    for config in [theirs, ours] {
        let tasks: Vec<_> = (0..40)
            .map(|number| {
                let config = config.clone();
                tokio::spawn(async move { ask(&config, &format!("web{number}")).await })
            })
            .collect();
        for (number, task) in tasks.into_iter().enumerate() {
            let options = task.await.unwrap().unwrap();
            assert_eq!(options.host_name, format!("web{number}.example.com"));
        }
    }
}

#[tokio::test]
async fn a_command_of_match_is_not_run_again_to_tell_who_is_configured() {
    let Some(ssh) = openssh() else { return };
    let home = Home::new(&[]);
    let run = "Match exec \"echo >> DIR/run; true\"\n";
    let me = std::process::Command::new("id")
        .arg("-un")
        .output()
        .unwrap();
    let me = String::from_utf8(me.stdout).unwrap().trim().to_owned();
    for (text, user, times) in [
        (format!("{run}Port 2222\n"), None, 1),
        (
            format!("Host web\nUser {me}\n{run}Port 2222\n"),
            Some(me.clone()),
            1,
        ),
        // Only here does it matter how it ends.
        (format!("{run}User {me}\n"), Some(me.clone()), 2),
    ] {
        let [theirs, _] = both(&home, ssh.clone(), &text);
        assert_eq!(ask(&theirs, "web").await.unwrap().user, user, "{text}");
        let count = fs::read_to_string(home.path("run")).unwrap().len();
        fs::remove_file(home.path("run")).unwrap();
        assert_eq!(count, times, "{text}");
    }
}
