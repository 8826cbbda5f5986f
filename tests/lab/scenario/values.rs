//! Values arrive in the container byte for byte, whatever is in them.

use std::collections::BTreeMap;

use toml::Table;

use crate::program::text;
use crate::servers::{APPS, console, converged, run_with};
use crate::site::{Variant, at};

/// Everything that a shell, Compose, an env file or YAML would read as something else.
const VALUES: [(&str, &str); 16] = [
    ("LAB_QUOTES", r#"a "double" and a 'single' one"#),
    ("LAB_ONLY_QUOTED", r#""whole""#),
    ("LAB_SINGLE_QUOTED", "'whole'"),
    ("LAB_DOLLAR", "$HOME ${HOME} $$ $(id) ${X:-y} $"),
    ("LAB_BACKTICKS", "`id` ``"),
    ("LAB_PERCENT", "100% %s %n %%"),
    ("LAB_NEWLINES", "one\ntwo\n\nfour\n"),
    ("LAB_CARRIAGE", "one\r\ntwo\r"),
    ("LAB_TAB", "\ta\tb\t"),
    ("LAB_BACKSLASH", r"C:\new\table \\ \n end\"),
    ("LAB_HASH", "# not a comment # nor this"),
    ("LAB_UNICODE", "žluťoučký 𝄞 \u{a0}\u{2028}é"),
    ("LAB_SPACES", "  before and after  "),
    ("LAB_EMPTY", ""),
    ("LAB_YAML", "- {a: b} & *c !d | > @e"),
    ("LAB_EQUALS", "a=b;c=d&&e||f<g>h*?[i]~"),
];

pub fn byte_for_byte() {
    converged();
    let variant = Variant::new(|site| {
        let app = at(site, &["app"]);
        let env = app.entry("env").or_insert_with(|| Table::new().into());
        for (name, value) in VALUES {
            env.as_table_mut()
                .unwrap()
                .insert(name.into(), value.into());
        }
    });
    run_with(&variant.file()).proven();
    for host in APPS {
        // What the kernel gave to gunicorn, not what some tool makes of it.
        let script = "docker exec polls-app python -c 'import json, os; \
                      print(json.dumps(dict(os.environ)))'";
        let env: serde_json::Value = serde_json::from_str(&console(host, script)).unwrap();
        let seen: BTreeMap<&str, String> = VALUES
            .iter()
            .map(|(name, _)| (*name, env.get(name).map_or("missing".into(), text)))
            .collect();
        let wanted: BTreeMap<&str, String> = VALUES
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        assert_eq!(seen, wanted, "on {host}");
    }
    // With them in place, a second run has nothing to do.
    let again = run_with(&variant.file());
    assert_eq!(again.summary()["changed"], 0, "{again}");
    // And without them they go.
    converged();
    let left = console("app1", "docker exec polls-app env | grep -c ^LAB_ || :");
    assert_eq!(left.trim(), "0");
}
