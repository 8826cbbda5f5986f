//! What `ssh -G` says: OpenSSH's own reading of the configuration.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::error::ConfigError;
use super::line::Line;
use super::notes::{Note, unknown_at};
use super::pattern::in_list;
use super::values::Values;
use super::{Request, Source};

/// How often ssh is asked again because of options it doesn't know: each included file may
/// bring new ones.
const ROUNDS: usize = 32;
/// How many ssh run at once.
const AT_ONCE: usize = 8;
/// How ssh complains of an option it doesn't know, after file and line.
const BAD: &str = ": Bad configuration option: ";

/// The OpenSSH of this machine.
#[derive(Debug)]
pub(super) struct OpenSsh {
    program: PathBuf,
    bare: OnceCell<Values>,
    gate: Semaphore,
}

impl OpenSsh {
    pub(super) fn new(program: PathBuf) -> Self {
        Self {
            program,
            bare: OnceCell::new(),
            gate: Semaphore::new(AT_ONCE),
        }
    }

    /// The `ssh` that PATH leads to.
    pub(super) fn find() -> Option<PathBuf> {
        use std::os::unix::fs::PermissionsExt as _;
        let runs = |path: &PathBuf| {
            path.metadata()
                .is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
        };
        std::env::split_paths(&std::env::var_os("PATH")?)
            // An empty entry is the working directory: nothing to take programs from.
            .filter(|directory| directory.is_absolute())
            .map(|directory| directory.join("ssh"))
            .find(runs)
    }

    /// What ssh says without any configuration: its defaults, and the local user.
    pub(super) async fn bare(&self, limit: Duration) -> Result<&Values, ConfigError> {
        let ask = || async {
            let request = Request {
                host: "localhost".to_owned(),
                user: None,
                port: None,
            };
            let args = arguments(&Source::None, &request, None);
            let output = self.run(&args, Instant::now() + limit, limit).await?;
            match output.status.success() {
                true => parse(&String::from_utf8_lossy(&output.stdout), &|path| {
                    path.is_file()
                }),
                false => Err(refused(&output)),
            }
        };
        self.bare.get_or_try_init(ask).await
    }

    /// What ssh says of a host, and which options it doesn't know.
    ///
    /// # Errors
    /// ssh doesn't start, refuses, or takes longer than `limit`.
    pub(super) async fn ask(
        &self,
        source: &Source,
        home: &Path,
        request: &Request,
        limit: Duration,
    ) -> Result<(Values, Vec<Note>), ConfigError> {
        let deadline = Instant::now() + limit;
        let mut ignored: BTreeSet<String> = BTreeSet::new();
        let mut notes = Vec::new();
        for _ in 0..ROUNDS {
            let list: Vec<&str> = ignored.iter().map(String::as_str).collect();
            let list = (!list.is_empty()).then(|| list.join(","));
            let args = arguments(source, request, list.as_deref());
            let output = self.run(&args, deadline, limit).await?;
            if output.status.success() {
                let text = String::from_utf8_lossy(&output.stdout);
                return Ok((parse(&text, &|path| path.is_file())?, notes));
            }
            let said = String::from_utf8_lossy(&output.stderr);
            let bad = bad_options(&said);
            // Our -o takes the place of the operator's IgnoreUnknown, so it has to say both.
            let own = ignored_by_operator(source, home, &bad);
            let before = ignored.len();
            for (name, place) in bad {
                let known = own.iter().any(|list| in_list(list, &name));
                if ignored.insert(name.clone()) && !known {
                    notes.push(unknown_at(&name, &place));
                }
            }
            if ignored.len() == before {
                return Err(refused(&output));
            }
            ignored.extend(own);
        }
        Err(ConfigError::Refused {
            said: "ever more options it doesn't know".to_owned(),
        })
    }

    async fn run(
        &self,
        args: &[OsString],
        deadline: Instant,
        limit: Duration,
    ) -> Result<Output, ConfigError> {
        let start = |cause| ConfigError::Start {
            program: self.program.clone(),
            cause,
        };
        let closed = |_| start(io::ErrorKind::Other.into());
        let run = async {
            let _turn = self.gate.acquire().await.map_err(closed)?;
            Command::new(&self.program)
                .args(args)
                .stdin(Stdio::null())
                .kill_on_drop(true)
                .output()
                .await
                .map_err(start)
        };
        timeout_at(deadline, run)
            .await
            .map_err(|_| ConfigError::Limit {
                after: limit,
                command: None,
            })?
    }
}

/// The arguments of ssh. The host comes after `--`, so that it is never an option.
fn arguments(source: &Source, request: &Request, ignored: Option<&str>) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec!["-G".into()];
    match source {
        Source::Default => {}
        Source::None => args.extend(["-F".into(), "none".into()]),
        Source::File(path) => {
            // A file that is called so.
            let path = match path.as_os_str().eq_ignore_ascii_case("none") {
                true => Path::new(".").join(path),
                false => path.clone(),
            };
            args.extend(["-F".into(), path.into()]);
        }
    }
    if let Some(list) = ignored {
        args.extend(["-o".into(), format!("IgnoreUnknown={list}").into()]);
    }
    if let Some(user) = &request.user {
        args.extend(["-l".into(), user.into()]);
    }
    if let Some(port) = request.port {
        args.extend(["-p".into(), port.to_string().into()]);
    }
    args.extend(["--".into(), request.host.clone().into()]);
    args
}

/// What ssh printed, as one sentence for an error.
fn refused(output: &Output) -> ConfigError {
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("Pseudo-terminal"))
        .collect();
    ConfigError::Refused {
        said: match lines.is_empty() {
            true => format!("nothing ({})", output.status),
            false => lines.join("; "),
        },
    }
}

/// The options ssh doesn't know, each with `FILE:LINE`.
fn bad_options(said: &str) -> Vec<(String, String)> {
    said.lines()
        .filter_map(|line| {
            let (place, name) = line.trim_end().split_once(BAD)?;
            let (file, number) = place.rsplit_once(": line ")?;
            // What isn't a word (a byte order mark, say) can't be left out by name.
            let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            let good = !name.is_empty() && name.chars().all(word);
            good.then(|| (name.to_ascii_lowercase(), format!("{file}:{number}")))
        })
        .collect()
}

/// What the operator's files themselves leave out with IgnoreUnknown.
fn ignored_by_operator(source: &Source, home: &Path, bad: &[(String, String)]) -> Vec<String> {
    let mut paths: BTreeSet<PathBuf> = bad
        .iter()
        .filter_map(|(_, place)| Some(PathBuf::from(place.rsplit_once(':')?.0)))
        .collect();
    match source {
        Source::File(path) => drop(paths.insert(path.clone())),
        Source::Default => drop(paths.insert(home.join(".ssh/config"))),
        Source::None => {}
    }
    let mut lists = Vec::new();
    for path in paths.iter().filter(|path| path.is_file()) {
        let Ok(text) = std::fs::read(path) else {
            continue;
        };
        for line in String::from_utf8_lossy(&text).split('\n') {
            let line = Line::parse(line).filter(|line| line.keyword == "ignoreunknown");
            let word = line.and_then(|line| line.words()?.into_iter().next());
            lists.extend(word.map(|word| word.to_ascii_lowercase()));
        }
    }
    lists
}

/// Reads what `ssh -G` printed: a keyword in lower case and its value, a line each.
pub(super) fn parse(text: &str, is_file: &dyn Fn(&Path) -> bool) -> Result<Values, ConfigError> {
    let mut values = Values::default();
    let mut challenge = false;
    for line in text.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let key = key.to_ascii_lowercase();
        match key.as_str() {
            "identityfile" | "certificatefile" => values.add(&key, value.to_owned()),
            "userknownhostsfile" | "globalknownhostsfile" | "revokedhostkeys" => {
                values.offer(&key, paths(value, is_file));
            }
            // Up to OpenSSH 8.6 an option of its own, which switches the other one on.
            "challengeresponseauthentication" => challenge = value == "yes",
            _ if value.is_empty() => {}
            _ => values.offer(&key, vec![value.to_owned()]),
        }
    }
    if challenge {
        values.set("kbdinteractiveauthentication", vec!["yes".to_owned()]);
    }
    for key in ["hostname", "user", "port"] {
        if values.first(key).is_none() {
            return Err(ConfigError::Answer { key });
        }
    }
    Ok(values)
}

/// Parts the paths of one line.
///
/// `ssh -G` joins them with blanks and says nothing of blanks inside them. ssh has spelled out
/// `~`, so nearly every path is absolute, and a piece that doesn't begin with `/` goes on with
/// the path before it. What is on the disk decides against that: a piece that is a file by
/// itself while the joined one isn't (a relative path), and the other way round a joined one
/// that is a file while its beginning isn't (a directory whose name begins with a blank).
fn paths(value: &str, is_file: &dyn Fn(&Path) -> bool) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for piece in value.split(' ') {
        let Some(last) = found.last_mut() else {
            found.push(piece.to_owned());
            continue;
        };
        let joined = format!("{last} {piece}");
        let is_file = |path: &str| !path.is_empty() && is_file(Path::new(path));
        let one = match piece.starts_with(['/', '~']) {
            true => is_file(&joined) && !is_file(last),
            false => is_file(&joined) || !is_file(piece),
        };
        match one {
            true => *last = joined,
            false => found.push(piece.to_owned()),
        }
    }
    found.retain(|path| !path.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_hosts_files_with_blanks_are_found_again() {
        let table: [(&str, &[&str], &[&str]); 8] = [
            ("", &[], &[]),
            ("none", &[], &["none"]),
            ("/a/k /a/k2", &[], &["/a/k", "/a/k2"]),
            ("/a b/k /c/k2", &[], &["/a b/k", "/c/k2"]),
            ("/a  b/k", &[], &["/a  b/k"]),
            ("/a/k known", &["known"], &["/a/k", "known"]),
            ("/a/k known", &[], &["/a/k known"]),
            ("/a /k /b", &["/a /k"], &["/a /k", "/b"]),
        ];
        for (value, there, expected) in table {
            let is_file = |path: &Path| there.iter().any(|file| Path::new(file) == path);
            assert_eq!(paths(value, &is_file), expected, "{value:?} with {there:?}");
        }
    }

    #[test]
    fn options_ssh_does_not_know_are_found_in_what_it_prints() {
        let said = "/h/c: line 1: Bad configuration option: usekeychain\r\n\
            /h/c line 2: no argument after keyword \"port\"\r\n\
            /h/a: line 9/c: line 12: Bad configuration option: FooBar\n\
            /h/c: line 3: Bad configuration option: \\357\\273\\277host\n\
            /h/c: terminating, 2 bad configuration options\n";
        assert_eq!(
            bad_options(said),
            [
                ("usekeychain".to_owned(), "/h/c:1".to_owned()),
                ("foobar".to_owned(), "/h/a: line 9/c:12".to_owned()),
            ]
        );
    }

    #[test]
    fn an_old_ssh_may_call_questions_by_their_old_name() {
        let text = "user a\nhostname b\nport 22\nkbdinteractiveauthentication no\n\
            challengeresponseauthentication yes\n";
        let values = parse(text, &|_| false).unwrap();
        assert!(values.flag("kbdinteractiveauthentication", false));
    }

    #[test]
    fn the_host_is_never_an_option() {
        let request = Request {
            host: "web".to_owned(),
            user: Some("ann".to_owned()),
            port: Some(2222),
        };
        let source = Source::File("none".into());
        assert_eq!(
            arguments(&source, &request, Some("a,b")),
            [
                "-G",
                "-F",
                "./none",
                "-o",
                "IgnoreUnknown=a,b",
                "-l",
                "ann",
                "-p",
                "2222",
                "--",
                "web"
            ]
        );
    }
}
