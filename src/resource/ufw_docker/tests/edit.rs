//! What takes a block's place, and how the file comes back.

use super::{OWN, STOCK, TABLE, marked};
use crate::resource::fact::Family;
use crate::resource::ufw_docker::edit::{Replaced, ours, with_block};
use crate::resource::ufw_docker::locate::locate;
use crate::resource::ufw_docker::text::block;

fn new() -> String {
    block(Family::V4, &["172.30.0.0/16".parse().unwrap()])
}

/// The file with our block, and what that replaced.
fn put(file: &str) -> (String, Replaced) {
    let blocks = locate("F", file).unwrap();
    (
        with_block(file, &blocks, &new()),
        Replaced::of(file, &blocks),
    )
}

/// The file without our block.
fn back(file: &str, replaced: &Replaced) -> String {
    let ours = ours(file, &locate("F", file).unwrap()).unwrap();
    // As it is kept on the server.
    let kept = serde_json::to_string(replaced).unwrap();
    let kept: Replaced = serde_json::from_str(&kept).unwrap();
    kept.back(file, &ours)
}

#[test]
fn the_block_is_appended_once_and_the_rest_stays_byte_for_byte() {
    let old = "# mine\n*filter\nCOMMIT";
    let (once, _) = put(old);
    let new = new();
    assert_eq!(
        once,
        format!("{old}\n{new}"),
        "the missing final newline is put first"
    );
    assert_eq!(put(&once).0, once);
}

#[test]
fn an_older_block_is_replaced_where_it_stands() {
    for older in [marked(TABLE), TABLE.to_owned(), marked("")] {
        let file = format!("{OWN}{STOCK}{older}{OWN}# last");
        let (once, _) = put(&file);
        assert_eq!(once, format!("{OWN}{STOCK}{}{OWN}# last", new()));
        assert_eq!(put(&once).0, once);
    }
}

#[test]
fn one_block_is_left_of_several_and_ours_keeps_its_place() {
    let file = format!("{TABLE}{STOCK}{}{OWN}", marked(TABLE));
    assert_eq!(put(&file).0, format!("{}{STOCK}{OWN}", new()));
    let file = format!("{TABLE}{STOCK}{}{OWN}{}", new(), marked(TABLE));
    assert_eq!(put(&file).0, format!("{STOCK}{}{OWN}", new()));
}

#[test]
fn without_our_block_the_file_is_what_it_was() {
    for file in [
        String::new(),
        "\n".to_owned(),
        STOCK.to_owned(),
        STOCK.trim_end().to_owned(),
        format!("{STOCK}\n\n"),
        format!("{STOCK}\r\n"),
        format!("{OWN}{STOCK}{}{OWN}", marked(TABLE)),
        format!("{OWN}{STOCK}{}", marked(TABLE).trim_end()),
        format!("{STOCK}{TABLE}"),
        format!("{STOCK}{}", TABLE.trim_end()),
        marked(TABLE),
        format!("{STOCK}{TABLE}{OWN}{}# last", marked(TABLE)),
        format!("{TABLE}{}{TABLE}", marked(TABLE)),
        format!("{STOCK}{}{OWN}", marked(TABLE)).replace('\n', "\r\n"),
    ] {
        let (once, replaced) = put(&file);
        assert_ne!(once, file);
        assert_eq!(back(&once, &replaced), file);
    }
}

#[test]
fn what_the_operator_wrote_elsewhere_in_the_meantime_stays() {
    let bare = STOCK.trim_end();
    for (file, expected) in [
        // The newline is needed now.
        (bare.to_owned(), format!("# top\n{bare}\n# bottom\n")),
        (
            format!("{STOCK}{}", marked(TABLE).trim_end()),
            format!("# top\n{STOCK}{}# bottom\n", marked(TABLE)),
        ),
        (
            format!("{TABLE}{OWN}{}", marked(TABLE)),
            format!("# top\n{TABLE}{OWN}{}# bottom\n", marked(TABLE)),
        ),
    ] {
        let (once, replaced) = put(&file);
        let edited = format!("# top\n{once}# bottom\n");
        assert_eq!(back(&edited, &replaced), expected);
    }
    // What stood between two blocks was edited: they come back side by side.
    let (once, replaced) = put(&format!("{TABLE}{OWN}{}", marked(TABLE)));
    let edited = once.replace("# mine", "# ours");
    let own = OWN.replace("# mine", "# ours");
    assert_eq!(
        back(&edited, &replaced),
        format!("{TABLE}{}{own}", marked(TABLE))
    );
    // A newer form of our own block, with nothing known of what was there before.
    let edited = format!(
        "{STOCK}{}{OWN}",
        new().replace("172.30.0.0/16", "10.0.0.0/8")
    );
    assert_eq!(back(&edited, &Replaced::default()), format!("{STOCK}{OWN}"));
}
