//! JWTs that others signed: what client assertions and ID tokens have in common.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde::de::IgnoredAny;

use crate::client_keys::Algorithm;
use crate::client_keys::ClientKeys;
use crate::jose::MAX_TOKEN;
use crate::json;
use crate::jwk::MAX_KID;

/// A JWT cut into its parts, whose signature nobody has checked yet.
#[derive(Clone)]
pub(crate) struct Foreign<C> {
    pub claims: C,
    alg: String,
    kid: Option<String>,
    /// What the signature is of.
    message: String,
    signature: Vec<u8>,
}

/// For whom it is.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Members that would bring a key of their own are not read; `crit` is refused, for we know no extension.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<IgnoredAny>,
}

impl<C: DeserializeOwned> Foreign<C> {
    /// Reads one whose `typ` is absent or, in any case, one of `types`.
    pub fn parse(text: &str, types: &[&str]) -> Option<Self> {
        if text.len() > MAX_TOKEN {
            return None;
        }
        let decode = |part| URL_SAFE_NO_PAD.decode(part).ok();
        let (message, signature) = text.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let header: Header = json::object(&decode(header)?).ok()?;
        let is_of_type = |typ: &String| types.iter().any(|wanted| typ.eq_ignore_ascii_case(wanted));
        let kid_fits = header.kid.as_ref().is_none_or(|kid| kid.len() <= MAX_KID);
        if !header.typ.as_ref().is_none_or(is_of_type) || !kid_fits || header.crit.is_some() {
            return None;
        }
        Some(Self {
            claims: json::object(&decode(claims)?).ok()?,
            alg: header.alg,
            kid: header.kid,
            message: message.to_owned(),
            signature: decode(signature)?,
        })
    }

    /// Whether one of `keys` has signed it, with the algorithm of that key.
    pub fn is_signed_by(&self, keys: &ClientKeys) -> bool {
        Algorithm::parse(&self.alg).is_some_and(|algorithm| {
            keys.verify(self.kid.as_deref(), algorithm, self.message.as_bytes(), &self.signature)
        })
    }
}

impl Audience {
    /// Whether it is for `one`, and for nobody else.
    pub fn is_only(&self, one: &str) -> bool {
        match self {
            Self::One(audience) => audience == one,
            Self::Many(many) => matches!(&many[..], [only] if only == one),
        }
    }

    /// Whether it is for `one`, maybe among others.
    pub fn has(&self, one: &str) -> bool {
        match self {
            Self::One(audience) => audience == one,
            Self::Many(many) => many.iter().any(|audience| audience == one),
        }
    }
}
