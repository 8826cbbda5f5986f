//! `provision logs`: what the containers of all hosts write.

use clap::Args;
use futures_util::future::{join_all, select};
use tokio::sync::mpsc::Sender;

use super::attached::{Desk, PlaceArgs, coloured, failed, finish};
use super::{Error, run, terminal};
use crate::engine::{self, Attached, Order, Window};
use crate::ssh::{Piece, Status};

/// Whose logs, and how much of them.
#[derive(Clone, Debug, Args)]
pub struct LogsArgs {
    /// app, nginx, postgres, redis; all of them if none is named
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    #[command(flatten)]
    place: PlaceArgs,
    /// Only this host (may be repeated)
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// Go on with what comes, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// So many of each container's last lines, or "all"
    #[arg(short = 'n', long, value_name = "N", default_value = "100", value_parser = tail)]
    tail: Tail,
    /// Show when each line was written
    #[arg(short, long)]
    timestamps: bool,
}

/// How many lines; `None`: all.
#[derive(Clone, Copy, Debug)]
struct Tail(Option<u32>);

fn tail(text: &str) -> Result<Tail, String> {
    match text {
        "all" => Ok(Tail(None)),
        number => match number.parse() {
            Ok(lines) => Ok(Tail(Some(lines))),
            Err(_) => Err("write a number of lines, or all".to_owned()),
        },
    }
}

/// Shows them, each line under its host's name if there are several.
pub(super) fn logs(args: &LogsArgs) -> Result<u8, Error> {
    let desk = Desk::new(&args.place, &args.host)?;
    let window = Window {
        tail: args.tail.0,
        follow: args.follow,
        timestamps: args.timestamps,
        colour: coloured(),
    };
    let orders = Order::logs(&desk.settings.site, &args.host, &args.services, &window)?;
    let runtime = run::runtime()?;
    let code = runtime.block_on(async {
        let opening = async {
            run::unlock(&args.place.ssh, &desk.settings, &desk.dialer).await?;
            let opening = orders.iter().map(|order| desk.attach(order, None));
            Ok::<_, Error>(join_all(opening).await)
        };
        let (opened, mut asked) = match desk.opened(opening).await? {
            Ok((opened, asked)) => (opened?, asked),
            Err(code) => return Ok(code),
        };
        let widest = orders.iter().map(|order| order.host.name.as_str().len());
        let widest = widest.max().unwrap_or_default();
        let (writer, writing) = terminal::shown();
        let mut failures = Vec::new();
        let mut showing = Vec::new();
        for (order, attached) in orders.iter().zip(opened) {
            let label = match orders.len() {
                1 => String::new(),
                _ => format!("{:<widest$} | ", order.host.name.as_str()),
            };
            match attached {
                Ok(attached) => {
                    let showing_one = show(attached, label, args.follow, writer.clone());
                    showing.push(async move { (order, showing_one.await) });
                }
                Err(failure) => failures.push(failed(order, failure)),
            }
        }
        for failure in &failures {
            anstream::eprintln!("{failure}");
        }
        let mut status = Status::Code(0);
        let mut lost = !failures.is_empty();
        {
            let all = std::pin::pin!(join_all(showing));
            let asked = std::pin::pin!(asked.next());
            match select(all, asked).await {
                futures_util::future::Either::Left((ended, _)) => {
                    for (order, ended) in ended {
                        match ended {
                            Ok(Status::Code(0)) => {}
                            Ok(other) => status = other,
                            Err(failure) => {
                                lost = true;
                                anstream::eprintln!("{}", failed(order, *failure));
                            }
                        }
                    }
                }
                futures_util::future::Either::Right(((_, number), _)) => return Ok(128 + number),
            }
        }
        drop(writer);
        let code = finish(writing.await, status)?;
        Ok(if lost { engine::exit::FAILED } else { code })
    });
    runtime.shutdown_background();
    code
}

type Shown = Result<Status, Box<crate::event::Failure>>;

/// Shows one host's, with this before each line.
async fn show(attached: Attached, label: String, follow: bool, writer: Sender<Piece>) -> Shown {
    let Attached {
        mut output, input, ..
    } = attached;
    if !follow {
        input.end().await;
    }
    let mut halves = [Half::default(), Half::default()];
    let status = loop {
        let piece = output.next().await.map_err(Box::new)?;
        let piece = match piece {
            Piece::Ended(status) => break status,
            Piece::Stdout(bytes) => Piece::Stdout(halves[0].take(&bytes, &label)),
            Piece::Stderr(bytes) => Piece::Stderr(halves[1].take(&bytes, &label)),
        };
        // The writer says what became of it.
        if writer.send(piece).await.is_err() {
            return Ok(Status::Code(0));
        }
    };
    let [stdout, stderr] = halves;
    let _written = writer.send(Piece::Stdout(stdout.rest(&label))).await;
    let _written = writer.send(Piece::Stderr(stderr.rest(&label))).await;
    Ok(status)
}

/// What Compose (2.26, as Debian 13 has it) puts before each line even where it is told to leave
/// colours and movements alone: it wipes the line.
const WIPE: &[u8] = b"\x1b[2K";

/// A line that isn't whole yet.
#[derive(Default)]
struct Half(Vec<u8>);

impl Half {
    /// The whole lines, each with the label before it.
    fn take(&mut self, bytes: &[u8], label: &str) -> Vec<u8> {
        let mut lines = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.0.extend_from_slice(line);
            if line.ends_with(b"\n") {
                lines.extend_from_slice(label.as_bytes());
                lines.extend_from_slice(self.0.strip_prefix(WIPE).unwrap_or(&self.0));
                self.0.clear();
            }
        }
        lines
    }

    /// What is left, made a line.
    fn rest(mut self, label: &str) -> Vec<u8> {
        if self.0.is_empty() {
            return Vec::new();
        }
        self.take(b"\n", label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_whole_and_stands_under_its_hosts_name() {
        let mut half = Half::default();
        assert_eq!(half.take(b"on", "a | "), b"");
        assert_eq!(half.take(b"e\n\ntw", "a | "), b"a | one\na | \n");
        assert_eq!(half.take(b"o\xff", "a | "), b"");
        assert_eq!(half.rest("a | "), b"a | two\xff\n");
        let wiped = Half::default().take(b"\x1b[2Kapp | \x1b[1mone\n", "");
        assert_eq!(wiped, b"app | \x1b[1mone\n");
        assert_eq!(Half::default().rest("a | "), b"");
    }

    #[test]
    fn a_tail_is_a_number_or_all() {
        assert_eq!(tail("all").unwrap().0, None);
        assert_eq!(tail("0").unwrap().0, Some(0));
        assert!(tail("-1").is_err() && tail("few").is_err());
    }
}
