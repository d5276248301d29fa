//! What a client says of itself later (RFC 7592).

use secrecy::SecretString;

use super::ClientMetadata;
use super::Fields;
use super::invalid;
use crate::error::OAuthError;

/// Members of an answer that RFC 7592 forbids in an update.
const OURS: [&str; 4] = [
    "client_id_issued_at",
    "client_secret_expires_at",
    "registration_access_token",
    "registration_client_uri",
];

/// What a client wants its registration to be from now on (RFC 7592, section 2.2).
#[derive(Debug)]
pub struct ClientUpdate {
    pub client_id: String,
    /// Its secret, if it shows it: there is no other way to say that it stays.
    pub client_secret: Option<SecretString>,
    pub metadata: ClientMetadata,
}

impl ClientUpdate {
    /// Reads the body of a request. It says all that the client is; what is left out has its default.
    pub fn read(content_type: Option<&[u8]>, body: &[u8]) -> Result<Self, OAuthError> {
        let mut fields = Fields::read(content_type, body)?;
        for ours in OURS {
            if fields.take(ours).is_some() {
                return Err(invalid(format!("{ours} is ours, and not sent back")));
            }
        }
        let client_id =
            fields.string("client_id")?.ok_or_else(|| invalid("client_id is missing"))?;
        let client_secret = fields.string("client_secret")?.map(SecretString::from);
        let metadata = fields.rfc_7591()?;
        Ok(Self { client_id, client_secret, metadata })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn an_update_says_all_that_a_client_is_and_nothing_that_is_ours() {
        let update = |body: &str| ClientUpdate::read(Some(b"application/json"), body.as_bytes());

        let read = update(
            r#"{"client_id": "shop", "client_name": "Shop", "client_secret": "ags_x", "x": 1}"#,
        );
        let read = read.unwrap();
        assert_eq!(
            (read.client_id.as_str(), read.metadata.client_name.as_deref()),
            ("shop", Some("Shop"))
        );
        assert_eq!(read.metadata.scope, None);
        for wrong in [
            "{}",
            r#"{"client_id": "shop", "registration_access_token": "agg_x"}"#,
            r#"{"client_id": "shop", "client_secret_expires_at": 0}"#,
            r#"{"client_id": ["shop"]}"#,
        ] {
            assert_eq!(
                update(wrong).unwrap_err().code(),
                ErrorCode::InvalidClientMetadata,
                "{wrong}"
            );
        }
    }
}
