//! A build context as a stream of tar, made while it is sent, or a file: a large one takes no
//! memory.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::resource::op::Context;
use crate::site::{ContextKind, context_files, git_archive};

/// Bytes in one piece of the stream.
const PIECE: usize = 64 * 1024;

/// Starts to make the stream. An error ends it.
pub(super) fn stream(context: Context, cache: std::path::PathBuf) -> Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = channel(8);
    tokio::task::spawn_blocking(move || {
        let result = match &context {
            Context::Directory(dir) => directory(dir, Pieces::new(sender.clone())),
            Context::File(file) => copy(file, Pieces::new(sender.clone())),
            Context::Commit { url, commit } => git_archive(url, commit, &cache)
                .map_err(io::Error::other)
                .and_then(|tar| copy(&tar, Pieces::new(sender.clone()))),
        };
        if let Err(e) = result {
            let _gone = sender.blocking_send(Err(e));
        }
    });
    receiver
}

fn directory(dir: &Path, out: Pieces) -> io::Result<()> {
    let mut tar = tar::Builder::new(out);
    for file in context_files(dir)? {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        match file.kind {
            ContextKind::Directory => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(0o755);
                header.set_size(0);
                tar.append_data(&mut header, &file.path, io::empty())?;
            }
            ContextKind::File { executable } => {
                let content = File::open(&file.on_disk)?;
                header.set_entry_type(tar::EntryType::Regular);
                header.set_mode(if executable { 0o755 } else { 0o644 });
                header.set_size(content.metadata()?.len());
                tar.append_data(&mut header, &file.path, content)?;
            }
            ContextKind::Link { target } => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_mode(0o777);
                header.set_size(0);
                tar.append_link(&mut header, &file.path, target)?;
            }
        }
    }
    tar.into_inner()?.flush()
}

fn copy(tar: &Path, mut out: Pieces) -> io::Result<()> {
    let mut file = File::open(tar)?;
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return out.flush();
        }
        out.write_all(&piece[..read])?;
    }
}

/// Gathers small writes into pieces.
struct Pieces {
    sender: Sender<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
}

impl Pieces {
    fn new(sender: Sender<io::Result<Vec<u8>>>) -> Self {
        Self {
            sender,
            piece: Vec::with_capacity(PIECE),
        }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.sender
            .blocking_send(Ok(piece))
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the command stopped reading"))
    }
}
