//! `/ui`: the Admin UI, as `make ui` built it.
//!
//! Its files are in the program (feature `embed-ui`) or in the folder that the settings name, and in memory from the
//! start. They come with their compressed forms; here nothing is compressed and no file is read for a request. Where
//! there are none, a page says so: the server needs no Node to be built.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::SHA256;
use aws_lc_rs::digest::digest;
use axum::Router;
use axum::body::Body;
use axum::extract::OriginalUri;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Redirect;
use axum::response::Response;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use tracing::warn;

use crate::config::Config;
use crate::http::Problem;

/// Where the pages are, below the path of the issuer. The build knows it, too (`ui/vite.config.ts`).
const PLACE: &str = "/ui/";
const INDEX: &str = "index.html";
/// What pages may load and whom they may ask: nobody but us. No script, no style and no image from elsewhere, no script in
/// the page, and no text that becomes HTML.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; \
                      img-src 'self' data: blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'";
const MISSING: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>No Admin UI</title>\
    <h1>This server has no Admin UI</h1><p>It was built without: <code>make run</code> and \
    <code>make release</code> build it, which needs Node. Another way is to set <code>AGENT_SERVER_UI_DIR</code> to a \
    built <code>ui/dist</code>.</p><p>The API is there all the same; <code>/docs</code> shows it.</p></html>";

#[cfg(feature = "embed-ui")]
static EMBEDDED: include_dir::Dir<'static> =
    include_dir::include_dir!("$CARGO_MANIFEST_DIR/../../ui/dist");

/// The files of the UI by their paths below [`PLACE`].
#[derive(Debug, Default)]
struct Site(HashMap<String, File>);

#[derive(Debug)]
struct File {
    media_type: &'static str,
    etag: HeaderValue,
    plain: Bytes,
    /// By their names in `Content-Encoding`, the best first.
    compressed: Vec<(&'static str, Bytes)>,
}

/// The routes of the UI, which reads its files now.
pub fn routes<S: Clone + Send + Sync + 'static>(config: &Config) -> Router<S> {
    let path = config.issuer.splitn(4, '/').nth(3).map(|it| format!("/{it}")).unwrap_or_default();
    let files = match &config.ui_dir {
        Some(folder) => read_folder(folder).unwrap_or_else(|error| {
            warn!(%error, "there is no Admin UI in {}: AGENT_SERVER_UI_DIR", folder.display());
            HashMap::new()
        }),
        None => embedded(),
    };
    let site = Arc::new(Site::of(files, &path));
    let home = format!("{path}{PLACE}");
    Router::new()
        .route("/", get(async move || Redirect::to(&home)))
        .route("/ui", get(show))
        .route("/ui/", get(show))
        .route("/ui/{*path}", get(show))
        .with_state(site)
}

#[cfg(feature = "embed-ui")]
fn embedded() -> HashMap<String, Bytes> {
    let mut found = HashMap::new();
    let mut folders = vec![&EMBEDDED];
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        for file in folder.files() {
            let path = file.path().to_string_lossy().into_owned();
            found.insert(path, Bytes::from_static(file.contents()));
        }
    }
    found
}

#[cfg(not(feature = "embed-ui"))]
fn embedded() -> HashMap<String, Bytes> {
    HashMap::new()
}

fn read_folder(root: &Path) -> io::Result<HashMap<String, Bytes>> {
    let (mut found, mut folders) = (HashMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(name) = path.strip_prefix(root) {
                found.insert(name.to_string_lossy().into_owned(), fs::read(&path)?.into());
            }
        }
    }
    Ok(found)
}

impl Site {
    /// `path` is where the server is reached, without a slash at its end.
    fn of(mut files: HashMap<String, Bytes>, path: &str) -> Self {
        if let Some(index) = files.get(INDEX).filter(|_| !path.is_empty()) {
            let text = String::from_utf8_lossy(index)
                .replace(&format!("\"{PLACE}"), &format!("\"{path}{PLACE}"))
                .replace("data-path=\"\"", &format!("data-path=\"{path}\""));
            files.insert(INDEX.to_owned(), text.into());
            files.retain(|name, _| !name.starts_with("index.html."));
        }
        let names = files.keys().filter(|name| media_type(name).is_some());
        let names: Vec<String> = names.cloned().collect();
        let known = names.into_iter().filter_map(|name| {
            let file = File::of(&name, &files)?;
            Some((name, file))
        });
        Self(known.collect())
    }

    /// What is shown at this path: a file, or the page, which knows more paths than there are files.
    fn find(&self, path: &str) -> Option<(&str, &File)> {
        let name =
            if path.starts_with("assets/") || self.0.contains_key(path) { path } else { INDEX };
        self.0.get_key_value(name).map(|(name, file)| (name.as_str(), file))
    }
}

impl File {
    fn of(name: &str, files: &HashMap<String, Bytes>) -> Option<Self> {
        let plain = files.get(name)?.clone();
        let etag = URL_SAFE_NO_PAD.encode(digest(&SHA256, &plain));
        let compressed = [("br", "br"), ("gzip", "gz")].into_iter();
        Some(Self {
            media_type: media_type(name)?,
            etag: HeaderValue::from_str(&format!("\"{etag}\"")).ok()?,
            plain,
            compressed: compressed
                .filter_map(|(encoding, ending)| {
                    files.get(&format!("{name}.{ending}")).map(|it| (encoding, it.clone()))
                })
                .collect(),
        })
    }

    fn answer(&self, name: &str, headers: &HeaderMap) -> Response {
        // Names of assets have a hash in them: another content has another name.
        let for_ever = name.starts_with("assets/");
        let cache = if for_ever { "public, max-age=31536000, immutable" } else { "no-cache" };
        let common = [
            (header::ETAG, self.etag.clone()),
            (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
            (header::VARY, HeaderValue::from_static("accept-encoding")),
            (header::CONTENT_TYPE, HeaderValue::from_static(self.media_type)),
            (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
            (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        ];
        let known = headers.get(header::IF_NONE_MATCH).and_then(|it| it.to_str().ok());
        if known.is_some_and(|known| known.contains(self.etag.to_str().unwrap_or("*"))) {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        match self.compressed.iter().find(|(encoding, _)| accepts(headers, encoding)) {
            Some((encoding, bytes)) => {
                let encoding = [(header::CONTENT_ENCODING, *encoding)];
                (common, encoding, Body::from(bytes.clone())).into_response()
            }
            None => (common, Body::from(self.plain.clone())).into_response(),
        }
    }
}

async fn show(
    State(site): State<Arc<Site>>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    if site.0.is_empty() {
        let html = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
        return (StatusCode::NOT_FOUND, html, MISSING).into_response();
    }
    let path = uri.path().strip_prefix(PLACE).unwrap_or_default();
    match site.find(path) {
        Some((name, file)) => file.answer(name, &headers),
        None => {
            Problem::not_found("route-not-found", "the Admin UI has no such file").into_response()
        }
    }
}

/// Whether a browser takes this encoding.
fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let given = headers.get_all(header::ACCEPT_ENCODING).iter();
    given.filter_map(|it| it.to_str().ok()).flat_map(|it| it.split(',')).any(|offer| {
        let (name, weight) = offer.split_once(';').unwrap_or((offer, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        name.trim().eq_ignore_ascii_case(encoding) && weight.is_ok_and(|weight| weight > 0.0)
    })
}

/// By the ending of a name. `None`: it is not shown, such as the compressed form of another.
fn media_type(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::extract::Request;
    use tower::ServiceExt;

    use super::*;

    fn site(path: &str) -> Router {
        let index = "<html data-path=\"\"><script src=\"/ui/assets/a-1.js\"></script>";
        let files = [
            (INDEX, index),
            ("index.html.br", "br of index"),
            ("theme.js", "theme"),
            ("assets/a-1.js", "script"),
            ("assets/a-1.js.br", "br of script"),
            ("assets/a-1.js.gz", "gzip of script"),
        ];
        let files =
            files.map(|(name, text)| (name.to_owned(), Bytes::from_static(text.as_bytes())));
        let site = Arc::new(Site::of(files.into(), path));
        Router::new()
            .route("/ui", get(show))
            .route("/ui/", get(show))
            .route("/ui/{*path}", get(show))
            .with_state(site)
    }

    async fn ask(
        routes: Router,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = routes.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn pages_have_deep_links_and_files_do_not() {
        for path in ["/ui", "/ui/", "/ui/runs/0199?span=3", "/ui/agents/a.b"] {
            let (status, headers, text) = ask(site(""), path, &[]).await;
            assert_eq!((status, text.starts_with("<html")), (StatusCode::OK, true), "{path}");
            assert_eq!(headers["cache-control"], "no-cache", "{path}");
        }
        assert_eq!(ask(site(""), "/ui/assets/b-2.js", &[]).await.0, StatusCode::NOT_FOUND);
        assert_eq!(ask(site(""), "/ui/theme.js", &[]).await.2, "theme");
    }

    #[tokio::test]
    async fn files_are_sent_as_the_browser_takes_them() {
        let script = "/ui/assets/a-1.js";
        for (accepted, encoding, text) in [
            ("gzip, deflate, br, zstd", Some("br"), "br of script"),
            ("gzip, br;q=0", Some("gzip"), "gzip of script"),
            ("identity", None, "script"),
        ] {
            let (_, headers, body) = ask(site(""), script, &[("accept-encoding", accepted)]).await;
            assert_eq!(headers.get("content-encoding").map(|it| it.to_str().unwrap()), encoding);
            assert_eq!(
                (body.as_str(), &headers["vary"]),
                (text, &HeaderValue::from_static("accept-encoding"))
            );
            assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable");
        }
    }

    #[tokio::test]
    async fn what_a_browser_has_is_not_sent_again() {
        let (_, headers, _) = ask(site(""), "/ui/", &[]).await;
        let etag = headers["etag"].to_str().unwrap();

        let (status, _, body) = ask(site(""), "/ui/runs", &[("if-none-match", etag)]).await;
        assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""));
        assert_eq!(ask(site(""), "/ui/", &[("if-none-match", "\"x\"")]).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn below_a_path_the_page_finds_its_files() {
        let (_, headers, text) = ask(site("/a"), "/ui/", &[("accept-encoding", "br")]).await;

        assert_eq!(text, "<html data-path=\"/a\"><script src=\"/a/ui/assets/a-1.js\"></script>");
        assert_eq!(headers.get("content-encoding"), None);
    }

    #[tokio::test]
    async fn the_policy_lets_nothing_in_from_elsewhere() {
        let (_, headers, _) = ask(site(""), "/ui/", &[]).await;

        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("http"), "{policy}");
    }

    #[tokio::test]
    async fn a_server_without_pages_says_so() {
        let routes = Router::new().route("/ui/", get(show)).with_state(Arc::new(Site::default()));

        let (status, _, text) = ask(routes, "/ui/", &[]).await;
        assert_eq!((status, text.contains("has no Admin UI")), (StatusCode::NOT_FOUND, true));
    }
}
