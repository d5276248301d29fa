//! The pages that people see: to sign in, to allow something, and when that cannot be.
//!
//! Plain HTML forms that need no script. All texts are escaped; what comes from outside stands in no attribute but
//! `value`, and encoded in the query of a link.

use std::sync::LazyLock;

use minijinja::AutoEscape;
use minijinja::Environment;
use minijinja::Value;

/// The style of all of them.
pub const STYLE: &str = include_str!("pages/style.css");
/// Hanken Grotesk and Geist Mono, SIL Open Font License 1.1: their licences stand beside them.
pub const TEXT_FONT: &[u8] = include_bytes!("pages/hanken-grotesk-latin-wght-normal.woff2");
pub const CODE_FONT: &[u8] = include_bytes!("pages/geist-mono-latin-wght-normal.woff2");

/// A page by its template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    SignIn,
    SignedIn,
    Access,
    Consent,
    /// Letting a server of others be used.
    Connect,
    Refusal,
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    for (name, text) in [
        ("page", include_str!("pages/page.html")),
        ("sign_in", include_str!("pages/sign_in.html")),
        ("signed_in", include_str!("pages/signed_in.html")),
        ("access", include_str!("pages/access.html")),
        ("consent", include_str!("pages/consent.html")),
        ("connect", include_str!("pages/connect.html")),
        ("refusal", include_str!("pages/refusal.html")),
    ] {
        // A template that cannot be read is missed when it is asked for.
        let _ = templates.add_template(name, text);
    }
    templates
});

impl Page {
    /// The HTML of the page with these values in it.
    pub fn render(self, values: Value) -> Result<String, minijinja::Error> {
        let name = match self {
            Self::SignIn => "sign_in",
            Self::SignedIn => "signed_in",
            Self::Access => "access",
            Self::Consent => "consent",
            Self::Connect => "connect",
            Self::Refusal => "refusal",
        };
        TEMPLATES.get_template(name)?.render(values)
    }
}

/// What pages may load and where their forms may lead. A browser checks the whole way of a form, so `leads_to` has
/// the place to which a person is sent back.
pub fn policy(leads_to: Option<&str>) -> String {
    let leads_to = leads_to.map(|it| format!(" {it}")).unwrap_or_default();
    format!(
        "default-src 'none'; style-src 'self'; font-src 'self'; img-src data:; form-action 'self'{leads_to}; \
         base-uri 'none'; frame-ancestors 'none'"
    )
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    #[test]
    fn every_page_is_made_and_escapes_what_it_shows() {
        let hostile = "\"><script>alert(1)</script>";
        let scopes = [context! { words => hostile, scope => hostile, is_strong => true }];
        let values = context! {
            base => hostile, server => hostile, username => hostile, then => hostile, client => hostile,
            place => hostile, is_user => true, problem => hostile, detail => hostile, is_unchecked => true, scopes,
            publisher => hostile, external => hostile, query => hostile, is_local_only => true,
            allowed => [context! { client => hostile, words => [hostile], id => hostile }],
            sessions => [context! { address => hostile, user_agent => hostile, id => hostile }],
            title => hostile, host => hostile, upstream => hostile, has => true,
            fields => [(hostile, hostile)], lifetimes => [(hostile, hostile)],
        };

        let all = [
            Page::SignIn,
            Page::SignedIn,
            Page::Access,
            Page::Consent,
            Page::Connect,
            Page::Refusal,
        ];
        for page in all {
            let html = page.render(values.clone()).unwrap();
            assert!(html.contains("alert(1)") && !html.contains("<script"), "{page:?}: {html}");
            assert!(!html.contains(" style=") && !html.contains("://"), "{page:?}: {html}");
            assert_eq!(html.matches("<h1>").count(), 1, "{page:?}");
            assert_eq!(html.matches("<main").count(), 1, "{page:?}");
        }
    }

    #[test]
    fn a_policy_lets_a_form_lead_to_one_place_only() {
        let policy = policy(Some("https://a.example"));

        assert!(
            policy.contains("form-action 'self' https://a.example;") && !policy.contains("unsafe")
        );
    }
}
