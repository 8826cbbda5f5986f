//! The operator's own terminal while a command elsewhere has it, and the standard streams.
//!
//! A terminal that is left raw is of no use to anybody: it is put back at any end that a program
//! can see, a panic's message included.

use std::io::{self, IsTerminal, Read, Write};
use std::sync::{Mutex, Once, PoisonError};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use crate::ssh::{Piece, Size, Terminal};

/// Bytes in one piece of input.
const PIECE: usize = 32 * 1024;
/// Pieces that wait to be sent or written: who is slow holds the other side back.
const WAITING: usize = 4;

/// The terminal's settings while it is raw.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The terminal is raw for as long as this lives: every key goes to the command, Ctrl-C too.
pub(super) struct Raw(());

impl Raw {
    /// Makes the terminal on stdin raw.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn begin() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let report = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                restore();
                report(info);
            }));
        });
        let settings = tcgetattr(io::stdin())?;
        let mut raw = settings.clone();
        raw.make_raw();
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(settings);
        let begun = Self(());
        // Not before all that was written to it is shown as it was meant.
        tcsetattr(io::stdin(), OptionalActions::Drain, &raw)?;
        Ok(begun)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// Puts the settings back, once.
fn restore() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(settings) = before {
        // A terminal that is gone has no settings.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &settings);
    }
}

/// The terminal that the operator sits at, if both what is typed and what is shown is there.
pub(super) fn own() -> Option<Terminal> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return None;
    }
    let kind = std::env::var("TERM").ok().filter(|kind| !kind.is_empty());
    Some(Terminal {
        kind: kind.unwrap_or_else(|| "dumb".to_owned()),
        size: size()?,
    })
}

/// How large it is now.
pub(super) fn size() -> Option<Size> {
    let size = tcgetwinsize(io::stdin()).ok()?;
    Some(Size {
        characters: (size.ws_col.into(), size.ws_row.into()),
        pixels: (size.ws_xpixel.into(), size.ws_ypixel.into()),
    })
}

/// What comes on stdin, piece by piece, no faster than it is taken. A thread waits for it, which
/// ends with the program.
pub(super) fn typed() -> Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = channel(WAITING);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut piece = vec![0; PIECE];
        loop {
            let read = match stdin.read(&mut piece) {
                Ok(0) => return,
                Ok(read) => Ok(piece[..read].to_vec()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => Err(e),
            };
            let failed = read.is_err();
            if sender.blocking_send(read).is_err() || failed {
                return;
            }
        }
    });
    receiver
}

/// Writes pieces to stdout and stderr as they are. It ends when nothing more can come, or with
/// the first that can't be written; then nobody takes further ones.
pub(super) fn shown() -> (Sender<Piece>, JoinHandle<io::Result<()>>) {
    let (sender, mut pieces) = channel(WAITING);
    let writing = tokio::task::spawn_blocking(move || {
        while let Some(piece) = pieces.blocking_recv() {
            match piece {
                Piece::Stdout(bytes) => write(&mut io::stdout().lock(), &bytes)?,
                Piece::Stderr(bytes) => write(&mut io::stderr().lock(), &bytes)?,
                Piece::Ended(_) => break,
            }
        }
        Ok(())
    });
    (sender, writing)
}

fn write(stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}
