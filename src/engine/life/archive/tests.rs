//! Files that are backups, and files that only look like one.

use super::*;

fn sum(bytes: &[u8]) -> String {
    let mut summed = Summed::new(bytes);
    summed.drain().unwrap();
    summed.end().1
}

fn manifest(members: &[(&str, &[u8])], format: u32) -> Vec<u8> {
    let files: Vec<String> = members
        .iter()
        .map(|(name, bytes)| {
            let (len, sum) = (bytes.len(), sum(bytes));
            format!("{{\"name\": \"{name}\", \"bytes\": {len}, \"sha256\": \"{sum}\"}}")
        })
        .collect();
    format!(
        "{{\"format\": {format}, \"site\": \"polls\", \"made\": \"20260102T030405Z\", \
         \"postgres\": 17, \"database\": \"polls\", \"user\": \"polls\", \"tables\": 3, \
         \"rows\": 10000, \"files\": [{}]}}",
        files.join(",")
    )
    .into_bytes()
}

fn packed(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

const MEMBERS: [(&str, &[u8]); 3] = [
    ("database.dump", &[7; 5000]),
    ("globals.sql", b"-- roles\n"),
    ("tables.txt", b"public.a\t10000\n"),
];

fn with_manifest(members: &[(&str, &[u8])], manifest: &[u8]) -> Vec<u8> {
    let mut all = members.to_vec();
    all.push((MANIFEST, manifest));
    packed(&all)
}

fn good() -> Vec<u8> {
    with_manifest(&MEMBERS, &manifest(&MEMBERS, FORMAT))
}

fn why(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

#[test]
fn a_whole_backup_is_known_with_its_sum() {
    let bytes = good();
    let whole = read(&bytes[..]).unwrap();
    assert_eq!(whole.manifest.site, "polls");
    assert_eq!((whole.manifest.postgres, whole.manifest.rows), (17, 10_000));
    assert_eq!(whole.manifest.time(), Some(1_767_323_045));
    assert!(!whole.manifest.has_media());
    assert_eq!(whole.bytes, bytes.len() as u64);
    assert_eq!(whole.sha256, sum(&bytes));
}

#[test]
fn a_backup_that_is_cut_anywhere_before_its_manifest_ends_is_none() {
    let bytes = good();
    // Behind the manifest stand only the zeros that end a tar.
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let cuts = (0..last).step_by(97).chain((0..last).step_by(512));
    let mut tried = 0;
    for cut in cuts.chain(last - 3..last) {
        assert!(read(&bytes[..cut]).is_err(), "cut at {cut} of {last}");
        tried += 1;
    }
    assert!(tried > 50, "{tried} cuts");
}

#[test]
fn a_byte_that_changed_is_found_wherever_it_stands() {
    let bytes = good();
    for at in (512..5000).step_by(311) {
        let mut forged = bytes.clone();
        forged[at] ^= 1;
        assert!(why(&forged).contains("database.dump in it is not what was put there"));
    }
}

#[test]
fn what_the_manifest_does_not_say_is_refused() {
    let four: Vec<_> = MEMBERS.into_iter().chain([("more", &b"x"[..])]).collect();
    let said = why(&with_manifest(&four, &manifest(&MEMBERS, FORMAT)));
    assert!(said.contains("more in it is not in its manifest"), "{said}");
    let said = why(&with_manifest(&MEMBERS[..2], &manifest(&MEMBERS, FORMAT)));
    assert!(said.contains("tables.txt is not where"), "{said}");
    let two = manifest(&MEMBERS[1..], FORMAT);
    let said = why(&with_manifest(&MEMBERS[1..], &two));
    assert!(said.contains("names no dump"), "{said}");
    let said = why(&with_manifest(&MEMBERS, &manifest(&MEMBERS, 2)));
    assert!(said.contains("doesn't know"), "{said}");
    let said = why(&with_manifest(&MEMBERS, b"{"));
    assert!(said.contains("can't be read"), "{said}");
    let good_manifest = manifest(&MEMBERS, FORMAT);
    let mut all = MEMBERS.to_vec();
    all.extend([(MANIFEST, &good_manifest[..]), ("last", b"x")]);
    assert!(why(&packed(&all)).contains("follows its manifest"));
    assert!(why(b"").contains("no manifest"));
    assert!(why(&[0; 10_240]).contains("no manifest"));
    assert!(why(&[b'x'; 2000]).contains("no backup at all"));
}

#[test]
fn a_member_that_is_no_plain_file_is_refused() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder
        .append_link(&mut header, "database.dump", "/etc/shadow")
        .unwrap();
    let bytes = builder.into_inner().unwrap();
    assert!(why(&bytes).contains("no plain file"));
    assert!(why(&packed(&[("a/b", b"x")])).contains("no plain file"));
}

#[test]
fn times_are_read_and_no_others() {
    assert_eq!(time("19700101T000000Z"), Some(0));
    assert_eq!(time("20000229T235959Z"), Some(951_868_799));
    for wrong in [
        "",
        "20260102",
        "20261302T030405Z",
        "20260102T240000Z",
        "2026010éT03040Z",
    ] {
        assert_eq!(time(wrong), None, "{wrong}");
    }
}
