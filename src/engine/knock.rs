//! Many connections at once, from here or in one command from a server: what came of each, and
//! which address it was sent from.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::remote::Remote;
use crate::proof::Reach;
use crate::shell::{Cmd, Script};
use crate::ssh::Input;
use crate::vantage;

const KNOCK: Script = Script(include_str!("sh/knock.sh"));

/// How long silence is listened to: two SYNs are sent in that time.
const SILENCE: Duration = Duration::from_millis(2_500);
/// Connections that are tried at once from here: below the usual limit of open files.
const AT_ONCE: usize = 400;
/// How long all connections of a server may take.
const LIMIT: Duration = Duration::from_secs(120);

/// What one vantage saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    /// What came of each connection.
    pub reaches: BTreeMap<SocketAddr, Reach>,
    /// The address that packets to an address are sent from.
    pub sources: BTreeMap<IpAddr, IpAddr>,
}

/// From this machine.
pub(super) async fn from_here(targets: &[SocketAddr]) -> Answers {
    let reaches = stream::iter(targets.iter().copied())
        .map(|to| async move {
            let reach = match vantage::tcp(to, SILENCE).await.reach {
                vantage::Reach::Open => Reach::Open,
                vantage::Reach::Refused => Reach::Refused,
                vantage::Reach::TimedOut => Reach::TimedOut,
                vantage::Reach::Unreachable(why) => Reach::Unreachable(why),
            };
            (to, reach)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    Answers {
        reaches,
        sources: BTreeMap::new(),
    }
}

/// From a server, in one command.
///
/// # Errors
/// In words, if it can't be asked or lacks what is needed for it.
pub(super) async fn from_host(remote: &Remote, targets: &[SocketAddr]) -> Result<Answers, String> {
    if targets.is_empty() {
        return Ok(Answers::default());
    }
    let lines: String = targets
        .iter()
        .map(|to| format!("{} {}\n", to.ip(), to.port()))
        .collect();
    let seconds = format!("{:.1}", SILENCE.as_secs_f32());
    let cmd = Cmd::script(KNOCK, [seconds]);
    let input = Input::Bytes(lines.into_bytes());
    let done = remote.exec(&cmd, input, None, Some(LIMIT)).await;
    let done = done.map_err(|e| e.to_string())?;
    let printed = String::from_utf8_lossy(&done.stdout);
    let answers = parse(&printed).ok_or("it has no perl to look with")?;
    if targets.iter().all(|to| answers.reaches.contains_key(to)) {
        return Ok(answers);
    }
    Err(format!("it could not look: {}", done.status))
}

/// Reads what `knock.sh` printed; `None` where it could not begin.
fn parse(printed: &str) -> Option<Answers> {
    let mut answers = Answers::default();
    for line in printed.lines() {
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        let [address, port, what, source, rest @ ..] = words.as_slice() else {
            if words.first() == Some(&"lacks") {
                return None;
            }
            continue;
        };
        let (Ok(address), Ok(port)) = (address.parse::<IpAddr>(), port.parse::<u16>()) else {
            continue;
        };
        let reach = match *what {
            "open" => Reach::Open,
            "refused" => Reach::Refused,
            "silent" => Reach::TimedOut,
            _ => Reach::Unreachable(rest.first().copied().unwrap_or_default().to_owned()),
        };
        answers
            .reaches
            .insert(SocketAddr::new(address, port), reach);
        let source = source.parse::<IpAddr>().ok();
        let source = source.filter(|source| !source.is_unspecified());
        answers
            .sources
            .extend(source.map(|source| (address, source)));
    }
    Some(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_says_what_came_of_a_connection_and_where_it_was_sent_from() {
        let printed = "198.51.100.12 22 open 198.51.100.11 \n\
                       198.51.100.12 80 silent 198.51.100.11 \n\
                       2001:db8::12 81 refused 2001:db8::11 \n\
                       2001:db9::1 3 unreachable :: Network is unreachable\n";
        let answers = parse(printed).unwrap();
        let reach = |text: &str| answers.reaches[&text.parse::<SocketAddr>().unwrap()].clone();
        assert_eq!(reach("198.51.100.12:22"), Reach::Open);
        assert_eq!(reach("198.51.100.12:80"), Reach::TimedOut);
        assert_eq!(reach("[2001:db8::12]:81"), Reach::Refused);
        let why = Reach::Unreachable("Network is unreachable".to_owned());
        assert_eq!(reach("[2001:db9::1]:3"), why);
        let source = answers.sources.get(&"2001:db8::12".parse().unwrap());
        assert_eq!(source, Some(&"2001:db8::11".parse().unwrap()));
        assert_eq!(answers.sources.len(), 2, "no source is none");
    }

    #[test]
    fn a_server_that_can_not_look_saw_nothing() {
        assert_eq!(parse("lacks perl\n"), None);
        assert_eq!(parse(""), Some(Answers::default()));
    }
}
