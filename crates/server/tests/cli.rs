//! The program as a shell sees it: what it prints, and how it ends.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;
use std::process::Command;
use std::process::Output;

use tempfile::TempDir;

/// What `setup-auth` would have made; the signing key is the example of RFC 8037.
const KEYS: [(&str, &str); 3] = [
    ("MANAGEMENT_CLIENT_SECRET", "ags_0123456789012345678901234567"),
    (
        "TOKEN_SERVICE_PRIVATE_KEY",
        r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    ),
    ("AGENT_SERVER_ENCRYPTION_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
];

#[test]
fn help_is_there_for_the_program_and_each_command() {
    let folder = folder();
    let help = run(folder.path(), &["--help"], &[]);
    assert_eq!(help.status.code(), Some(0));
    let text = out(&help);
    assert!(text.contains("Examples:"), "{text}");

    let commands = text.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<_> = commands.map_while(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"serve"), "{commands:?}");
    for command in commands.into_iter().filter(|command| *command != "help") {
        let help = run(folder.path(), &[command, "--help"], &[]);
        assert_eq!(help.status.code(), Some(0), "{command}");
        assert!(out(&help).contains("Examples:"), "{command} shows no example");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let version = run(folder().path(), &["--version"], &[]);

    assert_eq!(out(&version), concat!("agent-server ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn the_program_is_its_own_worker() {
    let folder = folder();
    assert!(!out(&run(folder.path(), &["--help"], &[])).contains("worker"));

    // With nobody to work for, it greets and ends. It needs no setting, and has not read any.
    let wrong = [("PORT", "hunter2")];
    let worker = run(folder.path(), &["worker"], &wrong);
    assert_eq!(worker.status.code(), Some(0), "{}", err(&worker));
    assert!(!worker.stdout.is_empty());
}

#[test]
fn a_misspelt_command_ends_with_2() {
    let folder = folder();
    for arguments in [&["srve"][..], &["serve", "--prot"], &[]] {
        let output = run(folder.path(), arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(err(&output).contains("Usage:"), "{arguments:?}");
    }
}

#[test]
fn wrong_settings_end_with_1_and_are_named_without_their_values() {
    let mut settings = KEYS.to_vec();
    settings.extend([("PORT", "hunter2"), ("DATABASE_URL", "postgresql://u:hunter2@x@db/a")]);

    let output = run(folder().path(), &["serve"], &settings);

    assert_eq!(output.status.code(), Some(1));
    let text = err(&output);
    assert!(text.contains("PORT: it must be a whole number"), "{text}");
    assert!(text.contains("DATABASE_URL: "), "{text}");
    assert!(!text.contains("hunter2") && !out(&output).contains("hunter2"));
}

#[test]
fn a_file_beside_it_is_read_and_the_environment_wins_over_it() {
    let folder = folder();
    std::fs::write(folder.path().join(".env"), "PORT=wrong\nLOG_FORMAT=wrong\n").unwrap();

    let text = err(&run(folder.path(), &["serve"], &[("PORT", "3001")]));

    assert!(text.contains("LOG_FORMAT: ") && !text.contains("PORT: "), "{text}");
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_its_line() {
    let folder = folder();
    std::fs::write(folder.path().join(".env"), "PORT=3000\nhunter2\n").unwrap();

    let text = err(&run(folder.path(), &["serve"], &[]));

    assert!(text.contains(".env: line 2"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_database_that_is_not_there_stops_the_start_with_the_way_out() {
    let output = run(folder().path(), &["serve"], &KEYS);

    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("agent-server migrate up"), "{}", err(&output));
}

#[test]
fn keys_are_made_once_and_replaced_only_by_force() {
    let folder = folder();
    let setup = |arguments: &[&str]| run(folder.path(), arguments, &[]);
    let file = || std::fs::read_to_string(folder.path().join(".env")).unwrap();

    let made = setup(&["setup-auth"]);
    assert_eq!(made.status.code(), Some(0), "{}", err(&made));
    assert_eq!(out(&made), file());
    assert_eq!(err(&made), "written to .env, which only you can read\n");

    let refused = setup(&["setup-auth"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains("--force"), "{}", err(&refused));
    assert_eq!((out(&refused), out(&made)), (String::new(), file()));

    let replaced = setup(&["setup-auth", "--force"]);
    assert_eq!(replaced.status.code(), Some(0), "{}", err(&replaced));
    assert_ne!(out(&replaced), out(&made));
}

#[test]
fn secrets_are_sealed_anew_by_command() {
    let folder = folder();
    let unmigrated = run(folder.path(), &["secrets", "reseal"], &KEYS);
    let migrated = run(folder.path(), &["migrate", "up"], &KEYS);
    let done = run(folder.path(), &["secrets", "reseal"], &KEYS);

    assert_eq!((unmigrated.status.code(), migrated.status.code()), (Some(1), Some(0)));
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    assert_eq!(out(&done), "0 sealed with the current key, 0 were already\n");
}

#[test]
fn keys_are_managed_from_the_command_line() {
    let folder = folder();
    let first = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
    let agent_server = |arguments: &[&str]| run(folder.path(), arguments, &KEYS);
    let without = |arguments: &[&str]| {
        let settings: Vec<_> =
            KEYS.into_iter().filter(|(name, _)| !name.contains("PRIVATE")).collect();
        run(folder.path(), arguments, &settings)
    };
    assert_eq!(agent_server(&["migrate", "up"]).status.code(), Some(0));
    let refused = without(&["serve"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains("no key can sign"), "{}", err(&refused));

    assert_eq!(out(&agent_server(&["keys", "list"])), format!("active      settings  {first}\n"));
    let moved = agent_server(&["keys", "import"]);
    assert_eq!(out(&moved), format!("active      database  {first}\n"), "{}", err(&moved));
    let made = out(&without(&["keys", "rotate"]));
    assert!(made.starts_with("pending     database  ") && made.contains("  signs from "), "{made}");
    let again = without(&["keys", "rotate"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(err(&again).contains("is published already"), "{}", err(&again));
    let refused = without(&["keys", "retire", first]);
    assert!(err(&refused).contains("signs now"), "{}", err(&refused));
    let made = without(&["keys", "rotate", "--now"]);
    assert!(out(&made).starts_with("active "), "{}", err(&made));
    assert_eq!(out(&without(&["keys", "retire", first])), format!("withdrew {first}\n"));
    let listed = out(&without(&["keys", "list"]));
    let states: Vec<_> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(states, ["withdrawn", "active", "pending"], "{listed}");
    let trail = without(&["audit", "verify"]);
    assert!(
        out(&trail).starts_with("default: 4 entries, the last with the hash "),
        "{}",
        out(&trail)
    );
    assert_eq!(trail.status.code(), Some(0), "{}", err(&trail));
}

#[test]
fn users_are_managed_from_the_command_line() {
    let folder = folder();
    let agent_server = |arguments: &[&str]| run(folder.path(), arguments, &KEYS);
    assert_eq!(agent_server(&["migrate", "up"]).status.code(), Some(0));

    let name = ["--name", "Maria Koski"];
    let made =
        agent_server(&[&["users", "create", "Maria", "--role", "owner"][..], &name].concat());
    let (shown, password) =
        out(&made).split_once('\n').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert_eq!(shown, "owner     maria  Maria Koski", "{}", err(&made));
    assert!(password.starts_with("password  ") && password.trim_end().len() == 30, "{password}");
    let again = agent_server(&["users", "passwd", "maria"]);
    assert!(out(&again).contains("password  ") && !out(&again).contains(password.trim_end()));
    for (arguments, said) in [
        (&["users", "create", "maria"][..], "a user named `maria` already exists"),
        (&["users", "create", "jonas", "--role", "root"], "the roles are owner, admin"),
        (&["users", "create", "jonas", "--stdin"], "a password has at least 12 characters"),
        (&["users", "passwd", "nobody"], "no user is named `nobody`"),
    ] {
        let refused = agent_server(arguments);
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
        assert!(err(&refused).contains(said), "{}", err(&refused));
    }
    assert_eq!(out(&agent_server(&["users", "list"])), "owner     maria  Maria Koski\n");
}

#[test]
fn the_doctor_says_all_that_must_be_mended_and_ends_with_1() {
    let mut settings = KEYS.to_vec();
    settings.extend([
        ("TOKEN_SERVICE_PRIVATE_KEY", r#"{"kty":"RSA","d":"hunter2"}"#),
        ("AGENT_SERVER_DEFAULT_MODEL", "nobody/model"),
        // Nothing listens on the discard port.
        ("OPENAI_BASE_URL", "http://127.0.0.1:9/v1"),
        ("OPENAI_API_KEY", "hunter2"),
    ]);

    let output = run(folder().path(), &["doctor"], &settings);

    assert_eq!(output.status.code(), Some(1));
    let text = out(&output);
    for line in [
        "ok   settings: for development, known as http://localhost:3000",
        "FAIL keys: TOKEN_SERVICE_PRIVATE_KEY: ",
        "note models of anthropic: none without ANTHROPIC_API_KEY",
        "note models of google: none without GOOGLE_API_KEY",
        "FAIL models of openai: the provider cannot be reached; check OPENAI_BASE_URL",
        "FAIL AGENT_SERVER_DEFAULT_MODEL: ",
        "FAIL database: ",
    ] {
        assert!(text.contains(line), "`{line}` is not in\n{text}");
    }
    assert!(!text.contains("hunter2") && !err(&output).contains("hunter2"), "{text}");
}

#[test]
fn the_doctor_names_settings_that_are_not_there() {
    let output = run(folder().path(), &["doctor"], &[]);

    assert_eq!(output.status.code(), Some(1));
    let text = out(&output);
    // The signing key may be in the database.
    for (name, _) in KEYS.into_iter().filter(|(name, _)| *name != "TOKEN_SERVICE_PRIVATE_KEY") {
        assert!(text.contains(&format!("FAIL {name}: it is not set")), "{text}");
    }
}

#[test]
fn what_is_no_terminal_gets_no_colour() {
    let folder = folder();
    for arguments in [&["--help"][..], &["serve"], &["nope"]] {
        let output = run(folder.path(), arguments, &[]);
        assert!(!out(&output).contains('\x1b') && !err(&output).contains('\x1b'), "{arguments:?}");
    }
}

/// Runs the program in `folder`, with these settings and no others.
fn run(folder: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_agent-server"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(settings.iter().copied())
        .output()
        .unwrap()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
