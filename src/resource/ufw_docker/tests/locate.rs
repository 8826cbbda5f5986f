//! Where blocks stand.

use super::{OWN, STOCK, TABLE, marked};
use crate::resource::ufw_docker::locate::locate;

/// What is found, or what is said instead.
fn found(file: &str) -> Vec<&str> {
    let blocks = locate("F", file).unwrap_or_else(|trouble| panic!("{trouble:?}\n{file}"));
    blocks.into_iter().map(|at| &file[at]).collect()
}

fn refused(file: &str) -> String {
    let trouble = locate("F", file).expect_err(file);
    assert!(!trouble.mend.is_empty());
    trouble.what
}

#[test]
fn a_file_without_blocks_has_none_whatever_the_operator_wrote_there() {
    for file in [
        "",
        "\n",
        STOCK,
        OWN,
        "*filter",
        "# UFW AND DOCKER\n",
        "COMMIT\n",
    ] {
        assert!(found(file).is_empty(), "{file}");
    }
}

#[test]
fn marks_are_known_in_any_spacing_and_case_and_with_carriage_returns() {
    for (begin, end) in [
        ("# BEGIN UFW AND DOCKER", "# END UFW AND DOCKER"),
        ("#BEGIN UFW AND DOCKER", "#END UFW AND DOCKER"),
        ("  #  begin  ufw and docker ", "\t## End Ufw And Docker ##"),
        ("# BEGIN UFW & DOCKER", "# END UFW-DOCKER"),
        ("# BEGIN UFW AND DOCKER\r", "# END UFW AND DOCKER\r"),
    ] {
        let block = format!("{begin}\n{TABLE}{end}\n");
        let file = format!("{STOCK}{block}{OWN}");
        assert_eq!(found(&file), [block.as_str()]);
    }
    let crlf = format!("{STOCK}{}{OWN}", marked(TABLE)).replace('\n', "\r\n");
    assert_eq!(found(&crlf), [marked(TABLE).replace('\n', "\r\n")]);
    let unended = format!("{STOCK}{}", marked(TABLE).trim_end());
    assert_eq!(found(&unended), [marked(TABLE).trim_end()]);
}

#[test]
fn a_table_for_docker_alone_is_a_block_without_its_marks() {
    for table in [
        TABLE.to_owned(),
        TABLE.replace('\n', "\r\n"),
        TABLE.replace("-A DOCKER", "[3:180] -A DOCKER"),
        TABLE.replace(":DOCKER-USER - [0:0]", "-N DOCKER-USER"),
        TABLE.replace(":ufw-user-forward", ":ufw-docker-logging-deny"),
        TABLE.replace("ufw-", "ufw6-"),
    ] {
        let file = format!("{STOCK}\n# my note\n{table}{OWN}");
        assert_eq!(found(&file), [table.as_str()]);
    }
    // One of its marks was lost.
    let half = format!("{TABLE}\n# END UFW AND DOCKER\n");
    assert_eq!(found(&format!("{STOCK}{half}{OWN}")), [half.as_str()]);
}

#[test]
fn every_block_is_found_marked_or_not() {
    let file = format!("{}{STOCK}{TABLE}{OWN}{}", marked(TABLE), marked(TABLE));
    assert_eq!(found(&file), [&marked(TABLE), TABLE, &marked(TABLE)]);
}

#[test]
fn a_block_that_never_ends_takes_nothing_with_it() {
    let begin = "# BEGIN UFW AND DOCKER\n";
    assert_eq!(
        refused(&format!("{STOCK}{begin}{TABLE}{OWN}")),
        "line 8 of F begins a block \"UFW AND DOCKER\" that never ends"
    );
    assert_eq!(
        refused(&format!("{begin}{TABLE}{OWN}{}", marked(TABLE))),
        "line 1 of F begins a block \"UFW AND DOCKER\" that has not ended where line 15 begins \
         another"
    );
    assert_eq!(
        refused(&format!("{STOCK}{}", TABLE.replace("COMMIT\n", ""))),
        "line 8 of F begins a table about Docker's chain that is never committed"
    );
    assert_eq!(
        refused(&format!("{}{OWN}", TABLE.replace("COMMIT\n", ""))),
        "line 1 of F begins a table about Docker's chain that is never committed"
    );
}

#[test]
fn marks_that_take_in_too_much_or_too_little_are_refused() {
    assert_eq!(
        refused(&marked(&format!("{STOCK}{TABLE}"))),
        "line 4 of F holds a rule or chain of ufw's own inside the block \"UFW AND DOCKER\" that \
         line 1 begins"
    );
    let early = marked(&TABLE.replace("COMMIT\n", ""));
    assert_eq!(
        refused(&format!("{early}COMMIT\n")),
        "line 10 of F ends the block \"UFW AND DOCKER\" before the table of line 2 is committed"
    );
    let inside = STOCK.replace("COMMIT\n", &format!("{}COMMIT\n", marked("")));
    assert_eq!(
        refused(&inside),
        "line 7 of F begins a block \"UFW AND DOCKER\" inside the table of line 2"
    );
}

#[test]
fn a_table_that_holds_other_rules_too_is_not_eaten() {
    let own = TABLE.replace(
        "COMMIT\n",
        "-A ufw-user-forward -s 10.8.0.0/24 -j ACCEPT\nCOMMIT\n",
    );
    assert_eq!(
        refused(&format!("{STOCK}{own}")),
        "line 16 of F is about chain ufw-user-forward, in the table of line 8 that is also about \
         DOCKER-USER"
    );
    let own = TABLE.replace("COMMIT\n", ":mine - [0:0]\nCOMMIT\n");
    assert!(refused(&own).starts_with("line 9 of F is about chain mine"));
    let ufws = STOCK.replace("COMMIT\n", "-A DOCKER-USER -j DROP\nCOMMIT\n");
    assert_eq!(
        refused(&ufws),
        "line 7 of F is about Docker's chain inside a table of ufw's own"
    );
    // Another table than filter has no such chain.
    assert!(found(&TABLE.replace("*filter", "*nat")).is_empty());
}
