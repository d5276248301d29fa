//! Rows of clients as they are, whoever wrote them.

use auth::client_keys::ClientKeys;
use auth::registration::AuthMethod;
use auth::registration::GrantType;
use auth::registration::KeySource;
use auth::scope::Scope;
use auth::scope::Scopes;
use auth::token::Digest;
use sqlx::FromRow;

use crate::db::At;
use crate::db::Id;
use crate::db::Json;
use crate::db::Readable;
use crate::db::TenantId;
use crate::http::Invalid;
use crate::oauth::Registration;
use crate::oauth::UNREADABLE;

/// A row as it is, whoever wrote it.
#[derive(FromRow)]
pub struct Row {
    id: Readable<Id>,
    tenant_id: TenantId,
    client_id: String,
    name: String,
    secret_sha256: Option<String>,
    previous_secret_sha256: Option<String>,
    previous_expires_at: Readable<Option<At>>,
    jwks: Option<Json>,
    jwks_uri: Option<String>,
    scopes: Json,
    grant_types: Json,
    token_endpoint_auth_method: String,
    redirect_uris: Json,
    may_act: Json,
    is_active: bool,
    registered_by: Option<String>,
    last_used_at: Readable<Option<At>>,
    created_at: Readable<At>,
    updated_at: Readable<At>,
}

impl From<Row> for Registration {
    /// Reads a row, which may have been written by hand or by a later version: what is not
    /// understood gives no right.
    fn from(row: Row) -> Self {
        let mut not = NotUnderstood::default();
        let scope: Vec<Scope> = not.list("/scope", &row.scopes, |text| text.parse().ok());
        let method = AuthMethod::parse(&row.token_endpoint_auth_method);
        not.word("/token_endpoint_auth_method", &row.token_endpoint_auth_method, method.is_some());
        let secret = not.digest("/secret_sha256", row.secret_sha256.as_deref());
        let previous = not.digest("/previous_secret_sha256", row.previous_secret_sha256.as_deref());
        let until = not.column("/previous_expires_at", row.previous_expires_at).flatten();
        Self {
            id: not.column("/id", row.id),
            tenant: row.tenant_id,
            client_id: row.client_id,
            client_name: row.name,
            grant_types: not.list("/grant_types", &row.grant_types, GrantType::parse),
            token_endpoint_auth_method: method,
            scope: Scopes::from_iter(scope),
            redirect_uris: not.list("/redirect_uris", &row.redirect_uris, |it| Some(it.to_owned())),
            may_act: not.list("/may_act", &row.may_act, |it| Some(it.to_owned())),
            is_active: row.is_active,
            registered_by: row.registered_by,
            last_used_at: not.column("/last_used_at", row.last_used_at).flatten(),
            created_at: not.column("/created_at", row.created_at),
            updated_at: not.column("/updated_at", row.updated_at),
            secret,
            previous: previous.zip(until),
            keys: not.keys(row.jwks, row.jwks_uri),
            token: None,
            problems: not.0,
        }
    }
}

/// What of a row is not understood.
#[derive(Default)]
struct NotUnderstood(Vec<Invalid>);

impl NotUnderstood {
    /// The items of a list of texts that `parse` understands.
    fn list<T>(&mut self, at: &str, list: &Json, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let Ok(texts) = list.read::<Vec<String>>() else {
            self.0.push(Invalid::new(at, "wrong_type", "it must be a list of texts"));
            return Vec::new();
        };
        let mut understood = Vec::with_capacity(texts.len());
        for text in &texts {
            let parsed = parse(text);
            self.word(at, text, parsed.is_some());
            understood.extend(parsed);
        }
        understood
    }

    /// A SHA-256.
    fn digest(&mut self, at: &str, text: Option<&str>) -> Option<Digest> {
        let digest = text.map(Digest::from_hex);
        if matches!(digest, Some(None)) {
            let detail = "it must be the SHA-256 of the secret, in 64 hexadecimal digits";
            self.0.push(Invalid::new(at, "not_understood", detail));
        }
        digest.flatten()
    }

    fn keys(&mut self, inline: Option<Json>, uri: Option<String>) -> Option<KeySource> {
        let Some(inline) = inline else { return uri.map(KeySource::Uri) };
        match ClientKeys::parse(inline.as_str().as_bytes()) {
            Ok(_) => Some(KeySource::Inline(inline.as_str().to_owned())),
            Err(error) => {
                self.0.push(Invalid::new("/jwks", "not_understood", error.to_string()));
                None
            }
        }
    }

    fn word(&mut self, at: &str, word: &str, is_understood: bool) {
        if !is_understood {
            let word: String = word.chars().take(100).collect();
            let detail = format!("`{word}` is not known, and gives no right");
            self.0.push(Invalid::new(at, "not_understood", detail));
        }
    }

    /// The value of a column that may hold what is none.
    fn column<T>(&mut self, at: &str, column: Readable<T>) -> Option<T> {
        let read = column.0;
        read.map_err(|why| {
            let why: String = why.chars().take(100).collect();
            self.0.push(Invalid::new(at, UNREADABLE, why));
        })
        .ok()
    }
}
