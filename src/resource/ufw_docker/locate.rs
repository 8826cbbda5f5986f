//! Where blocks for Docker's ports stand in a rules file, ours and others'.
//!
//! A block is what stands between the marks of the ufw-docker project, however they are
//! spaced; or, pasted without them, a whole `*filter … COMMIT` table that is about Docker's
//! chain alone. What can't be told apart from the operator's own rules is left, and said so.

use std::ops::Range;

use super::text::END;
use crate::event::State;

/// Why it can't be told what belongs to a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// With the file and the line.
    pub what: String,
    /// What the operator can do.
    pub mend: String,
}

impl From<Trouble> for State {
    fn from(Trouble { what, mend }: Trouble) -> Self {
        Self::Refused { what, mend }
    }
}

/// The blocks of a rules file, as ranges of bytes, from top to bottom.
pub(super) fn locate(path: &str, file: &str) -> Result<Vec<Range<usize>>, Trouble> {
    let mut reader = Reader::new(path);
    let mut start = 0;
    for (line, number) in file.split_inclusive('\n').zip(1..) {
        reader.line(line, number, start)?;
        start += line.len();
    }
    reader.end()
}

/// A `*filter … COMMIT` that stands outside of any marks.
struct Table {
    /// Line that begins it.
    line: usize,
    start: usize,
    filter: bool,
    /// The first line that names Docker's chain.
    docker: Option<usize>,
    /// Where it declares a chain that ufw itself needs.
    ufws: bool,
    /// The first line about another chain, and that chain.
    foreign: Option<(usize, String)>,
}

/// Marks that were opened.
struct Marked {
    line: usize,
    start: usize,
    /// Line of a table that was begun and not committed.
    open: Option<usize>,
    /// The line that declares a chain that ufw itself needs.
    ufws: Option<usize>,
}

struct Reader<'a> {
    path: &'a str,
    blocks: Vec<Range<usize>>,
    marked: Option<Marked>,
    table: Option<Table>,
    /// Only blank lines came since a block without marks.
    just_ended: bool,
}

impl<'a> Reader<'a> {
    fn new(path: &'a str) -> Self {
        Self {
            path,
            blocks: Vec::new(),
            marked: None,
            table: None,
            just_ended: false,
        }
    }

    fn trouble<T>(&self, line: usize, what: &str, mend: &str) -> Result<T, Trouble> {
        Err(Trouble {
            what: format!("line {line} of {} {what}", self.path),
            mend: mend.to_owned(),
        })
    }

    fn line(&mut self, text: &str, number: usize, start: usize) -> Result<(), Trouble> {
        let bare = text.trim();
        let end = start + text.len();
        let mark = mark(bare);
        if let Some(mut marked) = self.marked.take() {
            match mark {
                Some(Mark::Begin) => return self.begun_twice(number, marked.line),
                Some(Mark::End) => {
                    self.blocks.push(self.closed(&marked, number, end)?);
                    return Ok(());
                }
                None if bare.starts_with('*') => marked.open = Some(number),
                None if bare == "COMMIT" => marked.open = None,
                None => {
                    let ufws = chain(bare).is_some_and(|named| is_ufws(named.name()));
                    marked.ufws = marked.ufws.or(ufws.then_some(number));
                }
            }
            self.marked = Some(marked);
            return Ok(());
        }
        match mark {
            Some(Mark::Begin) => {
                if let Some(table) = &self.table {
                    let what = format!(
                        "begins a block \"UFW AND DOCKER\" inside the table of line {}",
                        table.line
                    );
                    return self.trouble(number, &what, "move the block below that table's COMMIT");
                }
                self.marked = Some(Marked {
                    line: number,
                    start,
                    open: None,
                    ufws: None,
                });
                self.just_ended = false;
            }
            // The mark of a block that lost its first one.
            Some(Mark::End) if self.just_ended => {
                if let Some(last) = self.blocks.last_mut() {
                    last.end = end;
                }
                self.just_ended = false;
            }
            Some(Mark::End) => {}
            None => self.unmarked(bare, number, start..end)?,
        }
        Ok(())
    }

    fn begun_twice<T>(&self, number: usize, first: usize) -> Result<T, Trouble> {
        self.trouble(
            first,
            &format!(
                "begins a block \"UFW AND DOCKER\" that has not ended where line {number} begins \
                 another"
            ),
            &format!("put a line \"{END}\" below the first block's COMMIT"),
        )
    }

    /// The block that ends here, unless its marks take in too much or too little.
    fn closed(&self, marked: &Marked, number: usize, end: usize) -> Result<Range<usize>, Trouble> {
        if let Some(line) = marked.ufws {
            let what = format!(
                "holds a rule or chain of ufw's own inside the block \"UFW AND DOCKER\" that line \
                 {} begins",
                marked.line
            );
            return self.trouble(
                line,
                &what,
                "set the marks around the block for Docker alone",
            );
        }
        if let Some(open) = marked.open {
            let what = format!(
                "ends the block \"UFW AND DOCKER\" before the table of line {open} is committed"
            );
            let mend = format!("move the line \"{END}\" below that table's COMMIT");
            return self.trouble(number, &what, &mend);
        }
        Ok(marked.start..end)
    }

    /// A line outside of marks.
    fn unmarked(&mut self, bare: &str, number: usize, at: Range<usize>) -> Result<(), Trouble> {
        if let Some(name) = bare.strip_prefix('*') {
            self.committed()?;
            self.table = Some(Table {
                line: number,
                start: at.start,
                filter: name.trim() == "filter",
                docker: None,
                ufws: false,
                foreign: None,
            });
            self.just_ended = false;
        } else if bare == "COMMIT" {
            if let Some(table) = self.table.take()
                && let Some(start) = self.whole(&table)?
            {
                self.blocks.push(start..at.end);
                self.just_ended = true;
            }
        } else if !bare.is_empty() {
            self.just_ended = false;
            if let (Some(table), Some(named)) = (&mut self.table, chain(bare)) {
                table.note(&named, number);
            }
        }
        Ok(())
    }

    /// Where a table begins that is a block; `None` for one that has nothing to do with Docker.
    fn whole(&self, table: &Table) -> Result<Option<usize>, Trouble> {
        let (true, Some(docker)) = (table.filter, table.docker) else {
            return Ok(None);
        };
        if table.ufws {
            return self.trouble(
                docker,
                "is about Docker's chain inside a table of ufw's own",
                "take the lines about DOCKER-USER out of it: the block that is added has them in \
                 a table of its own",
            );
        }
        if let Some((line, chain)) = &table.foreign {
            let what = format!(
                "is about chain {chain}, in the table of line {} that is also about DOCKER-USER",
                table.line
            );
            return self.trouble(
                *line,
                &what,
                "move your own lines to a table of their own (*filter … COMMIT), so that it is \
                 known which are for Docker",
            );
        }
        Ok(Some(table.start))
    }

    /// That the table before was committed, if it is one that matters.
    fn committed(&self) -> Result<(), Trouble> {
        match &self.table {
            Some(table) if table.filter && table.docker.is_some() => self.trouble(
                table.line,
                "begins a table about Docker's chain that is never committed",
                "put the line COMMIT at its end",
            ),
            _ => Ok(()),
        }
    }

    fn end(self) -> Result<Vec<Range<usize>>, Trouble> {
        if let Some(marked) = &self.marked {
            return self.trouble(
                marked.line,
                "begins a block \"UFW AND DOCKER\" that never ends",
                &format!("put a line \"{END}\" below the block's COMMIT"),
            );
        }
        self.committed()?;
        Ok(self.blocks)
    }
}

impl Table {
    fn note(&mut self, named: &Named<'_>, line: usize) {
        let name = named.name();
        if is_dockers(name) {
            self.docker.get_or_insert(line);
        } else if is_ufws(name) {
            self.ufws = true;
        } else if !matches!(named, Named::Declared(name) if is_users(name)) {
            self.foreign.get_or_insert((line, name.to_owned()));
        }
    }
}

enum Mark {
    Begin,
    End,
}

/// A mark, in any spacing and case: "# BEGIN UFW AND DOCKER", "#begin ufw-docker".
fn mark(line: &str) -> Option<Mark> {
    let rest = line.strip_prefix('#')?;
    let words: Vec<String> = rest
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case("and"))
        .map(str::to_ascii_uppercase)
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match *words.as_slice() {
        ["BEGIN", "UFW", "DOCKER"] => Some(Mark::Begin),
        ["END", "UFW", "DOCKER"] => Some(Mark::End),
        _ => None,
    }
}

/// What a line of `iptables-restore` is about.
enum Named<'a> {
    /// The chain is made or emptied: `:CHAIN - [0:0]`, `-N CHAIN`.
    Declared(&'a str),
    /// The chain is changed: `-A CHAIN …`.
    Filled(&'a str),
}

impl<'a> Named<'a> {
    fn name(&self) -> &'a str {
        match self {
            Self::Declared(name) | Self::Filled(name) => name,
        }
    }
}

fn chain(line: &str) -> Option<Named<'_>> {
    if let Some(declared) = line.strip_prefix(':') {
        return declared.split_whitespace().next().map(Named::Declared);
    }
    // Counters, as `iptables-save -c` writes them: `[12:345] -A …`.
    let rule = match line.strip_prefix('[') {
        Some(counted) => counted.split_once(']')?.1.trim_start(),
        None => line,
    };
    let mut words = rule.split_whitespace();
    match (words.next()?, words.next()) {
        ("-N" | "--new-chain", Some(name)) => Some(Named::Declared(name)),
        (option, Some(name)) if option.starts_with('-') => Some(Named::Filled(name)),
        _ => None,
    }
}

/// The chain Docker leaves to its operator, and the one ufw-docker adds.
fn is_dockers(chain: &str) -> bool {
    chain == "DOCKER-USER" || of_ufw(chain) == Some("docker-logging-deny")
}

/// Chains that ufw declares in its rules files, and needs there.
fn is_ufws(chain: &str) -> bool {
    of_ufw(chain).is_some_and(|rest| rest.starts_with("after-") || rest.starts_with("before-"))
}

/// The chains of the user's rules, which blocks declare in order to jump to them.
fn is_users(chain: &str) -> bool {
    of_ufw(chain).is_some_and(|rest| rest.starts_with("user-"))
}

fn of_ufw(chain: &str) -> Option<&str> {
    chain
        .strip_prefix("ufw-")
        .or_else(|| chain.strip_prefix("ufw6-"))
}
