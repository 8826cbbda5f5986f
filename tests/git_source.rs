//! A git source, seen with a real git and a repository on this machine.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use provision::site::{GitError, Source, git_archive, resolve_git};

/// A repository with two commits on `main`, a branch and two kinds of tags.
struct Repository {
    dir: tempfile::TempDir,
    first: String,
    second: String,
}

impl Repository {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let git = |args: &[&str]| run(&dir.path().join("origin"), args);
        fs::create_dir(dir.path().join("origin")).unwrap();
        git(&["init", "--quiet", "--initial-branch=main"]);
        fs::write(dir.path().join("origin/manage.py"), "print()\n").unwrap();
        let first = commit(&git);
        git(&["tag", "light"]);
        git(&["branch", "old/main"]);
        fs::write(dir.path().join("origin/Dockerfile"), "FROM scratch\n").unwrap();
        let second = commit(&git);
        git(&["tag", "--annotate", "--message=v1", "v1"]);
        git(&["tag", "both", &first]);
        git(&["branch", "both", &second]);
        Self { dir, first, second }
    }

    fn url(&self) -> String {
        self.dir.path().join("origin").display().to_string()
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    fn resolve(&self, rev: &str) -> Result<String, GitError> {
        let mut source = Source::Git {
            url: self.url(),
            rev: rev.to_owned(),
            commit: String::new(),
        };
        resolve_git(&mut source)?;
        match source {
            Source::Git { commit, .. } => Ok(commit),
            other => panic!("{other:?}"),
        }
    }
}

fn commit(git: &dyn Fn(&[&str]) -> String) -> String {
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message=a change"]);
    git(&["rev-parse", "HEAD"]).trim().to_owned()
}

fn run(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(dir)
        .args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.com",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(["-c", "tag.gpgsign=false"])
        .args(args)
        .env_remove("GIT_DIR")
        .env_remove("GIT_INDEX_FILE")
        .env_remove("GIT_WORK_TREE")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_branch_a_tag_and_a_full_reference_become_the_commit_they_stand_for() {
    let repository = Repository::new();
    let (first, second) = (repository.first.as_str(), repository.second.as_str());
    for (rev, commit) in [
        ("main", second),
        ("old/main", first),
        ("light", first),
        ("v1", second),
        ("refs/tags/v1", second),
        ("refs/heads/both", second),
        ("refs/tags/both", first),
        ("HEAD", second),
        (first, first),
    ] {
        assert_eq!(repository.resolve(rev).unwrap(), commit, "{rev}");
    }
}

#[test]
fn a_revision_that_is_missing_ambiguous_or_an_option_is_refused() {
    let repository = Repository::new();
    let url = repository.url();
    let said = |rev: &str| repository.resolve(rev).unwrap_err().to_string();
    assert_eq!(
        said("nope"),
        format!(
            "{url} has no branch or tag \"nope\"; write one that it has, or all 40 digits of a commit"
        )
    );
    // The end of a name is not the name.
    assert!(said("heads/old").contains("no branch or tag"));
    assert_eq!(
        said("both"),
        format!(
            "\"both\" is both a branch and a tag of {url}; write refs/heads/both or refs/tags/both"
        )
    );
    assert!(said("--upload-pack=id").contains("is not a git revision"));
}

#[test]
fn a_repository_that_cannot_be_reached_says_what_git_said() {
    let mut source = Source::Git {
        url: "/nowhere/at/all".to_owned(),
        rev: "main".to_owned(),
        commit: String::new(),
    };
    let error = resolve_git(&mut source).unwrap_err().to_string();
    assert!(
        error.starts_with("git ls-remote failed for /nowhere/at/all: "),
        "{error}"
    );
    assert!(
        error.contains("does not appear to be a git repository"),
        "{error}"
    );
}

#[test]
fn the_archive_holds_the_commits_files_and_is_made_once() {
    let repository = Repository::new();
    let (url, cache) = (repository.url(), repository.cache());
    let tar = git_archive(&url, &repository.second, &cache).unwrap();
    let mut archive = tar::Archive::new(fs::File::open(&tar).unwrap());
    let names: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .filter(|name| name != "pax_global_header")
        .collect();
    assert_eq!(names, ["Dockerfile", "manage.py"]);

    fs::remove_dir_all(repository.dir.path().join("origin")).unwrap();
    assert_eq!(git_archive(&url, &repository.second, &cache).unwrap(), tar);
}

#[test]
fn an_archive_that_several_servers_ask_for_at_once_is_whole_for_each_of_them() {
    let repository = Repository::new();
    let (url, cache) = (repository.url(), repository.cache());
    std::thread::scope(|scope| {
        let asked = [0; 8].map(|_| {
            scope.spawn(|| {
                let tar = git_archive(&url, &repository.second, &cache).unwrap();
                fs::read(tar).unwrap()
            })
        });
        let archives = asked.map(|archive| archive.join().unwrap());
        assert!(!archives[0].is_empty());
        assert!(archives.iter().all(|archive| *archive == archives[0]));
    });
}

#[test]
fn a_commit_without_a_dockerfile_or_that_does_not_exist_is_refused() {
    let repository = Repository::new();
    let said = |commit: &str| {
        git_archive(&repository.url(), commit, &repository.cache())
            .unwrap_err()
            .to_string()
    };
    assert!(said(&repository.first).contains("has no Dockerfile at its top"));
    let missing = "0123456789abcdef0123456789abcdef01234567";
    assert!(
        said(missing).contains("no branch or tag"),
        "{}",
        said(missing)
    );
    let half_made = fs::read_dir(repository.cache())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        // The lock stays; it holds nothing.
        .filter(|path| path.is_file() && path.extension().is_some_and(|end| end != "lock"))
        .count();
    assert_eq!(half_made, 0);
}
