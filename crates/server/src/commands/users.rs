//! `agent-server users`: people who may sign in.

use std::io;

use auth::scope::Scopes;
use auth::token::OpaqueToken;
use auth::token::TokenKind;
use clap::Args;
use clap::Subcommand;
use secrecy::SecretString;

use crate::app::Clock;
use crate::app::Ids;
use crate::audit;
use crate::audit::Origin;
use crate::code::sealer;
use crate::commands::Failure;
use crate::commands::terminal;
use crate::config::Config;
use crate::config::Environment;
use crate::db::Db;
use crate::db::TenantId;
use crate::db::migrate::check_head;
use crate::oauth::Actor;
use crate::oauth::NewUser;
use crate::oauth::People;
use crate::oauth::User;
use crate::oauth::UserError;

pub const HELP: &str = "\
People sign in at /sign-in. Roles, each with all that the next one may do: owner, admin, editor,
operator, viewer. Without --stdin a password is made and shown once. Running servers notice within half
a second. The management client of the settings may sign in, too, with its id and secret.

Examples:
  agent-server users create maria --role owner
  agent-server users create jonas --role operator --name 'Jonas Berg' --stdin < password
  agent-server users passwd maria
  agent-server users list";

/// Who the log and the list say it was.
const BY: &str = "system:users";

#[derive(Debug, Args)]
pub struct UsersArgs {
    #[command(subcommand)]
    command: UsersCommand,
}

#[derive(Debug, Subcommand)]
enum UsersCommand {
    /// Make a user
    Create {
        #[arg(value_name = "USERNAME")]
        username: String,
        /// owner, admin, editor, operator or viewer
        #[arg(long, default_value = "operator")]
        role: String,
        /// A name for people
        #[arg(long, default_value = "")]
        name: String,
        /// Scopes of your own beside those of the role, with spaces between
        #[arg(long, default_value = "")]
        scope: String,
        /// Read the password from standard input, one line
        #[arg(long)]
        stdin: bool,
    },
    /// Give a user another password, which signs him out everywhere
    Passwd {
        #[arg(value_name = "USERNAME")]
        username: String,
        /// Read the password from standard input, one line
        #[arg(long)]
        stdin: bool,
    },
    /// Show all users
    List,
}

pub async fn run(args: &UsersArgs, env: &Environment) -> Result<(), Failure> {
    let config = Config::load(|name| env.get(name))?;
    let db = Db::open(&config.database).await?;
    check_head(&db).await?;
    let (key, _) = sealer(&config.identity)?;
    let people = People::new(db.clone(), &key);
    let (tenant, scopes) = (TenantId::default(), Scopes::all_types());
    let origin = Origin::default();
    let who = audit::Actor { tenant: &tenant, subject: BY, client_id: None, origin: &origin };
    let by = Actor { who, scopes: &scopes };
    let now = Clock::System.now();
    match &args.command {
        UsersCommand::Create { username, role, name, scope, stdin } => {
            let (password, made) = password(*stdin)?;
            let new = NewUser {
                username: username.clone(),
                display_name: name.clone(),
                role: role.clone(),
                scope: scope.clone(),
                password: Some(password),
            };
            let user = people.create_user(by, new, (Ids::Random.next(), now)).await;
            show(&user.map_err(said)?);
            tell(made);
        }
        UsersCommand::Passwd { username, stdin } => {
            let user = people.find_by_name(username).await?;
            let user = user.ok_or_else(|| format!("no user is named `{username}`"))?;
            let by = Actor { who: audit::Actor { tenant: &user.tenant, ..who }, ..by };
            let (password, made) = password(*stdin)?;
            people.set_password(by, user.id, password, now).await.map_err(said)?;
            show(&user);
            tell(made);
        }
        UsersCommand::List => people.list_all().await?.iter().for_each(show),
    }
    db.close().await;
    Ok(())
}

/// The password that was given, or one that was made, with its text.
fn password(is_given: bool) -> Result<(SecretString, Option<String>), Failure> {
    if is_given {
        let mut line = String::new();
        io::stdin().read_line(&mut line)?;
        return Ok((line.trim_end_matches(['\r', '\n']).into(), None));
    }
    let random = OpaqueToken::generate(TokenKind::Session)?;
    let text: String =
        random.expose().chars().skip(TokenKind::Session.prefix().len()).take(20).collect();
    Ok((text.clone().into(), Some(text)))
}

/// A refusal with all that is wrong.
fn said(error: UserError) -> Failure {
    match error {
        UserError::Invalid(faults) => {
            let details: Vec<_> = faults.into_iter().map(|fault| fault.detail).collect();
            details.join("; ").into()
        }
        error => error.into(),
    }
}

fn tell(made: Option<String>) {
    if let Some(password) = made {
        terminal::line(format!("password  {password}"));
        terminal::aside("it is shown this once");
    }
}

/// One line of a user.
fn show(user: &User) {
    let role = user.role.map_or("unknown", |role| role.as_str());
    let state = if user.is_active { "" } else { "  inactive" };
    let User { username, display_name, .. } = user;
    terminal::line(format!("{role:<8}  {username}  {display_name}{state}").trim_end());
}
