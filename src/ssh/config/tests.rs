//! Mangled configurations, answers of `ssh -G` and jumps: read or refused, never a panic, never
//! without an end.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::expand::{Names, expand};
use super::hop::hops;
use super::line::Line;
use super::local::Local;
use super::options::{Options, Origin};
use super::own::{Exec, Place, read};
use super::pattern::files;
use super::{Request, Source, openssh};

/// A small generator of the xorshift family, so that a failure can be run again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    /// The text with up to four things gone, put in or doubled.
    fn mangle(&mut self, text: &[char], pieces: &[&str]) -> String {
        let mut text = text.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(text.len() + 1);
            let end = (at + self.below(24)).min(text.len());
            match self.below(4) {
                0 => drop(text.drain(at..end)),
                1 => {
                    let again = text[at..end].to_vec();
                    drop(text.splice(at..at, again));
                }
                _ => drop(text.splice(at..at, pieces[self.below(pieces.len())].chars())),
            }
        }
        text.into_iter().collect()
    }
}

const PIECES: &[&str] = &[
    "\"",
    "'",
    "\\",
    "#",
    "=",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\0",
    "é",
    "\u{1f600}",
    "\u{feff}",
    "%",
    "%h",
    "%C",
    "${",
    "${HOME}",
    "}",
    "$",
    "~",
    "~x/",
    "!",
    "*",
    "?",
    "[",
    "]",
    "[!a-",
    ",",
    "@",
    ":",
    "/",
    "ssh://",
    "-",
    "none",
    "99999999999",
    "\nHost ",
    "\nMatch ",
    "\nMatch final ",
    "\nInclude config\n",
    "\nInclude *\n",
    " all ",
    " exec ",
    "IdentityFile ",
    "Port ",
    "5m",
    "ProxyJump ",
    "User ",
    "\x0c",
];

const CONFIG: &str = "Host web !db *.example.com\n  HostName %h.example.com\n  User ann\n\
    Port 2222\n  IdentityFile \"~/.ssh/a b\"\n  IdentityAgent ${HOME}/x\n\
    ProxyJump a@b:33,ssh://c@d:44,[::1]\nMatch host web user ann\n  ConnectTimeout 1h30\n\
    Match final originalhost=web\n  UserKnownHostsFile /a \"/b c\" ~/%k\n  Include deep/[a-c]*\n\
    HostKeyAlgorithms ^rsa*,-x\n  ProxyCommand nc -X 5 %h %p # x\n\
    Match !all\n  StrictHostKeyChecking off\n  IgnoreUnknown Use*\n  UseKeychain yes\n";

const ANSWER: &str = "host web\nuser ann\nhostname web.example.com\nport 22\naddressfamily any\n\
    identityfile ~/.ssh/a b\nidentityfile %d/%h\ncertificatefile none\nconnecttimeout none\n\
    userknownhostsfile /root/a b /root/c\nproxyjump a@b:33,[::1]:22\nserveraliveinterval 5\n\
    serveralivecountmax 3\nidentityagent $SSH_AUTH_SOCK\nproxycommand nc %h\n";

const JUMPS: &str = "a@b:33,ssh://a%40x;y=z@[::1]:44/,[fe80::1%eth0]:22,c";

fn local(home: &Path) -> Local {
    use std::os::unix::fs::MetadataExt as _;
    Local {
        user: "ann".to_owned(),
        uid: fs::metadata(home).unwrap().uid(),
        machine: "desk".to_owned(),
        home: home.to_owned(),
    }
}

fn made(values: &super::Values, local: &Local) -> bool {
    let origin = Origin {
        user: true,
        usual_keys: None,
        algorithms: true,
    };
    let Ok(options) = Options::new("web", values, &origin, local) else {
        return false;
    };
    // It has to end; what it says is for ssh to judge.
    let _ = options.proxy_command("root");
    true
}

#[test]
fn a_mangled_configuration_is_read_or_refused_but_never_a_panic() {
    let home = tempfile::tempdir().unwrap();
    let ssh = home.path().join(".ssh");
    fs::create_dir_all(ssh.join("deep")).unwrap();
    fs::write(ssh.join("deep/a"), "User deep\nIdentityFile ~/x\n").unwrap();
    let place = Place {
        source: Source::Default,
        etc: home.path().join("etc"),
        local: Arc::new(local(home.path())),
    };
    let request = Request {
        host: "web".to_owned(),
        user: None,
        port: None,
    };
    let starter: Vec<char> = CONFIG.chars().collect();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut refused, mut understood) = (0, 0);
    for round in 0..6_000 {
        let text = dice.mangle(&starter, PIECES);
        // Anew: some file systems wait for the disk when a file is cut and written again.
        let _ = fs::remove_file(ssh.join("config"));
        fs::write(ssh.join("config"), &text).unwrap();
        let begun = Instant::now();
        match read(&place, &request, Exec::Assume(round % 2 == 0)) {
            Ok(found) => {
                understood += 1;
                made(&found.values, &place.local);
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty() && !error.next().is_empty());
            }
        }
        let took = begun.elapsed();
        assert!(
            took < Duration::from_secs(5),
            "round {round}, {took:?}: {text}"
        );
    }
    assert!(
        refused > 1000 && understood > 1000,
        "{refused} refused, {understood} understood"
    );
}

#[test]
fn a_mangled_answer_of_ssh_is_read_or_refused_but_never_a_panic() {
    let local = local(Path::new("/"));
    let starter: Vec<char> = ANSWER.chars().collect();
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let (mut refused, mut understood) = (0, 0);
    for _ in 0..20_000 {
        let text = dice.mangle(&starter, PIECES);
        let values = openssh::parse(&text, &|path| path.as_os_str().len() % 2 == 0);
        match values.is_ok_and(|values| made(&values, &local)) {
            true => understood += 1,
            false => refused += 1,
        }
    }
    assert!(
        refused > 1000 && understood > 1000,
        "{refused} refused, {understood} understood"
    );
}

#[test]
fn mangled_jumps_lines_tokens_and_paths_are_read_or_refused_but_never_a_panic() {
    let local = local(Path::new("/"));
    let starter: Vec<char> = JUMPS.chars().collect();
    let names = Names {
        local: &local,
        typed: "web",
        host: "web",
        port: 22,
        user: "root",
        key_alias: "web",
        jump: "",
    };
    let mut dice = Dice(0xd1b5_4a32_d192_ed03);
    let (mut refused, mut understood) = (0, 0);
    for _ in 0..50_000 {
        let text = dice.mangle(&starter, PIECES);
        match hops(&text) {
            Ok(hops) => {
                understood += 1;
                for hop in hops {
                    // As ssh has it, an `@` or `/` in a user's name isn't written as it is read.
                    let plain = !hop.user.as_deref().unwrap_or_default().contains([',', '/']);
                    if plain && !hop.host.contains(['@', '[', ']']) && hop.user.is_none() {
                        assert_eq!(hop.to_string().parse().as_ref(), Ok(&hop), "{text}");
                    }
                }
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty());
            }
        }
        let _ = expand(
            &text,
            |c| names.token(c),
            Some(&|name| Some(name.to_owned())),
        );
        if let Some(line) = Line::parse(&text) {
            let _ = line.words();
        }
    }
    assert!(
        refused > 1000 && understood > 1000,
        "{refused} refused, {understood} understood"
    );
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("a"), "").unwrap();
    let starter: Vec<char> = "[a-c]*/../x?".chars().collect();
    for _ in 0..2000 {
        let text = dice.mangle(&starter, &["[", "]", "!", "-", "\\", "*", "?", "a", "^"]);
        let found: Vec<PathBuf> = files(&format!("{}/{text}", home.path().display()));
        assert!(found.iter().all(|path| path.starts_with(home.path())));
    }
}
