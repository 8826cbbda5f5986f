//! A failure as a block: what, the command, what it printed, and what to do next.

use super::page::{Ink, Page, Row};
use crate::event::Failure;

/// Column at which the values of the block stand.
const VALUES: usize = 11;

/// The block; its first row says where and what.
pub(super) fn page(failure: &Failure) -> Page {
    let mut page = Page::new();
    let mut what = failure.what.lines();
    page.push(
        Row::new()
            .ink(Ink::Bad, "✗ ")
            .ink(Ink::Strong, &failure.stage)
            .plain(": ")
            .plain(what.next().unwrap_or("failed without saying why")),
    );
    for more in what {
        page.push(Row::new().to(2).plain(more));
    }
    if let Some(command) = &failure.command {
        page.append(field("command", command.lines()));
    }
    if let Some(code) = failure.exit_code {
        page.append(field("exit code", [code.to_string().as_str()]));
    }
    page.append(field("printed", failure.tail.iter().map(String::as_str)));
    page.append(next(failure, VALUES));
    page
}

/// What to do next, if the failure says so; `width` is that of the label.
pub(super) fn next(failure: &Failure, width: usize) -> Page {
    let mut page = Page::new();
    for (at, line) in failure
        .next
        .iter()
        .flat_map(|next| next.lines())
        .enumerate()
    {
        let label = Row::new().to(2);
        let label = if at == 0 {
            label.ink(Ink::Strong, "next:")
        } else {
            label
        };
        page.push(label.to(2 + width).plain(line));
    }
    page
}

fn field<'a>(name: &str, lines: impl IntoIterator<Item = &'a str>) -> Page {
    let mut body = Page::new();
    for line in lines {
        body.push(Row::new().plain(line));
    }
    Page::labelled(Row::new().to(2).ink(Ink::Dim, name), 2 + VALUES, body)
}
