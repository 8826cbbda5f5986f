//! All connections of one vantage: from here, or by one command on a server.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};

use crate::proof::{Look, Page, Reach};
use crate::shell::{Cmd, Script};
use crate::ssh::Done;
use crate::vantage;

const REACH: Script = Script(include_str!("../sh/reach.sh"));

/// Connections that are tried at once by one vantage: curl's own limit, and few enough for the
/// usual limit of open files.
pub(super) const AT_ONCE: usize = 250;

/// How long an answer to a connection that was made may take where nobody needs it.
const GRACE: f32 = 0.4;
/// How long a page may take, in seconds.
const PAGE: f32 = 10.0;

/// What came of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Touch {
    pub reach: Reach,
    /// curl's exit status and the HTTP status; none from here.
    pub ended: Option<(i32, u16)>,
}

/// What one vantage saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub touches: BTreeMap<SocketAddr, Touch>,
    /// Under which address it sends to an address, as far as it knows.
    pub sources: BTreeMap<IpAddr, IpAddr>,
}

/// What one vantage is to try.
#[derive(Clone, Debug, Default)]
pub(super) struct Tries {
    pub touches: BTreeSet<SocketAddr>,
    /// Those of them that must answer with a page.
    pub pages: BTreeSet<SocketAddr>,
}

/// What every connection of a proof has in common.
pub(super) struct Manner<'a> {
    /// The name that is asked for.
    pub name: &'a str,
    /// The page.
    pub path: &'a str,
    /// How long silence is listened to.
    pub limit: Duration,
}

impl Touch {
    /// As the answer to a request for a page.
    pub(super) fn look(&self) -> Look {
        match (&self.reach, self.ended) {
            (Reach::Refused, _) => Look::Refused,
            (Reach::TimedOut, _) | (_, Some((28, _))) => Look::TimedOut,
            (Reach::Unreachable(why), _) => Look::Failed(why.clone()),
            (Reach::Open, Some((0, status))) => Look::Page(Page {
                status,
                location: None,
                served_by: None,
            }),
            (Reach::Open, Some((52, _))) => Look::Closed,
            (Reach::Open, Some((exit, _))) => Look::Failed(format!("curl ended with {exit}")),
            (Reach::Open, None) => Look::Failed("no page was asked for".to_owned()),
        }
    }
}

/// From this machine.
pub(super) async fn from_here(tries: &Tries, manner: &Manner<'_>) -> Seen {
    let limit = manner.limit;
    let touches = stream::iter(tries.touches.iter().copied())
        .map(|to| async move {
            let reach = match vantage::tcp(to, limit).await.reach {
                vantage::Reach::Open => Reach::Open,
                vantage::Reach::Refused => Reach::Refused,
                vantage::Reach::TimedOut => Reach::TimedOut,
                vantage::Reach::Unreachable(why) => Reach::Unreachable(why),
            };
            (to, Touch { reach, ended: None })
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    Seen {
        touches,
        sources: BTreeMap::new(),
    }
}

/// From a server, from inside this container's network if one is named. `run` carries out a
/// command there with this input.
///
/// # Errors
/// In words: the server can't be asked, or lacks what is needed for it.
pub(super) async fn from_server<F>(
    run: impl Fn(Cmd, Vec<u8>) -> F,
    container: Option<&str>,
    tries: &Tries,
    manner: &Manner<'_>,
) -> Result<Seen, String>
where
    F: Future<Output = Result<Done, String>>,
{
    let all: Vec<SocketAddr> = tries.touches.iter().copied().collect();
    let addresses: BTreeSet<IpAddr> = tries.pages.iter().map(SocketAddr::ip).collect();
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let parts = all.chunks(AT_ONCE).map(|part| {
        // Pages first: curl numbers its transfers in the order of the text.
        let (pages, others): (Vec<_>, Vec<_>) = part
            .iter()
            .copied()
            .partition(|to| tries.pages.contains(to));
        let text = config(&pages, &others, manner);
        let order = [pages, others].concat();
        let args = [
            container.unwrap_or_default().to_owned(),
            addresses.join(" "),
        ];
        let done = run(Cmd::script(REACH, args), text.into_bytes());
        async move { parse(&done.await?, &order) }
    });
    let mut seen = Seen::default();
    for part in join_all(parts).await {
        let part = part?;
        seen.touches.extend(part.touches);
        seen.sources.extend(part.sources);
    }
    Ok(seen)
}

/// Configuration for curl, see curl(1), `--config`.
fn config(pages: &[SocketAddr], others: &[SocketAddr], manner: &Manner<'_>) -> String {
    let mut text = String::new();
    let limit = manner.limit.as_secs_f32();
    let groups = [(pages, manner.path, PAGE), (others, "/", limit + GRACE)];
    for (group, path, whole) in groups {
        if group.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push_str("next\n");
        }
        for to in group {
            let url = quoted(&format!("http://{to}{path}"));
            // Writing to a String can't fail.
            let _ = writeln!(text, "url = {url}\noutput = \"/dev/null\"");
        }
        let host = quoted(&format!("Host: {}", manner.name));
        let _ = writeln!(
            text,
            "header = {host}\nheader = \"X-Forwarded-Proto: https\"\nconnect-timeout = {limit:.1}\n\
             max-time = {whole:.1}\nnoproxy = \"*\"\ngloboff\nsilent\nverbose\n\
             write-out = \"touch %{{urlnum}} %{{exitcode}} %{{http_code}} %{{time_connect}}\\n\""
        );
    }
    text
}

/// A value of curl's configuration.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

fn parse(done: &Done, order: &[SocketAddr]) -> Result<Seen, String> {
    let (printed, said) = (
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
    let failed: Vec<(&str, &str, &str)> = said
        .lines()
        .filter_map(|line| {
            let mut words = line.strip_prefix("failed ")?.splitn(3, ' ');
            Some((words.next()?, words.next()?, words.next()?))
        })
        .collect();
    let why = |to: &SocketAddr| {
        let (ip, port) = (to.ip().to_string(), to.port().to_string());
        let mut all = failed.iter();
        let found = all.find(|(at, of, _)| *at == ip && (*of == port || *of == "0"));
        found.map(|(_, _, why)| *why)
    };
    let mut seen = Seen::default();
    for line in printed.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["lacks", "curl"] => return Err("there is no curl on it".to_owned()),
            ["lacks", container] => return Err(format!("container {container} doesn't run")),
            ["source", to, from] => {
                let pair = (to.parse::<IpAddr>(), from.parse::<IpAddr>());
                if let (Ok(to), Ok(from)) = pair {
                    seen.sources.insert(to, from);
                }
            }
            ["touch", number, exit, status, connected] => {
                let number = number.parse::<usize>().ok();
                let to = number.and_then(|number| order.get(number));
                let (Some(to), Ok(exit)) = (to, exit.parse::<i32>()) else {
                    continue;
                };
                let status = status.parse().unwrap_or_default();
                let took = connected.parse::<f32>().unwrap_or_default();
                // Whatever came of HTTP then: the connection stood.
                let open = took > 0.0 || status > 0 || matches!(exit, 0 | 1 | 8 | 52 | 56);
                let reach = match (open, exit) {
                    (true, _) => Reach::Open,
                    (false, 28) => Reach::TimedOut,
                    (false, _) => failure(exit, why(to)),
                };
                let ended = Some((exit, status));
                seen.touches.insert(*to, Touch { reach, ended });
            }
            _ => {}
        }
    }
    if order.iter().all(|to| seen.touches.contains_key(to)) {
        return Ok(seen);
    }
    // Before 7.75 curl doesn't number its transfers.
    let tail = said.lines().last().unwrap_or_default();
    Err(format!(
        "its curl doesn't say what came of connections, as 7.75 and later do ({}{}{tail})",
        done.status,
        if tail.is_empty() { "" } else { ": " },
    ))
}

/// What the system's words say.
fn failure(exit: i32, why: Option<&str>) -> Reach {
    match why.map(str::trim) {
        Some(why) if why.contains("refused") || why.contains("reset") => Reach::Refused,
        Some(why) if why.contains("timed out") => Reach::TimedOut,
        Some(why) => Reach::Unreachable(why.to_owned()),
        None => Reach::Unreachable(format!("curl ended with {exit}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::Status;

    fn to(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn done(stdout: &str, stderr: &str) -> Done {
        Done {
            status: Status::Code(0),
            stdout: stdout.as_bytes().to_vec(),
            stderr: stderr.as_bytes().to_vec(),
        }
    }

    const MANNER: Manner<'static> = Manner {
        name: "polls.example.com",
        path: "/polls/",
        limit: Duration::from_millis(1_300),
    };

    #[test]
    fn what_curl_says_becomes_what_came_of_each_connection() {
        let order = [
            to("198.51.100.11:80"),
            to("198.51.100.11:22"),
            to("198.51.100.11:443"),
            to("[2001:db8::11]:22"),
            to("10.20.0.11:22"),
            to("198.51.100.12:22"),
        ];
        let printed = "source 198.51.100.11 198.51.100.13\n\
                       touch 0 0 200 0.0003\ntouch 1 1 000 0.0002\ntouch 2 7 000 0.0000\n\
                       touch 3 7 000 0.0000\ntouch 4 28 000 0.000000\ntouch 5 28 000 0.0004\n";
        let said = "failed 198.51.100.11 443 Connection refused\n\
                    failed 2001:db8::11 0 Network is unreachable\n";
        let seen = parse(&done(printed, said), &order).unwrap();
        let reach = |at: usize| seen.touches[&order[at]].reach.clone();
        assert_eq!(reach(0), Reach::Open);
        assert!(matches!(seen.touches[&order[0]].look(), Look::Page(page) if page.status == 200));
        assert_eq!(reach(1), Reach::Open, "an answer that is no HTTP");
        assert_eq!(reach(2), Reach::Refused);
        assert_eq!(
            reach(3),
            Reach::Unreachable("Network is unreachable".to_owned())
        );
        assert_eq!(reach(4), Reach::TimedOut);
        assert_eq!(reach(5), Reach::Open, "connected, and no word after it");
        assert_eq!(seen.touches[&order[5]].look(), Look::TimedOut);
        let source = seen.sources[&order[0].ip()];
        assert_eq!(source.to_string(), "198.51.100.13");
    }

    #[test]
    fn a_server_that_can_not_look_saw_nothing() {
        let order = [to("198.51.100.11:80")];
        for (printed, word) in [
            ("lacks curl\n", "no curl"),
            ("lacks polls-proxy\n", "polls-proxy doesn't run"),
            ("touch %{urlnum} %{exitcode} 200 0.01\n", "7.75"),
            ("", "7.75"),
        ] {
            let why = parse(&done(printed, ""), &order).unwrap_err();
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn pages_are_asked_for_with_more_patience_than_ports() {
        let text = config(
            &[to("198.51.100.11:80")],
            &[to("[2001:db8::11]:22")],
            &MANNER,
        );
        let (pages, others) = text.split_once("next\n").unwrap();
        assert!(
            pages.contains("url = \"http://198.51.100.11:80/polls/\""),
            "{text}"
        );
        assert!(pages.contains("max-time = 10.0"), "{text}");
        assert!(
            others.contains("url = \"http://[2001:db8::11]:22/\""),
            "{text}"
        );
        assert!(others.contains("max-time = 1.7"), "{text}");
        for part in [pages, others] {
            assert!(part.contains("connect-timeout = 1.3"), "{text}");
            assert!(
                part.contains("header = \"Host: polls.example.com\""),
                "{text}"
            );
        }
    }
}
