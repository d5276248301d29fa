//! How a client says who it is (RFC 6749, section 2.3).

use base64::Engine;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::assertion::ASSERTION_TYPE;
use crate::assertion::Assertion;
use crate::error::OAuthError;
use crate::form;
use crate::form::Params;

/// The longest client id, in characters.
pub const MAX_CLIENT_ID: usize = 255;

/// The longest client secret that is looked at, in bytes.
const MAX_CLIENT_SECRET: usize = 1024;

/// What of an HTTP request the endpoints for clients look at; not printable, for it has secrets.
#[derive(Clone, Copy)]
pub struct ClientRequest<'a> {
    /// The value of every `Authorization` header.
    pub authorization: &'a [&'a [u8]],
    pub content_type: Option<&'a [u8]>,
    pub query: Option<&'a str>,
    pub body: &'a [u8],
}

/// Who the client says it is. Nothing here has been compared with what we know.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// The request names no client.
    None,
    /// `client_id` alone: a client without a secret.
    Public { client_id: String },
    /// `client_id` and `client_secret` in the body.
    Post(ClientSecret),
    /// The header `Authorization: Basic`.
    ///
    /// RFC 6749 wants both halves form-encoded, and many clients send them as they are. Where
    /// that makes a difference, `as_sent` is the other reading.
    Basic { decoded: Option<ClientSecret>, as_sent: Option<ClientSecret> },
    /// `client_assertion`: a JWT that the client signed.
    Assertion(Assertion),
}

/// An id and the secret presented with it, both in some bounds and neither of them empty.
#[derive(Debug, Clone)]
pub struct ClientSecret {
    client_id: String,
    secret: SecretString,
}

/// Parameters that must not stand in a URL, where logs would keep them.
const NOT_IN_QUERY: [&str; 9] = [
    "access_token",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code",
    "password",
    "refresh_token",
    "token",
];

/// Reads credentials and the other parameters of a request.
///
/// There is one way to authenticate in a request: two at once, or a second name that differs from
/// the first, are refused and nothing is guessed.
pub fn read(request: &ClientRequest<'_>) -> Result<(Credentials, Params), OAuthError> {
    let in_query = |name: String| NOT_IN_QUERY.contains(&name.as_str());
    if form::query_names(request.query.unwrap_or_default()).any(in_query) {
        return Err(OAuthError::invalid_request("credentials do not belong in a URL"));
    }
    let mut params = Params::read(request.content_type, request.body)?;
    let basic = match request.authorization {
        [] => None,
        [header] => Some(read_basic(header)?),
        _ => return Err(OAuthError::invalid_request("there are two Authorization headers")),
    };
    let credentials = combine(basic, &mut params)?;
    Ok((credentials, params))
}

fn combine(basic: Option<Basic>, params: &mut Params) -> Result<Credentials, OAuthError> {
    let secret = params.take("client_secret");
    let assertion = (params.take("client_assertion"), params.take("client_assertion_type"));
    if assertion.0.is_some() || assertion.1.is_some() {
        return match (assertion, basic.is_some() || secret.is_some()) {
            (_, true) => Err(two_ways()),
            ((Some(text), Some(kind)), false) if *kind == ASSERTION_TYPE => {
                read_assertion(&text, params.get("client_id"))
            }
            _ => Err(OAuthError::invalid_request(
                "client_assertion comes with client_assertion_type, which says that it is a JWT",
            )),
        };
    }
    match (basic, params.get("client_id"), secret) {
        (Some(_), _, Some(_)) => Err(two_ways()),
        (Some(basic), None, None) => Ok(basic.into()),
        (Some(basic), Some(client_id), None) => basic.named(client_id).map(Credentials::from),
        (None, Some(client_id), Some(secret)) => {
            ClientSecret::new(client_id, &secret).map(Credentials::Post)
        }
        (None, None, Some(_)) => Err(OAuthError::invalid_request("client_id is missing")),
        (None, Some(client_id), None) => {
            check_client_id(client_id)?;
            Ok(Credentials::Public { client_id: client_id.to_owned() })
        }
        (None, None, None) => Ok(Credentials::None),
    }
}

fn two_ways() -> OAuthError {
    OAuthError::invalid_request("the client authenticates in two ways at once")
}

fn read_assertion(text: &str, client_id: Option<&str>) -> Result<Credentials, OAuthError> {
    let assertion = Assertion::parse(text).map_err(|_| OAuthError::invalid_client())?;
    check_client_id(assertion.client_id())?;
    if client_id.is_some_and(|client_id| client_id != assertion.client_id()) {
        return Err(OAuthError::invalid_request("client_id is not the client of the assertion"));
    }
    Ok(Credentials::Assertion(assertion))
}

/// The readings of a Basic header; at least one is there.
struct Basic {
    decoded: Option<ClientSecret>,
    as_sent: Option<ClientSecret>,
}

fn read_basic(header: &[u8]) -> Result<Basic, OAuthError> {
    let (scheme, encoded) = header.split_at_checked(5).ok_or_else(OAuthError::invalid_client)?;
    if !scheme.eq_ignore_ascii_case(b"basic") || encoded.first() != Some(&b' ') {
        return Err(OAuthError::invalid_client());
    }
    let bytes = STANDARD_PAD_INDIFFERENT
        .decode(encoded.trim_ascii())
        .map(Zeroizing::new)
        .map_err(|_| OAuthError::invalid_client())?;
    let colon =
        bytes.iter().position(|byte| *byte == b':').ok_or_else(OAuthError::invalid_client)?;
    let (id, secret) = (&bytes[..colon], &bytes[colon + 1..]);
    let decoded = form::form_decode(id).zip(form::form_decode(secret).map(Zeroizing::new));
    let decoded = decoded.and_then(|(id, secret)| ClientSecret::new(&id, &secret).ok());
    let as_sent = str::from_utf8(id).ok().zip(str::from_utf8(secret).ok());
    let as_sent = as_sent
        .and_then(|(id, secret)| ClientSecret::new(id, secret).ok())
        .filter(|as_sent| decoded.as_ref().is_none_or(|decoded| !decoded.same(as_sent)));
    if decoded.is_none() && as_sent.is_none() {
        return Err(OAuthError::invalid_client());
    }
    Ok(Basic { decoded, as_sent })
}

impl Basic {
    /// Only the readings of this client, which the body names too.
    fn named(self, client_id: &str) -> Result<Self, OAuthError> {
        let same = |secret: &ClientSecret| secret.client_id == client_id;
        let (decoded, as_sent) = (self.decoded.filter(same), self.as_sent.filter(same));
        if decoded.is_none() && as_sent.is_none() {
            return Err(OAuthError::invalid_request(
                "client_id is not the client of the Authorization header",
            ));
        }
        Ok(Self { decoded, as_sent })
    }
}

impl From<Basic> for Credentials {
    fn from(Basic { decoded, as_sent }: Basic) -> Self {
        Self::Basic { decoded, as_sent }
    }
}

impl Credentials {
    /// Who tries to prove himself; `None`: nobody does.
    pub fn presented_by(&self) -> Option<&str> {
        match self {
            Self::Assertion(assertion) => Some(assertion.client_id()),
            _ => self.secrets().next().map(ClientSecret::client_id),
        }
    }

    /// The secrets to try, in this order; the first client whose secret is right is the one.
    pub fn secrets(&self) -> impl Iterator<Item = &ClientSecret> {
        let (first, second) = match self {
            Self::None | Self::Public { .. } | Self::Assertion(_) => (None, None),
            Self::Post(secret) => (Some(secret), None),
            Self::Basic { decoded, as_sent } => (decoded.as_ref(), as_sent.as_ref()),
        };
        first.into_iter().chain(second)
    }
}

impl ClientSecret {
    fn new(client_id: &str, secret: &str) -> Result<Self, OAuthError> {
        check_client_id(client_id)?;
        if secret.is_empty() || secret.len() > MAX_CLIENT_SECRET || has_control(secret) {
            return Err(OAuthError::invalid_client());
        }
        Ok(Self { client_id: client_id.to_owned(), secret: secret.into() })
    }

    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// What was presented, to be hashed and compared and nothing else.
    pub fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    fn same(&self, other: &Self) -> bool {
        self.client_id == other.client_id && self.expose() == other.expose()
    }
}

fn check_client_id(client_id: &str) -> Result<(), OAuthError> {
    if client_id.chars().count() > MAX_CLIENT_ID || client_id.is_empty() || has_control(client_id) {
        return Err(OAuthError::invalid_client());
    }
    Ok(())
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorCode;

    const FORM: &[u8] = b"application/x-www-form-urlencoded";

    fn request(authorization: &[&[u8]], body: &str) -> Result<(Credentials, Params), OAuthError> {
        let content_type = Some(FORM);
        read(&ClientRequest { authorization, content_type, query: None, body: body.as_bytes() })
    }

    fn basic(credentials: impl AsRef<[u8]>) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(credentials)).into_bytes()
    }

    /// The pairs that a server would try.
    fn tried(authorization: &[u8], body: &str) -> Vec<(String, String)> {
        let (credentials, _) = request(&[authorization], body).unwrap();
        let pair = |s: &ClientSecret| (s.client_id().to_owned(), s.expose().to_owned());
        credentials.secrets().map(pair).collect()
    }

    fn pair(id: &str, secret: &str) -> (String, String) {
        (id.to_owned(), secret.to_owned())
    }

    fn refusal(authorization: &[&[u8]], body: &str) -> (ErrorCode, u16) {
        let error = request(authorization, body).unwrap_err();
        (error.code(), error.status())
    }

    #[test]
    fn generated_credentials_have_one_reading() {
        let header = basic("0199aa-bb:ags_0Az");

        assert_eq!(tried(&header, "grant_type=x"), [pair("0199aa-bb", "ags_0Az")]);
    }

    #[test]
    fn encoded_credentials_are_decoded_after_the_split_at_the_first_colon() {
        let header = basic("svc%3Aa+b:%2B%2F%3A%3D%25%c3%a9");

        assert_eq!(tried(&header, "")[0], pair("svc:a b", "+/:=%é"));
    }

    #[test]
    fn raw_credentials_are_tried_as_they_were_sent() {
        let both = [pair("shop", "a b"), pair("shop", "a+b")];
        assert_eq!(tried(&basic("shop:a+b"), ""), both);
        assert_eq!(tried(&basic("shop:100%:+"), ""), [pair("shop", "100%:+")]);
        assert_eq!(tried(&basic("shop:%ff"), ""), [pair("shop", "%ff")]);
        assert_eq!(tried(&basic("shop:é"), ""), [pair("shop", "é")]);
    }

    #[test]
    fn the_scheme_has_any_case_and_base64_may_lack_its_padding() {
        for header in ["basic YTpi", "BASIC   YTpi ", "Basic YTpiYg", "Basic YTpiYg=="] {
            assert_eq!(tried(header.as_bytes(), "")[0].0, "a", "{header}");
        }
    }

    #[test]
    fn a_header_that_is_no_basic_authentication_is_a_client_that_failed() {
        let texts = [
            "",
            "Basic",
            "Basic ",
            "Basic !!!",
            "Basic YWJj",
            "Basic YTpi, Basic YTpi",
            "Bearer x",
            "BasicYTpi",
            "Basic\tYTpi",
            "Digest username=\"a\"",
            "é",
        ];
        let mut headers: Vec<Vec<u8>> = texts.map(|text| text.as_bytes().to_vec()).into();
        headers.extend([&b"\xff\xfe:\xff"[..], b":secret", b"id:", b"a\0:b", b"a:b\0"].map(basic));
        headers.extend([
            basic(format!("{}:b", "a".repeat(256))),
            basic(format!("a:{}", "b".repeat(1025))),
        ]);

        for header in headers {
            let error = request(&[&header], "").unwrap_err();

            assert_eq!(error, OAuthError::invalid_client(), "{:?}", header.escape_ascii());
        }
    }

    #[test]
    fn the_body_may_repeat_the_client_of_the_header_but_not_name_another() {
        let header = basic("svc%3Aa:secret");

        assert_eq!(tried(&header, "client_id=svc%3Aa"), [pair("svc:a", "secret")]);
        assert_eq!(refusal(&[&header], "client_id=other"), (ErrorCode::InvalidRequest, 400));
    }

    #[test]
    fn one_way_to_authenticate_is_enough() {
        let header = basic("a:b");

        for body in ["client_id=a&client_secret=b", "client_secret=b"] {
            assert_eq!(refusal(&[&header], body), (ErrorCode::InvalidRequest, 400), "{body}");
        }
        assert_eq!(refusal(&[&header, &header], ""), (ErrorCode::InvalidRequest, 400));
        let jwt = "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let assertion = format!("{jwt}&client_assertion=e30.e30.");
        assert_eq!(refusal(&[&header], &assertion), (ErrorCode::InvalidRequest, 400));
        let with_secret = format!("{assertion}&client_id=a&client_secret=b");
        assert_eq!(refusal(&[], &with_secret), (ErrorCode::InvalidRequest, 400));
        assert_eq!(refusal(&[], &assertion), (ErrorCode::InvalidClient, 401), "it is none");
    }

    #[test]
    fn an_assertion_names_its_client_and_comes_with_its_type() {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let claims = r#"{"iss":"shop","sub":"shop","aud":"x","exp":1,"jti":"1"}"#;
        let jwt = format!("{}.{}.AA", encode(r#"{"alg":"EdDSA"}"#), encode(claims));
        let of = |kind: &str, more: &str| {
            request(&[], &format!("client_assertion={jwt}&client_assertion_type={kind}{more}"))
        };

        for more in ["", "&client_id=shop", "&scope=a.b"] {
            let (credentials, params) = of(ASSERTION_TYPE, more).unwrap();
            let Credentials::Assertion(assertion) = credentials else { panic!("{credentials:?}") };
            assert_eq!(assertion.client_id(), "shop");
            assert_eq!(params.get("client_assertion"), None);
        }
        for (kind, more) in [
            (ASSERTION_TYPE, "&client_id=other"),
            ("urn:ietf:params:oauth:client-assertion-type:saml2-bearer", ""),
            ("", ""),
        ] {
            let error = of(kind, more).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{kind} {more}");
        }
        let lonely = request(&[], &format!("client_assertion_type={ASSERTION_TYPE}&client_id=a"));
        assert_eq!(lonely.unwrap_err().code(), ErrorCode::InvalidRequest);
    }

    #[test]
    fn credentials_of_a_body_are_taken_as_they_are_and_leave_the_parameters() {
        let (credentials, params) =
            request(&[], "client_id=a%3Ab&client_secret=c%2525+d&scope=a.b").unwrap();

        let Credentials::Post(secret) = credentials else { panic!("{credentials:?}") };
        assert_eq!((secret.client_id(), secret.expose()), ("a:b", "c%25 d"));
        assert_eq!(params.get("client_secret"), None);
        assert_eq!(params.get("scope"), Some("a.b"));
        assert!(!format!("{secret:?}").contains("c%25"));
    }

    #[test]
    fn half_of_the_credentials_authenticates_nobody() {
        let (none, _) = request(&[], "").unwrap();
        assert!(matches!(none, Credentials::None));
        let (public, _) = request(&[], "client_id=a&client_secret=").unwrap();
        assert!(matches!(public, Credentials::Public { client_id } if client_id == "a"));
        assert_eq!(refusal(&[], "client_secret=b"), (ErrorCode::InvalidRequest, 400));
        assert_eq!(refusal(&[], "client_id=a%0a&client_secret=b"), (ErrorCode::InvalidClient, 401));
    }

    #[test]
    fn credentials_in_a_query_are_refused_and_other_queries_are_not() {
        let read_query = |query| {
            let authorization: &[&[u8]] = &[b"Basic YTpi"];
            read(&ClientRequest {
                authorization,
                content_type: None,
                query: Some(query),
                body: b"",
            })
        };

        for query in ["client_id=a&client_secret=b", "x=1&client%5Fsecret=b", "access_token"] {
            let error = read_query(query).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{query}");
        }
        assert!(read_query("tenant=a&%zz").is_ok());
    }

    proptest! {
        #[test]
        fn encoded_credentials_are_understood_whatever_is_in_them(
            id in "[^\\pC]{1,20}", secret in "[^\\pC]{1,20}"
        ) {
            let encode = |text: &str| -> String {
                text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
            };
            let header = basic(format!("{}:{}", encode(&id), encode(&secret)));

            prop_assert_eq!(&tried(&header, "")[0], &pair(&id, &secret));
        }

        #[test]
        fn raw_credentials_are_among_the_readings(id in "[!-9;-~]{1,20}", secret in "[ -~]{1,20}") {
            let header = basic(format!("{id}:{secret}"));

            prop_assert!(tried(&header, "").contains(&pair(&id, &secret)));
        }

        #[test]
        fn any_header_is_read_without_a_panic(header: Vec<u8>) {
            for header in [&header, &basic(&header)] {
                if let Err(error) = request(&[header], "client_id=a") {
                    prop_assert!(matches!(error.status(), 400 | 401));
                }
            }
        }
    }
}
