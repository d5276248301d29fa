//! Programs that speak MCP on their standard streams: the file that names them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;

use crate::config::Env;
use crate::config::reader::Reader;

const SETTING: &str = "MCP_SERVERS_FILE";
/// What of our own environment each of them gets: without it few programs are found, and few find their files.
const INHERITED: [&str; 2] = ["PATH", "HOME"];

/// A program, as the file describes it.
#[derive(Debug, Clone)]
pub struct Program {
    pub name: String,
    pub command: String,
    pub args: Vec<String>,
    /// All of its environment.
    pub env: BTreeMap<String, Variable>,
    /// `None`: where the server is.
    pub cwd: Option<PathBuf>,
    /// What its definition says beside its name, as a body of the API would.
    pub members: Map<String, Value>,
}

/// What a variable of its environment holds.
#[derive(Debug, Clone)]
pub enum Variable {
    Value(SecretString),
    /// The value of the secret of this name.
    Secret(String),
}

/// What other programs that start servers read, too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "mcpServers")]
    servers: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default, rename = "type")]
    _type: Stdio,
    command: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, Given>,
    cwd: Option<PathBuf>,
    #[serde(default)]
    disabled: bool,
    display_name: Option<Value>,
    description: Option<Value>,
    allow: Option<Value>,
    timeout_ms: Option<Value>,
    max_result_bytes: Option<Value>,
    scopes: Option<Value>,
    metadata: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stdio {
    #[default]
    Stdio,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Given {
    Text(String),
    Secret { secret: String },
    Env { env: String },
}

/// Reads the file, if one is named.
pub fn programs<E: Env>(from: &mut Reader<E>) -> Vec<Program> {
    let Some(path) = from.given(SETTING) else { return Vec::new() };
    let entries = match read(&path) {
        Ok(entries) => entries,
        Err(fault) => {
            from.fault(SETTING, fault);
            return Vec::new();
        }
    };
    let mut programs: Vec<Program> = Vec::new();
    for (name, entry) in entries.into_iter().filter(|(_, entry)| !entry.disabled) {
        if programs.iter().any(|it| it.name.eq_ignore_ascii_case(&name)) {
            from.fault(SETTING, format!("`{name}` is there twice"));
        }
        programs.push(program(from, name, entry));
    }
    programs
}

fn read(path: &str) -> Result<BTreeMap<String, Entry>, String> {
    let text = std::fs::read_to_string(path).map_err(|why| format!("it cannot be read: {why}"))?;
    let file: File = serde_json::from_str(&text).map_err(|why| {
        format!("it must be {{\"mcpServers\": {{\"<name>\": {{\"command\": …}}}}}}: {why}")
    })?;
    Ok(file.servers)
}

fn program<E: Env>(from: &mut Reader<E>, name: String, entry: Entry) -> Program {
    let inherited = INHERITED
        .into_iter()
        .filter_map(|it| Some((it.to_owned(), Variable::Value(from.given(it)?.into()))));
    let mut env: BTreeMap<_, _> = inherited.collect();
    for (variable, given) in entry.env {
        let value = match given {
            Given::Text(text) => Variable::Value(text.into()),
            Given::Secret { secret } => Variable::Secret(secret),
            Given::Env { env } => {
                let value = from.secret(&env);
                if value.is_none() {
                    let fault =
                        format!("`{name}` wants `{env}` of the environment, which is not set");
                    from.fault(SETTING, fault);
                }
                Variable::Value(value.unwrap_or_default())
            }
        };
        env.insert(variable, value);
    }
    let members = [
        ("display_name", entry.display_name),
        ("description", entry.description),
        ("allow", entry.allow),
        ("timeout_ms", entry.timeout_ms),
        ("max_result_bytes", entry.max_result_bytes),
        ("scopes", entry.scopes),
        ("metadata", entry.metadata),
    ];
    let members = members.into_iter().filter_map(|(it, value)| Some((it.to_owned(), value?)));
    let (command, args, cwd) = (entry.command, entry.args, entry.cwd);
    Program { name, command, args, env, cwd, members: members.collect() }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    /// What is read of a file that says `text`, and the faults.
    fn load(text: &str) -> (Vec<Program>, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("servers.json");
        std::fs::write(&path, text).unwrap();
        let path = path.display().to_string();
        let mut from = Reader::new(move |name: &str| match name {
            SETTING => Some(path.clone()),
            "PATH" => Some("/bin".to_owned()),
            "TOKEN" => Some("of-ours".to_owned()),
            _ => None,
        });
        let programs = programs(&mut from);
        (programs, from.finish(()).err().map(|it| it.to_string()).unwrap_or_default())
    }

    #[test]
    fn a_program_gets_what_the_file_gives_it_and_little_else() {
        let (programs, faults) = load(
            r#"{"mcpServers": {"files": {"type": "stdio", "command": "npx", "args": ["-y", "x"], "timeout_ms": 5000,
                "env": {"MODE": "fast", "KEY": {"secret": "key"}, "TOKEN": {"env": "TOKEN"}}},
                "off": {"command": "no", "disabled": true}}}"#,
        );

        assert_eq!(faults, "");
        let [files] = &programs[..] else { panic!("{programs:?}") };
        assert_eq!((files.name.as_str(), files.command.as_str()), ("files", "npx"));
        assert_eq!(files.members, Map::from_iter([("timeout_ms".to_owned(), 5000.into())]));
        let env: Vec<_> = files
            .env
            .iter()
            .map(|(name, value)| match value {
                Variable::Value(value) => format!("{name}={}", value.expose_secret()),
                Variable::Secret(secret) => format!("{name}: {secret}"),
            })
            .collect();
        assert_eq!(env, ["KEY: key", "MODE=fast", "PATH=/bin", "TOKEN=of-ours"]);
    }

    #[test]
    fn what_is_wrong_with_the_file_is_said() {
        for (text, said) in [
            ("{", "EOF while parsing"),
            (r#"{"servers": {}}"#, "unknown field `servers`"),
            (r#"{"mcpServers": {"a": {"url": "https://example.com"}}}"#, "unknown field `url`"),
            (
                r#"{"mcpServers": {"a": {"type": "http", "command": "x"}}}"#,
                "unknown variant `http`",
            ),
            (
                r#"{"mcpServers": {"a": {"command": "x"}, "A": {"command": "x"}}}"#,
                "`a` is there twice",
            ),
            (
                r#"{"mcpServers": {"a": {"command": "x", "env": {"B": {"env": "C"}}}}}"#,
                "`a` wants `C`",
            ),
        ] {
            let (_, faults) = load(text);
            assert!(faults.contains(said), "{text}: {faults}");
        }
    }
}
