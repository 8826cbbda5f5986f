//! The role that the app logs in as, and the database that it owns.

use super::{Postgres, scram};
use crate::event::State;
use crate::resource::{
    Action, Content, Fact, Observed, Op, Resource, Reveal, Unreadable, differs, sha256, unknown,
};
use crate::shell::Secret;

const SQL: &str = include_str!("sql.sh");

/// The role and its database: done again when the password, a name or the volume changes.
#[derive(Clone, Debug)]
pub struct Database {
    postgres: Postgres,
    user: String,
    database: String,
    password: Secret,
}

impl Database {
    /// `user` and `database` are of letters, digits and `_`.
    pub fn new(
        postgres: Postgres,
        user: impl Into<String>,
        database: impl Into<String>,
        password: Secret,
    ) -> Self {
        Self {
            postgres,
            user: user.into(),
            database: database.into(),
            password,
        }
    }

    fn receipt(&self) -> String {
        format!("{}/postgres-role", self.postgres.state)
    }

    /// What the receipt says when all of this is done. Only root can read it.
    fn fingerprint(&self, seen: &Observed) -> Result<String, Unreadable> {
        Ok(self.fingerprint_on(&self.postgres.volume(seen)?))
    }

    /// The receipt where this volume is in use, a line, and below it the SQL that makes role and
    /// database there.
    pub fn on(&self, volume: &str) -> Secret {
        let receipt = self.fingerprint_on(volume);
        Secret::new(format!("{receipt}{}", self.sql().reveal()))
    }

    fn fingerprint_on(&self, volume: &str) -> String {
        let depends = format!(
            "{volume}\n{}\n{}\n{}",
            self.user,
            self.database,
            sha256(self.password.reveal())
        );
        format!("{}\n", sha256(depends))
    }

    /// One line a statement, each of which may be run again. Nothing of it is logged by the
    /// server, even where it fails; and of the password it holds no more than the server keeps.
    fn sql(&self) -> Secret {
        let (user, database) = (&self.user, &self.database);
        let place = format!("{} {user}", self.postgres.site);
        let verifier = scram::verifier(&place, &self.password);
        Secret::new(format!(
            "\\set VERBOSITY terse
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SET client_min_messages = 'warning';
SELECT 'CREATE ROLE \"{user}\"' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{user}') \\gexec
ALTER ROLE \"{user}\" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD '{}';
SELECT 'CREATE DATABASE \"{database}\" OWNER \"{user}\"' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{database}') \\gexec
ALTER DATABASE \"{database}\" OWNER TO \"{user}\";
REVOKE ALL ON DATABASE \"{database}\" FROM PUBLIC;
\\connect \"{database}\"
ALTER SCHEMA public OWNER TO \"{user}\";
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
ALTER ROLE postgres PASSWORD NULL;
",
            verifier.reveal()
        ))
    }
}

impl Resource for Database {
    fn id(&self) -> String {
        format!("database {} of role {}", self.database, self.user)
    }

    fn facts(&self) -> Vec<Fact> {
        vec![
            Fact::Docker,
            self.postgres.volume_fact(),
            Fact::File {
                path: self.receipt(),
                content: Reveal::Never,
            },
        ]
    }

    fn compare(&self, seen: &Observed) -> Result<State, Unreadable> {
        if seen.docker()?.is_none() {
            return Ok(unknown("docker"));
        }
        let wanted = sha256(self.fingerprint(seen)?);
        Ok(match seen.file(&self.receipt())? {
            Some(file) if file.sha256.as_deref() == Some(wanted.as_str()) => State::InSync,
            Some(_) => differs("due again: the password, a name or the volume changed"),
            None => differs("never made"),
        })
    }

    fn converge(&self, seen: &Observed) -> Vec<Op> {
        let Ok(fingerprint) = self.fingerprint(seen) else {
            return Vec::new();
        };
        let (user, database) = (&self.user, &self.database);
        vec![
            Op::script(
                format!("make role {user} with its password, and its database {database}"),
                SQL,
                [self.postgres.container()],
            )
            .input(Content::Secret(self.sql())),
            Op {
                what: "note that role and database are made".to_owned(),
                action: Action::Put {
                    path: self.receipt(),
                    content: Content::Text(fingerprint),
                    mode: 0o600,
                    owner: "root:root".to_owned(),
                    check: None,
                    pending: Vec::new(),
                },
            },
        ]
    }
}
