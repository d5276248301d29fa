//! What a browser asks for in the name of a client (RFC 6749, section 4.1; OAuth 2.1), and what it takes back.
//!
//! Where a request comes from is not known, so the order matters: until client and address are known to belong
//! together nobody is sent anywhere ([`addressed`]); what is wrong after that is told to the client ([`read`]).

use crate::error::ErrorCode;
use crate::error::OAuthError;
use crate::form::Params;
use crate::pkce::Challenge;
use crate::redirect::RedirectUri;
use crate::scope::Scope;
use crate::scope::Scopes;

/// A request that can be shown to a person.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What of the `scope` are scopes; `None`: it names none.
    pub scope: Option<Scopes>,
    pub challenge: Challenge,
    pub prompt: Prompt,
}

/// What the person may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    /// What is needed.
    Any,
    /// Nothing: he is signed in and has agreed, or it fails.
    None,
    /// Whether he agrees, also if he did before.
    Consent,
    /// Who he is, also if he is signed in.
    Login,
}

/// The address to which the answer goes: the one that is asked for, if it is registered; without any, the only
/// registered one.
///
/// The error is for the person, on a page: nothing may be sent to an address that is in doubt.
pub fn addressed(params: &Params, registered: &[String]) -> Result<RedirectUri, OAuthError> {
    let refused = |text: &str| OAuthError::new(ErrorCode::InvalidRedirectUri, text);
    let Some(asked) = params.get("redirect_uri") else {
        return match registered {
            [only] => RedirectUri::parse(only).map_err(|error| refused(&error.to_string())),
            _ => Err(refused("redirect_uri is missing")),
        };
    };
    let asked = RedirectUri::parse(asked).map_err(|error| refused(&error.to_string()))?;
    if registered.iter().any(|registered| asked.is_allowed_by(registered)) {
        return Ok(asked);
    }
    Err(refused("the redirect_uri is not one that the client has registered"))
}

/// Reads what is asked for.
///
/// Words of `scope` that are no scopes of ours are left out, as `openid` and `offline_access` are, which many clients send
/// to everybody.
pub fn read(params: &Params) -> Result<Asked, OAuthError> {
    if params.get("request").is_some() {
        return Err(OAuthError::new(ErrorCode::RequestNotSupported, "request is not supported"));
    }
    if params.get("request_uri").is_some() {
        let text = "request_uri is not supported";
        return Err(OAuthError::new(ErrorCode::RequestUriNotSupported, text));
    }
    if params.require("response_type")? != "code" {
        let text = "the only response_type is code";
        return Err(OAuthError::new(ErrorCode::UnsupportedResponseType, text));
    }
    if params.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(OAuthError::invalid_request("the only response_mode is query"));
    }
    let challenge = params.require("code_challenge")?;
    if params.get("code_challenge_method") != Some("S256") {
        return Err(OAuthError::invalid_request("code_challenge_method must be S256"));
    }
    let challenge = Challenge::parse(challenge).ok_or_else(|| {
        OAuthError::invalid_request("code_challenge is not the SHA-256 of a code_verifier")
    })?;
    let prompt = match params.get("prompt") {
        None | Some("select_account") => Prompt::Any,
        Some("none") => Prompt::None,
        Some(words) if words.split(' ').any(|word| word == "login") => Prompt::Login,
        Some(words) if words.split(' ').any(|word| word == "consent") => Prompt::Consent,
        Some(_) => return Err(OAuthError::invalid_request("there is no such prompt")),
    };
    Ok(Asked { scope: params.get("scope").map(understood), challenge, prompt })
}

fn understood(text: &str) -> Scopes {
    text.split(' ')
        .filter_map(|word| word.parse::<Scope>().ok())
        .take(crate::scope::MAX_SCOPES)
        .collect()
}

/// The URL to which the browser goes with the answer: `pairs`, the client's `state`, and who answers (RFC 9207).
pub fn answer(
    to: &RedirectUri,
    pairs: &[(&str, &str)],
    state: Option<&str>,
    issuer: &str,
) -> String {
    let mut url = to.as_str().to_owned();
    let state = state.map(|state| ("state", state));
    for (name, value) in pairs.iter().copied().chain(state).chain([("iss", issuer)]) {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(name);
        url.push('=');
        push_encoded(&mut url, value);
    }
    url
}

/// Appends a value of a form.
fn push_encoded(url: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let digit = |value: u8| char::from(b"0123456789ABCDEF"[usize::from(value)]);
            url.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "response_type=code&client_id=shop&scope=agent.read+openid&state=x\
        &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";

    fn params(query: &str) -> Params {
        Params::from_query(query).unwrap()
    }

    fn refusal(query: &str) -> ErrorCode {
        read(&params(query)).unwrap_err().code()
    }

    #[test]
    fn a_whole_request_is_read_and_foreign_scopes_are_left_out() {
        let asked = read(&params(GOOD)).unwrap();

        assert_eq!(asked.scope.unwrap().to_string(), "agent.read");
        assert!(asked.challenge.matches("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert_eq!(asked.prompt, Prompt::Any);
        for (prompt, expected) in [
            ("none", Prompt::None),
            ("consent", Prompt::Consent),
            ("login", Prompt::Login),
            ("login+consent", Prompt::Login),
        ] {
            assert_eq!(read(&params(&format!("{GOOD}&prompt={prompt}"))).unwrap().prompt, expected);
        }
        assert_eq!(refusal(&format!("{GOOD}&prompt=x")), ErrorCode::InvalidRequest);
    }

    #[test]
    fn pkce_cannot_be_left_out_or_weakened() {
        let challenge = "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        let method = "&code_challenge_method=S256";
        for without in [
            GOOD.replace(challenge, "").replace(method, ""),
            GOOD.replace(challenge, ""),
            GOOD.replace(method, ""),
            GOOD.replace(method, "&code_challenge_method=plain"),
            GOOD.replace(method, "&code_challenge_method=s256"),
            GOOD.replace(challenge, "&code_challenge=short"),
        ] {
            assert_eq!(refusal(&without), ErrorCode::InvalidRequest, "{without}");
        }
    }

    #[test]
    fn other_ways_to_ask_are_refused() {
        for (other, code) in [
            (GOOD.replace("=code&", "=token&"), ErrorCode::UnsupportedResponseType),
            (GOOD.replace("=code&", "=code+token&"), ErrorCode::UnsupportedResponseType),
            (GOOD.replace("=code&", "=&"), ErrorCode::InvalidRequest),
            (format!("{GOOD}&response_mode=fragment"), ErrorCode::InvalidRequest),
            (format!("{GOOD}&request=x"), ErrorCode::RequestNotSupported),
            (format!("{GOOD}&request_uri=x"), ErrorCode::RequestUriNotSupported),
        ] {
            assert_eq!(refusal(&other), code, "{other}");
        }
        assert!(Params::from_query(&format!("{GOOD}&client_id=other")).is_err());
    }

    #[test]
    fn the_answer_goes_to_a_registered_address_only() {
        let two = ["https://a.example/cb".to_owned(), "http://127.0.0.1/cb".to_owned()];
        let at = |query: &str, registered: &[String]| {
            addressed(&params(query), registered)
                .map(|uri| uri.as_str().to_owned())
                .map_err(|error| error.code())
        };

        assert_eq!(at("redirect_uri=https://a.example/cb", &two).unwrap(), two[0]);
        assert_eq!(
            at("redirect_uri=http://127.0.0.1:5/cb", &two).unwrap(),
            "http://127.0.0.1:5/cb"
        );
        assert_eq!(at("x=1", &two[..1]).unwrap(), two[0]);
        for (query, registered) in [
            ("x=1", &two[..]),
            ("x=1", &[]),
            ("redirect_uri=https://a.example/cb%09", &two),
            ("redirect_uri=https://b.example/cb", &two),
            ("redirect_uri=javascript:alert(1)", &two),
        ] {
            assert_eq!(at(query, registered), Err(ErrorCode::InvalidRedirectUri), "{query}");
        }
    }

    #[test]
    fn what_is_answered_cannot_break_out_of_its_parameter() {
        let to = RedirectUri::parse("https://a.example/cb").unwrap();
        assert_eq!(
            answer(&to, &[("code", "agc_x")], Some("a b+&=é\r\n\"<"), "https://i.example"),
            "https://a.example/cb?code=agc_x&state=a%20b%2B%26%3D%C3%A9%0D%0A%22%3C&iss=https%3A%2F%2Fi.example"
        );
        let to = RedirectUri::parse("https://a.example/cb?x=1").unwrap();
        assert_eq!(answer(&to, &[], None, "i"), "https://a.example/cb?x=1&iss=i");
    }
}
