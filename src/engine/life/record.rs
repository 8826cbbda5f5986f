//! What a server says of its backups.

use std::collections::BTreeMap;

use super::archive::Manifest;
use crate::event::Kept;

/// How the last backup ended, and what was made last: `STATE/backup`, written by `backup.sh`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Record {
    /// When the last one ended, well or not; seconds since 1970.
    pub ended: Option<i64>,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// When one ended well the last time.
    pub well: Option<i64>,
    /// The file that was made then.
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
    pub tables: u64,
    pub rows: u64,
}

impl Record {
    /// Reads `key=value` lines.
    pub(in crate::engine) fn parse(text: &str) -> Self {
        let values: BTreeMap<&str, &str> = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .collect();
        let text = |key: &str| values.get(key).map(|value| (*value).to_owned());
        let number = |key: &str| values.get(key).and_then(|value| value.parse().ok());
        let time = |key: &str| values.get(key).and_then(|value| value.parse().ok());
        let failed = values.get("result") == Some(&"failed");
        Self {
            ended: time("ended"),
            failure: failed
                .then(|| text("message").unwrap_or_else(|| "it didn't say why".to_owned())),
            well: time("ok"),
            name: text("name").unwrap_or_default(),
            bytes: number("bytes").unwrap_or_default(),
            sha256: text("sha256").unwrap_or_default(),
            tables: number("tables").unwrap_or_default(),
            rows: number("rows").unwrap_or_default(),
        }
    }
}

/// The backups that `list.sh` found, the newest first.
pub(super) fn listed(printed: &str) -> Vec<Kept> {
    let mut all: Vec<Kept> = printed.lines().filter_map(kept).collect();
    all.sort_by(|a, b| b.name.cmp(&a.name));
    all
}

fn kept(line: &str) -> Option<Kept> {
    let mut parts = line.strip_prefix("backup ")?.splitn(3, '\t');
    let (name, bytes) = parts.next()?.split_once(' ')?;
    let (members, manifest) = (parts.next()?, parts.next()?);
    let mut kept = Kept {
        name: name.to_owned(),
        bytes: bytes.parse().ok()?,
        ..Kept::default()
    };
    let stamp = name.strip_suffix(".tar").unwrap_or(name);
    kept.made = stamp.rsplit('-').next().and_then(super::archive::time);
    let manifest: Manifest = match serde_json::from_str(manifest) {
        Ok(manifest) => manifest,
        Err(_) => {
            kept.lacks = Some("its manifest: it is cut off".to_owned());
            return Some(kept);
        }
    };
    kept.postgres = Some(manifest.postgres);
    kept.rows = Some(manifest.rows);
    kept.media = manifest.has_media();
    let mut found = members.split(' ');
    let missing = manifest.files.iter().find(|member| {
        let wanted = format!("{}:{}", member.name, member.bytes);
        found.next() != Some(wanted.as_str())
    });
    kept.lacks = missing.map(|member| format!("{} as it was", member.name));
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"{ "format": 1, "site": "polls", "made": "20260102T030405Z", "postgres": 17, "database": "polls", "user": "polls", "tables": 1, "rows": 5, "files": [ {"name": "database.dump", "bytes": 10, "sha256": "aa"}, {"name": "tables.txt", "bytes": 3, "sha256": "bb"}] }"#;

    #[test]
    fn a_record_says_how_the_last_one_ended_and_which_is_good() {
        let record = Record::parse(
            "ended=20\nresult=failed\nok=10\nname=polls-x.tar\nbytes=7\nsha256=aa\ntables=2\n\
             rows=9\nmessage=no room = left\n",
        );
        assert_eq!(record.failure.as_deref(), Some("no room = left"));
        assert_eq!((record.ended, record.well), (Some(20), Some(10)));
        assert_eq!((record.name.as_str(), record.bytes), ("polls-x.tar", 7));
        assert_eq!((record.tables, record.rows), (2, 9));
        assert_eq!(Record::parse(""), Record::default());
        assert_eq!(Record::parse("result=ok\nended=3").failure, None);
    }

    #[test]
    fn the_newest_backup_stands_first_and_what_is_cut_off_is_told() {
        let printed = format!(
            "backup polls-20260102T030405Z.tar 10240\tdatabase.dump:10 tables.txt:3 \
             manifest.json:300\t{MANIFEST}\n\
             backup polls-20260103T030405Z.tar 512\t\t\n\
             backup polls-20260101T030405Z.tar 10240\tdatabase.dump:9 tables.txt:3 \
             manifest.json:300\t{MANIFEST}\n\
             nonsense\n"
        );
        let all = listed(&printed);
        let lacks: Vec<_> = all.iter().map(|kept| kept.lacks.as_deref()).collect();
        assert_eq!(
            lacks,
            [
                Some("its manifest: it is cut off"),
                None,
                Some("database.dump as it was")
            ]
        );
        assert_eq!(all[1].made, Some(1_767_323_045));
        assert_eq!((all[1].postgres, all[1].rows), (Some(17), Some(5)));
    }
}
