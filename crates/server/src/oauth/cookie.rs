//! The cookie of who is signed in.

use auth::token::OpaqueToken;
use auth::token::TokenKind;

/// Where the server is reached by https, browsers see to it that nobody else sets this cookie: that is what the
/// beginning of the name is for (RFC 6265bis).
const SECURE: &str = "__Host-agent-server";
/// On one's own machine.
const PLAIN: &str = "agent-server";

/// The cookie that holds `session` for so many `seconds`.
pub fn set(issuer: &str, session: &str, seconds: i64) -> String {
    cookie(name(issuer).to_owned(), issuer, session, seconds)
}

/// The same of the ticket of somebody who is on his way to sign in elsewhere.
pub fn set_ticket(issuer: &str, ticket: &str, seconds: i64) -> String {
    cookie(ticket_name(issuer), issuer, ticket, seconds)
}

/// The same of the mark of somebody who has signed in.
pub fn set_mark(issuer: &str, mark: &str, seconds: i64) -> String {
    cookie(mark_name(issuer), issuer, mark, seconds)
}

fn cookie(name: String, issuer: &str, value: &str, seconds: i64) -> String {
    let secure = if is_secure(issuer) { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

/// The session in the headers `Cookie`.
pub fn read<'h>(issuer: &str, headers: impl Iterator<Item = &'h [u8]>) -> Option<OpaqueToken> {
    let session = OpaqueToken::parse(value(name(issuer), headers)?).ok()?;
    (session.kind() == TokenKind::Session).then_some(session)
}

/// The ticket there.
pub fn read_ticket<'h>(issuer: &str, headers: impl Iterator<Item = &'h [u8]>) -> Option<String> {
    value(&ticket_name(issuer), headers).map(str::to_owned)
}

/// The mark there.
pub fn read_mark<'h>(issuer: &str, headers: impl Iterator<Item = &'h [u8]>) -> Option<String> {
    value(&mark_name(issuer), headers).map(str::to_owned)
}

/// The value by a name. Of two neither is believed.
fn value<'h>(name: &str, headers: impl Iterator<Item = &'h [u8]>) -> Option<&'h str> {
    let pairs = headers.filter_map(|it| str::from_utf8(it).ok()).flat_map(|it| it.split(';'));
    let mut own = pairs.filter_map(|pair| {
        let (found, value) = pair.trim().split_once('=')?;
        (found == name).then_some(value)
    });
    let (first, second) = (own.next()?, own.next());
    second.is_none().then_some(first)
}

fn ticket_name(issuer: &str) -> String {
    format!("{}-ticket", name(issuer))
}

fn mark_name(issuer: &str) -> String {
    format!("{}-known", name(issuer))
}

fn name(issuer: &str) -> &'static str {
    if is_secure(issuer) { SECURE } else { PLAIN }
}

fn is_secure(issuer: &str) -> bool {
    issuer.starts_with("https://")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(issuer: &str, cookies: &[&str]) -> Option<String> {
        read(issuer, cookies.iter().map(|it| it.as_bytes())).map(|it| it.expose().to_owned())
    }

    #[test]
    fn where_there_is_https_the_cookie_is_bound_to_the_host() {
        assert_eq!(
            set("https://a.example", "agb_x", 60),
            "__Host-agent-server=agb_x; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            set("http://localhost:3000", "", 0),
            "agent-server=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn one_session_is_read_and_nothing_else() {
        let (https, http) = ("https://a.example", "http://localhost");
        let token = OpaqueToken::from_bytes(TokenKind::Session, &[7; 32]);
        let token = token.expose();
        let own = format!("__Host-agent-server={token}");

        assert_eq!(found(https, &[&format!("a=b; {own}; c")]).as_deref(), Some(token));
        assert_eq!(found(https, &["x=1", &own]).as_deref(), Some(token));
        assert_eq!(found(http, &[&format!("agent-server={token}")]).as_deref(), Some(token));
        let key = OpaqueToken::from_bytes(TokenKind::ApiKey, &[7; 32]);
        for cookies in [
            &[][..],
            &[own.as_str(), own.as_str()],
            &[&format!("agent-server={token}")],
            &[&format!("x__Host-agent-server={token}")],
            &[&format!("__Host-agent-server={}", key.expose())],
            &["__Host-agent-server=x"],
        ] {
            assert_eq!(found(https, cookies), None, "{cookies:?}");
        }
    }
}
