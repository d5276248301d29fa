//! Writes the table of settings down for readers.

use std::fmt::Write;

use crate::config::table::GROUPS;
use crate::config::table::Kind;

/// The text of `docs/CONFIGURATION.md`.
pub fn configuration_md() -> String {
    let mut text = String::from(INTRODUCTION);
    for group in GROUPS {
        let _ = write!(
            text,
            "\n## {}\n\n| setting | default | meaning |\n|---|---|---|\n",
            group.title
        );
        for setting in group.settings {
            let default = match setting.default {
                "" => String::new(),
                words if words.contains(' ') => words.to_owned(),
                value => format!("`{value}`"),
            };
            let mark = if setting.kind == Kind::Secret { " 🔒" } else { "" };
            let meaning = setting.meaning.replace('|', "\\|");
            let _ = writeln!(text, "| `{}`{mark} | {default} | {meaning} |", setting.name);
        }
    }
    text
}

const INTRODUCTION: &str = "\
# Settings

<!-- Made from crates/server/src/config/table.rs by `make api`; do not edit. -->

Settings are environment variables. A file `.env` in the working directory is read too; the environment
wins over it. An empty value is as good as none. 🔒 marks values that are never shown or logged.

`agent-server doctor` says what is wrong with them and how to mend it.
";

/// The text of `.env.example`.
pub fn env_example() -> String {
    let mut text = String::from(
        "# Copy to .env and fill in what you need; `agent-server setup-auth` makes the keys.\n\
         # Made from crates/server/src/config/table.rs by `make api`; do not edit.\n",
    );
    for group in GROUPS {
        let _ = write!(text, "\n# --- {} ---\n", group.title);
        for setting in group.settings {
            let is_value = !setting.default.contains([' ', '<']);
            let default = if is_value { setting.default } else { "" };
            let _ = write!(text, "\n# {}\n# {}={default}\n", setting.meaning, setting.name);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect_file;

    use super::*;

    #[test]
    fn generated_documents_are_those_of_the_table() {
        expect_file!["../../../../docs/CONFIGURATION.md"].assert_eq(&configuration_md());
        expect_file!["../../../../.env.example"].assert_eq(&env_example());
    }
}
