//! Git sources: what commit a revision is, and its files as a tar. Both by the operator's
//! own git, which knows their keys, helpers and proxies.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::Source;
use super::context::hex;
use super::name::InvalidName;

/// Why a git source can't be used.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no git on the operator's machine, or it can't be started.
    #[error(
        "can't start git: {0}; install git on this machine, or name the app by `path` or `image`"
    )]
    Start(#[source] io::Error),
    /// Git itself said no.
    #[error("git {doing} failed for {url}: {said}; it has to work for you without a question")]
    Failed {
        /// The git command, by name.
        doing: &'static str,
        /// The repository, without a password.
        url: String,
        /// The end of what git said.
        said: String,
    },
    /// The repository has no such revision.
    #[error(
        "{url} has no branch or tag {rev:?}; write one that it has, or all 40 digits of a commit"
    )]
    NoRevision {
        /// The repository, without a password.
        url: String,
        /// The revision as written.
        rev: String,
    },
    /// A branch and a tag have the same name.
    #[error(
        "{rev:?} is both a branch and a tag of {url}; write refs/heads/{rev} or refs/tags/{rev}"
    )]
    Ambiguous {
        /// The repository, without a password.
        url: String,
        /// The revision as written.
        rev: String,
    },
    /// The revision can't be built.
    #[error("commit {commit} of {url} has no Dockerfile at its top; add one that runs the app")]
    NoDockerfile {
        /// The repository, without a password.
        url: String,
        /// The commit.
        commit: String,
    },
    /// The URL or the revision could be taken for an option of git's.
    #[error("{}; write {}", .0.what, .0.instead)]
    Refused(InvalidName),
    /// The cache can't be written.
    #[error("can't write the cache {}: {source}", path.display())]
    Cache {
        /// The directory or file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

pub(super) fn check_url(url: &str) -> Result<(), InvalidName> {
    let ok = !url.is_empty()
        && !url.starts_with('-')
        && !url.contains("::")
        && !url.chars().any(|c| c.is_control());
    if ok {
        return Ok(());
    }
    Err(InvalidName {
        what: format!(
            "{:?} is not the URL of a git repository",
            without_password(url)
        ),
        instead: "a URL such as \"https://git.example/polls.git\", or a path".to_owned(),
    })
}

/// The characters are those of `git check-ref-format`, less what only revision syntax uses.
pub(super) fn check_rev(rev: &str) -> Result<(), InvalidName> {
    let ok = !rev.is_empty()
        && !rev.starts_with('-')
        && !rev.contains("..")
        && !rev.contains("@{")
        && !rev
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c));
    if ok {
        return Ok(());
    }
    Err(InvalidName {
        what: format!("{rev:?} is not a git revision"),
        instead: "a branch, a tag, or all 40 digits of a commit".to_owned(),
    })
}

/// Finds out which commit a git source's revision is. Sources of other kinds stay as they
/// are. Blocks until git has answered.
///
/// # Errors
/// Git is missing, can't reach the repository, or finds no such revision.
pub fn resolve_git(source: &mut Source) -> Result<(), GitError> {
    let Source::Git { url, rev, commit } = source else {
        return Ok(());
    };
    check_url(url).map_err(GitError::Refused)?;
    check_rev(rev).map_err(GitError::Refused)?;
    if is_commit(rev) {
        *commit = rev.to_ascii_lowercase();
        return Ok(());
    }
    let (branch, tag) = (format!("refs/heads/{rev}"), format!("refs/tags/{rev}"));
    // An annotated tag is an object of its own; `^{}` is the commit it stands for.
    let peeled = format!("{tag}^{{}}");
    let full = format!("{rev}^{{}}");
    let patterns = [rev.as_str(), &full, &branch, &tag, &peeled].map(OsString::from);
    let heads = ["--quiet", "--", url.as_str()].map(OsString::from);
    let listed = git(None, "ls-remote", url, heads.into_iter().chain(patterns))?;
    // ls-remote matches ends of names too: "main" finds "refs/heads/old/main".
    let find = |name: &str| {
        listed
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .find(|(_, found)| *found == name)
            .map(|(commit, _)| commit.to_owned())
    };
    let exact = if rev.starts_with("refs/") || rev == "HEAD" {
        find(&full).or_else(|| find(rev))
    } else {
        None
    };
    let of_tag = find(&peeled).or_else(|| find(&tag));
    let of_branch = find(&branch);
    *commit = match (exact, of_branch, of_tag) {
        (Some(found), _, _) | (None, Some(found), None) | (None, None, Some(found)) => found,
        (None, Some(of_branch), Some(of_tag)) if of_branch == of_tag => of_tag,
        (None, Some(_), Some(_)) => {
            return Err(GitError::Ambiguous {
                url: without_password(url),
                rev: rev.clone(),
            });
        }
        (None, None, None) => {
            return Err(GitError::NoRevision {
                url: without_password(url),
                rev: rev.clone(),
            });
        }
    };
    Ok(())
}

/// The files of a commit as an uncompressed tar, by way of a bare repository in
/// `cache_dir`; the same commit is fetched and packed once. Submodules are not in it.
/// Blocks until git is done.
///
/// # Errors
/// Git is missing or can't fetch the commit, it has no Dockerfile, or the cache can't be
/// written.
pub fn git_archive(url: &str, commit: &str, cache_dir: &Path) -> Result<PathBuf, GitError> {
    check_url(url).map_err(GitError::Refused)?;
    if !is_commit(commit) {
        return Err(GitError::NoRevision {
            url: without_password(url),
            rev: commit.to_owned(),
        });
    }
    let cache = |path: &Path| {
        let path = path.to_owned();
        move |source| GitError::Cache { path, source }
    };
    let key = hex(&Sha256::digest(url.as_bytes()));
    let repository = cache_dir.join(format!("{}.git", &key[..16]));
    let tar = cache_dir.join(format!("{}-{commit}.tar", &key[..16]));
    if tar.is_file() {
        return Ok(tar);
    }
    fs::create_dir_all(cache_dir).map_err(cache(cache_dir))?;
    // Every app server asks for the same archive at the same time, and other runs may too.
    let held = cache_dir.join(format!("{}.lock", &key[..16]));
    let lock = fs::File::create(&held).map_err(cache(&held))?;
    lock.lock().map_err(cache(&held))?;
    if tar.is_file() {
        return Ok(tar);
    }
    git(
        None,
        "init",
        url,
        [
            "--quiet".into(),
            "--bare".into(),
            "--".into(),
            repository.clone().into(),
        ],
    )?;
    fetch(&repository, url, commit)?;
    let dockerfile = format!("{commit}:Dockerfile");
    if git(
        Some(&repository),
        "cat-file",
        url,
        ["-e".into(), dockerfile.into()],
    )
    .is_err()
    {
        return Err(GitError::NoDockerfile {
            url: without_password(url),
            commit: commit.to_owned(),
        });
    }
    // Written beside and renamed, so that an interrupted run leaves no half of a tar.
    let half = cache_dir.join(format!(
        "{}-{commit}.{}.part",
        &key[..16],
        std::process::id()
    ));
    let mut output = OsString::from("--output=");
    output.push(&half);
    git(
        Some(&repository),
        "archive",
        url,
        ["--format=tar".into(), output, commit.into()],
    )?;
    fs::rename(&half, &tar).map_err(cache(&tar))?;
    Ok(tar)
}

fn fetch(repository: &Path, url: &str, commit: &str) -> Result<(), GitError> {
    let have = || {
        let object = format!("{commit}^{{commit}}");
        git(
            Some(repository),
            "cat-file",
            url,
            ["-e".into(), object.into()],
        )
        .is_ok()
    };
    if have() {
        return Ok(());
    }
    let from: [OsString; 2] = ["--".into(), url.into()];
    let one = ["--quiet".into(), "--no-tags".into(), "--depth=1".into()]
        .into_iter()
        .chain(from.clone())
        .chain([commit.into()]);
    if git(Some(repository), "fetch", url, one).is_ok() {
        return Ok(());
    }
    // Not every server hands out a commit by its number: then everything is fetched.
    let all = ["--quiet".into()].into_iter().chain(from).chain([
        "+refs/heads/*:refs/remotes/origin/*".into(),
        "+refs/tags/*:refs/tags/*".into(),
    ]);
    git(Some(repository), "fetch", url, all)?;
    if have() {
        return Ok(());
    }
    Err(GitError::NoRevision {
        url: without_password(url),
        rev: commit.to_owned(),
    })
}

fn is_commit(rev: &str) -> bool {
    rev.len() == 40 && rev.bytes().all(|c| c.is_ascii_hexdigit())
}

/// A URL without the password or token that may be in it.
fn without_password(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority
                .rsplit_once('@')
                .map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}

/// Runs git and gives what it printed.
fn git(
    repository: Option<&Path>,
    doing: &'static str,
    url: &str,
    args: impl IntoIterator<Item = OsString>,
) -> Result<String, GitError> {
    let mut command = Command::new("git");
    if let Some(repository) = repository {
        command.arg("--git-dir").arg(repository);
    }
    command
        .arg(doing)
        .args(args)
        .stdin(Stdio::null())
        // A question for a password would wait unseen behind the progress lines.
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C");
    // Set when this runs in a git hook; they would lead to another repository.
    for name in [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
    ] {
        command.env_remove(OsStr::new(name));
    }
    let output = command.output().map_err(GitError::Start)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).replace(url, &without_password(url));
    // Git ends with general advice; the reason stands before it.
    let advice = [
        "Please make sure",
        "and the repository exists",
        "fatal: Could not read from",
    ];
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !advice.iter().any(|start| line.starts_with(start)))
        .collect();
    Err(GitError::Failed {
        doing,
        url: without_password(url),
        said: lines[lines.len().saturating_sub(3)..].join("; "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_in_disguise_and_other_transports_are_refused() {
        for bad in ["", "--upload-pack=touch /tmp/x", "ext::sh -c id", "a\nb"] {
            assert!(check_url(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "-x", "a..b", "main^", "a b", "HEAD~1", "a:b", "x@{1}"] {
            assert!(check_rev(bad).is_err(), "{bad:?}");
        }
        for good in ["main", "v1.2", "feature/x", "refs/tags/v1", "polls-docker"] {
            assert!(check_rev(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_not_repeated() {
        assert_eq!(
            without_password("https://me:hunter2@git.example/a@b.git"),
            "https://git.example/a@b.git"
        );
        assert_eq!(
            without_password("git@git.example:a.git"),
            "git@git.example:a.git"
        );
    }
}
