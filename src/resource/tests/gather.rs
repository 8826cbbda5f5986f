//! The script that reads all facts, run for real by this machine's sh, and read back.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::resource::fact::Family;
use crate::resource::gather::Gather;
use crate::resource::{Fact, Observed, Reveal, Unreadable, sha256};
use crate::shell::Script;

const NONCE: &str = "n0nce8f3a";

/// Feeds the script to `sh -s`, as the engine does.
fn run(gather: &Gather) -> Vec<u8> {
    let mut sh = Command::new("sh")
        .arg("-s")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = sh.stdin.take().unwrap();
    stdin.write_all(gather.script().as_bytes()).unwrap();
    drop(stdin);
    let done = sh.wait_with_output().unwrap();
    assert!(done.status.success(), "{:?}", done.status);
    done.stdout
}

fn read(facts: impl IntoIterator<Item = Fact>) -> Result<Observed, Unreadable> {
    let gather = Gather::new(NONCE, facts);
    gather.parse(&run(&gather))
}

fn file(path: &Path, content: Reveal) -> Fact {
    Fact::File {
        path: path.display().to_string(),
        content,
    }
}

#[test]
fn any_content_comes_back_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let contents: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"one line".to_vec(),
        b"lines\n\n\nand more\n\n".to_vec(),
        b"a\0b\0\xff\xfe\r\n".to_vec(),
        format!("{NONCE} end 0\n{NONCE} done\n{NONCE} begin files\n").into_bytes(),
        b"stat regular file|644|root:root|0|/etc/passwd\nsum x  y\n".to_vec(),
        vec![b'x'; 300_000],
    ];
    let paths: Vec<_> = (0..contents.len())
        .map(|at| dir.path().join(format!("file{at}")))
        .collect();
    for (path, content) in paths.iter().zip(&contents) {
        fs::write(path, content).unwrap();
    }
    let seen = read(paths.iter().map(|path| file(path, Reveal::Always))).unwrap();
    for (path, content) in paths.iter().zip(&contents) {
        let file = seen.file(&path.display().to_string()).unwrap().unwrap();
        assert!(file.kind.starts_with("regular"), "{}", file.kind);
        assert_eq!(file.content.as_ref(), Some(content));
        assert_eq!(file.sha256.as_deref(), Some(sha256(content).as_str()));
    }
}

#[test]
fn a_link_and_a_file_without_a_size_are_read_beside_others() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("a"), "first").unwrap();
    symlink(at("a"), at("b")).unwrap();
    fs::write(at("c"), "").unwrap();
    fs::write(at("d"), "last").unwrap();
    let paths = ["a", "b", "c", "d"].map(at);
    let boot = Path::new("/proc/sys/kernel/random/boot_id");
    let facts = paths.iter().map(|path| file(path, Reveal::Always));
    let seen = read(facts.chain([file(boot, Reveal::Always)])).unwrap();
    let text = |path: &Path| seen.text(path.to_str().unwrap()).unwrap().unwrap();
    assert_eq!(
        paths.each_ref().map(|path| text(path)),
        ["first", "first", "", "last"]
    );
    assert_eq!(text(boot), fs::read_to_string(boot).unwrap());
}

#[test]
fn kind_mode_and_absence_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file"), "x").unwrap();
    fs::set_permissions(at("file"), fs::Permissions::from_mode(0o4640)).unwrap();
    fs::create_dir(at("directory")).unwrap();
    fs::set_permissions(at("directory"), fs::Permissions::from_mode(0o750)).unwrap();
    symlink(at("file"), at("link")).unwrap();
    symlink(at("nowhere"), at("dangling")).unwrap();
    let names = ["file", "directory", "link", "dangling", "missing"];
    let seen = read(names.map(|name| file(&at(name), Reveal::Never))).unwrap();
    let seen = |name: &str| seen.file(&at(name).display().to_string()).unwrap();
    assert_eq!(
        seen("file").map(|f| (f.kind.as_str(), f.mode, f.content.is_some())),
        Some(("regular file", 0o4640, false))
    );
    assert_eq!(
        seen("directory").map(|f| (f.kind.as_str(), f.mode)),
        Some(("directory", 0o750))
    );
    assert_eq!(seen("link").unwrap().kind, "symbolic link");
    assert_eq!(seen("dangling").unwrap().kind, "symbolic link");
    assert_eq!(seen("missing"), None);
}

#[test]
fn content_is_read_only_as_far_as_it_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "known").unwrap();
    let content = |reveals: &[Reveal]| {
        let facts = reveals.iter().map(|reveal| file(&path, reveal.clone()));
        let seen = read(facts).unwrap();
        let file = seen.file(&path.display().to_string()).unwrap();
        file.unwrap().content.is_some()
    };
    let (same, other) = (
        Reveal::Unless(sha256("known")),
        Reveal::Unless(sha256("another")),
    );
    assert!(!content(&[Reveal::Never]));
    assert!(!content(std::slice::from_ref(&same)));
    assert!(content(std::slice::from_ref(&other)));
    assert!(content(&[Reveal::Always]));
    // Two resources that ask differently both get what they asked for.
    assert!(content(&[Reveal::Never, Reveal::Always]));
    assert!(content(&[same.clone(), other]));
    assert!(!content(&[Reveal::Never, same]));
}

#[test]
fn facts_that_are_named_twice_are_read_once() {
    let script = Script("echo x");
    let facts = || {
        [
            Fact::Package("base-files".to_owned()),
            file(Path::new("/etc/passwd"), Reveal::Never),
            Fact::Sh(script, Vec::new()),
            Fact::Docker,
        ]
    };
    let once = Gather::new(NONCE, facts());
    let twice = Gather::new(NONCE, facts().into_iter().chain(facts()));
    assert_eq!((once.len(), twice.len()), (4, 4));
    assert_eq!(once.script(), twice.script());
}

#[test]
fn scripts_get_their_arguments_whole_and_their_exit_status_is_known() {
    let print = Script("printf '%s' \"$1\"\nexit 7");
    let hostile = "it's \"$HOME\" `id`\n$(id) %s \\n".to_owned();
    let seen = read([
        Fact::Sh(print, vec![hostile.clone()]),
        // A script that reads stdin must not eat what comes after it.
        Fact::Sh(Script("cat; echo end"), Vec::new()),
        Fact::Sh(Script("echo last"), Vec::new()),
    ])
    .unwrap();
    let printed = seen.sh(print, std::slice::from_ref(&hostile)).unwrap();
    assert_eq!(
        (printed.status, printed.text.as_str()),
        (7, hostile.as_str())
    );
    let text = |script| seen.sh(Script(script), &[]).unwrap().text.clone();
    assert_eq!(text("cat; echo end"), "end");
    assert_eq!(text("echo last"), "last");
}

#[test]
fn packages_of_this_machine_are_read_and_absent_ones_are_absent() {
    let facts = ["base-files", "no-such-package-here"].map(|name| Fact::Package(name.to_owned()));
    let seen = read(facts).unwrap();
    assert!(seen.package("base-files").unwrap().is_some());
    assert_eq!(seen.package("no-such-package-here"), Ok(None));
    assert!(seen.package("never-asked-for").is_err());
}

#[test]
fn an_answer_that_was_cut_off_anywhere_is_an_error() {
    let gather = Gather::new(
        NONCE,
        [
            file(Path::new("/etc/passwd"), Reveal::Always),
            Fact::Sh(Script("echo one"), Vec::new()),
        ],
    );
    let whole = run(&gather);
    assert!(gather.parse(&whole).is_ok());
    let end = whole.len() - 1;
    for cut in [0, 1, end / 3, end / 2, end - 3] {
        assert!(gather.parse(&whole[..cut]).is_err(), "{cut} of {end} bytes");
    }
}

/// An answer with these sections, each with its exit status.
fn answer(sections: &[(&str, i32, &str)]) -> Vec<u8> {
    let mut text: String = sections
        .iter()
        .map(|(name, status, body)| format!("{NONCE} begin {name}\n{body}\n{NONCE} end {status}\n"))
        .collect();
    text.push_str(&format!("{NONCE} done\n"));
    text.into_bytes()
}

fn error(fact: Fact, sections: &[(&str, i32, &str)]) -> String {
    match Gather::new(NONCE, [fact]).parse(&answer(sections)) {
        Ok(_) => "none".to_owned(),
        Err(unreadable) => unreadable.to_string(),
    }
}

#[test]
fn a_section_that_is_missing_or_that_a_tool_failed_in_is_an_error() {
    let package = || Fact::Package("x".to_owned());
    let unit = || Fact::Unit("x.service".to_owned());
    let passwd = || file(Path::new("/etc/x"), Reveal::Always);
    let rules = || Fact::Rules(Family::V4);
    let script = || Fact::Sh(Script("x"), Vec::new());
    for (fact, name) in [
        (package(), "packages"),
        (unit(), "units"),
        (passwd(), "files"),
        (rules(), "rules4"),
        (Fact::Docker, "docker"),
        (script(), "sh0"),
    ] {
        let missing = format!("{name}: its section is missing from the answer");
        assert_eq!(error(fact, &[]), missing);
    }
    for (fact, section, expected) in [
        (
            package(),
            ("packages", 2, ""),
            "packages: dpkg-query ended with 2",
        ),
        (
            package(),
            ("packages", 127, ""),
            "packages: dpkg-query ended with 127",
        ),
        (
            unit(),
            ("units", 1, ""),
            "units: systemctl show ended with 1",
        ),
        (
            unit(),
            ("units", 0, ""),
            "units: asked systemd for 1 units, it answered for 0",
        ),
        (
            passwd(),
            ("files", 0, "nonsense"),
            "files: unexpected line \"nonsense\"",
        ),
        (
            passwd(),
            ("files", 0, "stat regular file|644|root:root|0|1|/etc/x"),
            "file /etc/x: exists but can't be read",
        ),
        (
            passwd(),
            (
                "files",
                0,
                "stat regular file|644|root:root|0|2|/etc/x\nnext /etc/x\nsum 00  /etc/x\ntexts eHk=",
            ),
            "file /etc/x: was changed while it was read; try again",
        ),
        (
            rules(),
            ("rules4", 1, ""),
            "rules4: the tool that prints them ended with 1",
        ),
    ] {
        assert_eq!(error(fact, &[section]), expected);
    }
}

#[test]
fn a_docker_that_does_not_answer_is_an_error_of_its_own_and_not_of_the_whole_host() {
    for (section, why) in [
        (("docker", 7, "curl: (7) no"), "curl: (7) no"),
        (("docker", 0, "[]\n[]"), "its API gave no images"),
    ] {
        let facts = [Fact::Docker, Fact::Package("x".to_owned())];
        let seen = Gather::new(NONCE, facts)
            .parse(&answer(&[section, ("packages", 0, "x\tinstalled\t1\n")]))
            .unwrap();
        assert_eq!(seen.package("x"), Ok(Some("1")));
        assert_eq!(seen.docker().unwrap_err().why, why);
    }
}

#[test]
fn root_is_told_by_its_name_and_everybody_else_by_numbers() {
    let file = |path: &str| Fact::File {
        path: path.to_owned(),
        content: Reveal::Never,
    };
    let stat = "stat directory|755|0:0|0|1|/a\nstat directory|755|10001:0|0|1|/b\n\
                stat directory|755|0:999|0|1|/c";
    let seen = Gather::new(NONCE, ["/a", "/b", "/c"].map(file))
        .parse(&answer(&[("files", 0, stat)]))
        .unwrap();
    let owner = |path: &str| seen.file(path).unwrap().unwrap().owner.clone();
    assert_eq!(
        ["/a", "/b", "/c"].map(owner),
        ["root:root", "10001:root", "root:999"]
    );
}

#[test]
fn a_host_without_docker_or_a_packet_filter_is_not_an_error() {
    let facts = [Fact::Docker, Fact::Rules(Family::V4)];
    let seen = Gather::new(NONCE, facts)
        .parse(&answer(&[("docker", 3, ""), ("rules4", 127, "")]))
        .unwrap();
    assert_eq!(seen.docker(), Ok(None));
    assert_eq!(seen.rules(Family::V4), Ok(None));
    assert!(seen.rules(Family::V6).is_err(), "it was not asked for");
}

#[test]
fn dockers_answers_become_containers_networks_and_images() {
    let api = concat!(
        r#"[{"Id":"1","Names":["/a"],"Image":"x","ImageID":"sha256:1","State":"running","Status":"Up","Labels":{"k":"v"}}]"#,
        "\n",
        r#"[{"Name":"bridge","IPAM":{"Config":[{"Subnet":"172.17.0.0/16"}]}},{"Name":"host","IPAM":{"Config":null}}]"#,
        "\n",
        r#"[{"Id":"sha256:1","RepoTags":["x:1"],"RepoDigests":null}]"#,
    );
    let seen = Gather::new(NONCE, [Fact::Docker])
        .parse(&answer(&[("docker", 0, api)]))
        .unwrap();
    let docker = seen.docker().unwrap().unwrap();
    assert_eq!(docker.container("a").unwrap().labels["k"], "v");
    assert_eq!(docker.subnets(), ["172.17.0.0/16"]);
    assert!(docker.image("x:1").is_some() && docker.image("x:2").is_none());
}

#[test]
fn what_systemd_says_of_the_ssh_socket_is_handed_to_the_script_that_wants_it() {
    // Stands for systemctl: names what it is asked for, a block each.
    let systemctl = "systemctl() { shift 4; for unit; do \
                     printf 'LoadState=loaded\\nListen=%s\\n\\n' $unit; done; }\n";
    let told = |units: &[&str]| {
        let script = Script("printf %s \"${PROVISION_SSH_SOCKET-not asked}\"");
        let mut facts = vec![Fact::Sh(script, Vec::new())];
        facts.extend(units.iter().map(|name| Fact::Unit((*name).to_owned())));
        let gather = Gather::new(NONCE, facts);
        let done = Command::new("sh")
            .arg("-c")
            .arg(format!("{systemctl}{}", gather.script()))
            .output()
            .unwrap();
        let seen = gather.parse(&done.stdout).unwrap();
        for name in units {
            assert_eq!(seen.unit(name).unwrap().load, "loaded", "{name}");
        }
        seen.sh(script, &[]).unwrap().text.clone()
    };
    let socket = "LoadState=loaded\nListen=ssh.socket";
    assert_eq!(told(&["a.service", "z.service"]), socket);
    assert_eq!(told(&["ssh.socket", "z.service"]), socket);
    assert_eq!(told(&[]), "not asked");
}

#[test]
fn each_unit_gets_the_block_that_systemd_printed_for_it() {
    let facts = ["b.service", "a.timer"].map(|name| Fact::Unit(name.to_owned()));
    // In the order they were asked for, which is by name.
    let text = "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\n\
                \nLoadState=not-found\nActiveState=inactive\nUnitFileState=\nNeedDaemonReload=yes\n";
    let seen = Gather::new(NONCE, facts)
        .parse(&answer(&[("units", 0, text)]))
        .unwrap();
    let timer = seen.unit("a.timer").unwrap();
    assert_eq!(
        (timer.load.as_str(), timer.active.as_str(), timer.stale),
        ("loaded", "active", false)
    );
    let service = seen.unit("b.service").unwrap();
    assert_eq!((service.load.as_str(), service.stale), ("not-found", true));
}
