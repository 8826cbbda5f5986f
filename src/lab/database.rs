//! The managed database of the tutorial: a real PostgreSQL on the `db` machine.

use super::command::finish;
use super::layout::Layout;
use super::topology::database;
use super::{Error, access};

/// The database and its user.
pub const NAME: &str = "polls";
/// PostgreSQL's port.
pub const PORT: u16 = 5432;

/// Waits up to a minute for the server, then reads SQL from stdin.
const APPLY: &str = r#"i=0
until runuser -u postgres -- psql -qAtc 'select 1' >/dev/null 2>&1; do
  i=$((i + 1)); [ "$i" -lt 300 ] || { echo 'PostgreSQL does not answer' >&2; exit 1; }
  sleep 0.2
done
exec runuser -u postgres -- psql -qAt -v ON_ERROR_STOP=1"#;

/// Makes user and database, and waits until they answer. Does no harm when they exist.
pub(super) fn configure(layout: &Layout, password: &str) -> Result<(), Error> {
    let mut command = access::console(layout, database())?;
    command.args(["sh", "-euc", APPLY]);
    finish(&mut command, sql(password).as_bytes()).map(drop)
}

/// The statements. The password is made of hexadecimal digits; a quote is doubled all the
/// same.
fn sql(password: &str) -> String {
    let password = password.replace('\'', "''");
    format!(
        "SELECT 'CREATE ROLE {NAME} LOGIN' \
         WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{NAME}')\\gexec\n\
         ALTER ROLE {NAME} PASSWORD '{password}';\n\
         SELECT 'CREATE DATABASE {NAME} OWNER {NAME}' \
         WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{NAME}')\\gexec\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_cant_end_its_literal() {
        assert!(sql("a'; DROP").contains("PASSWORD 'a''; DROP';"));
    }
}
