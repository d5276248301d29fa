//! Clients of the original, with their secrets hashed on the way.

use auth::scope::MAX_SCOPES;
use auth::scope::Scope;
use secrecy::SecretString;
use serde_json::Value;

use super::BY;
use super::original::Original;
use super::original::Row;
use super::original::has;
use super::original::text;
use super::original::texts;
use super::report::Fate;
use super::report::Report;
use super::scopes;
use crate::app::App;
use crate::audit::Actor;
use crate::audit::Origin;
use crate::commands::Failure;
use crate::db::Conn;
use crate::db::TenantId;
use crate::oauth::OAuthFailure;
use crate::oauth::TakenOver;
use crate::oauth::take_over;
use crate::oauth::tenant_of;

/// The clients that are to be here; of the others it says why they are not.
pub async fn to_take_over(
    app: &App,
    original: &Original,
    report: &mut Report,
) -> Result<Vec<TakenOver>, Failure> {
    let own = TenantId::default();
    let mut taken = Vec::new();
    for row in original.rows("client_registrations") {
        let client_id = text(row, "client_id");
        let here = app.db.read(async |conn| tenant_of(conn, client_id).await).await?;
        if let Some(other) = here.as_ref().filter(|it| **it != own) {
            let why = format!("the tenant `{other}` has a client of this id");
            report.leave_out("client", client_id, why);
            continue;
        }
        if here.is_some() || client_id == app.config.identity.management.id {
            report.fate("client", client_id, Fate::Kept);
            continue;
        }
        let is_plain = client_id.chars().all(|it| it.is_ascii_graphic());
        if client_id.is_empty() || client_id.len() > 255 || !is_plain {
            report.leave_out("client", client_id, "an id has 1 to 255 visible characters of ASCII");
            continue;
        }
        report.fate("client", client_id, Fate::Taken);
        taken.push(client(original, row, report));
    }
    Ok(taken)
}

/// Writes them as a part of a transaction.
pub async fn insert(tx: &mut Conn<'_>, app: &App, taken: &[TakenOver]) -> Result<(), OAuthFailure> {
    let (tenant, origin) = (TenantId::default(), Origin::default());
    let by = Actor { tenant: &tenant, subject: BY, client_id: None, origin: &origin };
    let now = app.clock.now();
    for client in taken {
        take_over(tx, client, by, (app.ids.next(), now)).await?;
    }
    Ok(())
}

fn client(original: &Original, row: &Row, report: &mut Report) -> TakenOver {
    let client_id = text(row, "client_id");
    let secret = text(row, "client_secret");
    if secret.is_empty() {
        report.note(
            "client",
            client_id,
            "it had no secret; give it one with `POST /oauth/clients/{id}/secret`",
        );
    }
    if has(row, "public_key") {
        report.note(
            "client",
            client_id,
            "its public key, which the original did not use, is not taken over",
        );
    }
    let mut asked = texts(row, "scopes");
    for permission in original.rows("application_client_permissions") {
        if permission.get("client_id").and_then(Value::as_str) == Some(client_id) {
            let more = texts(permission, "component_scopes");
            if !more.is_empty() {
                report.note(
                    "client",
                    client_id,
                    format!("an application let it do, too: {}", more.join(" ")),
                );
            }
            asked.extend(more);
        }
    }
    let scopes: Vec<_> = asked.iter().filter_map(|it| scope(it, client_id, report)).collect();
    if scopes.len() > MAX_SCOPES {
        report.note("client", client_id, format!("only its first {MAX_SCOPES} scopes"));
    }
    let name = text(row, "name");
    TakenOver {
        client_id: client_id.to_owned(),
        name: if name.is_empty() { client_id } else { name }.to_owned(),
        secret: Some(SecretString::from(secret)).filter(|_| !secret.is_empty()),
        scope: scopes.into_iter().take(MAX_SCOPES).collect(),
    }
}

/// A scope as it is called here; nothing that the original did not allow.
fn scope(asked: &str, client_id: &str, report: &mut Report) -> Option<Scope> {
    let known = scopes::known(asked, "client", client_id, report);
    if known.is_none() {
        let note = format!("without the scope `{asked}`, which means nothing here");
        report.note("client", client_id, note);
    }
    known
}
