//! `/.well-known/*`.

use std::fmt::Write;

use expect_test::expect;

use crate::harness::TestServer;

const DOCUMENTS: [&str; 2] =
    ["/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource"];
const JWKS: &str = "/.well-known/jwks.json";

on_both! {
    async fn the_keys_are_published_without_their_private_halves(server: TestServer) {
        server.stranger().get(JWKS).await.is(expect![[r#"
            200 application/json
            {
              "keys": [
                {
                  "alg": "EdDSA",
                  "crv": "Ed25519",
                  "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
                  "kty": "OKP",
                  "use": "sig",
                  "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
                }
              ]
            }
        "#]]);
    }

    async fn the_documents_tell_what_is_there(server: TestServer) {
        let mut seen = String::new();
        for path in DOCUMENTS {
            let mut shown = server.stranger().get(path).await.json();
            shown["scopes_supported"].as_array_mut().unwrap().truncate(2);
            let _ = writeln!(seen, "{shown:#}");
        }
        expect![[r#"
            {
              "authorization_endpoint": "http://server.test/oauth/authorize",
              "authorization_response_iss_parameter_supported": true,
              "client_id_metadata_document_supported": false,
              "code_challenge_methods_supported": [
                "S256"
              ],
              "grant_types_supported": [
                "client_credentials",
                "authorization_code",
                "refresh_token",
                "urn:ietf:params:oauth:grant-type:token-exchange"
              ],
              "introspection_endpoint": "http://server.test/oauth/introspect",
              "introspection_endpoint_auth_methods_supported": [
                "client_secret_basic",
                "client_secret_post",
                "private_key_jwt"
              ],
              "introspection_endpoint_auth_signing_alg_values_supported": [
                "EdDSA",
                "ES256",
                "RS256"
              ],
              "issuer": "http://server.test",
              "jwks_uri": "http://server.test/.well-known/jwks.json",
              "prompt_values_supported": [
                "none",
                "login",
                "consent"
              ],
              "registration_endpoint": "http://server.test/oauth/register",
              "response_modes_supported": [
                "query"
              ],
              "response_types_supported": [
                "code"
              ],
              "revocation_endpoint": "http://server.test/oauth/revoke",
              "revocation_endpoint_auth_methods_supported": [
                "none",
                "client_secret_basic",
                "client_secret_post",
                "private_key_jwt"
              ],
              "revocation_endpoint_auth_signing_alg_values_supported": [
                "EdDSA",
                "ES256",
                "RS256"
              ],
              "scopes_supported": [
                "agent.read",
                "agent.write"
              ],
              "token_endpoint": "http://server.test/oauth/token",
              "token_endpoint_auth_methods_supported": [
                "none",
                "client_secret_basic",
                "client_secret_post",
                "private_key_jwt"
              ],
              "token_endpoint_auth_signing_alg_values_supported": [
                "EdDSA",
                "ES256",
                "RS256"
              ]
            }
            {
              "authorization_servers": [
                "http://server.test"
              ],
              "bearer_methods_supported": [
                "header"
              ],
              "resource": "http://server.test",
              "resource_name": "Agent Server",
              "scopes_supported": [
                "agent.read",
                "agent.write"
              ]
            }
        "#]].assert_eq(&seen);
    }

    async fn documents_may_be_kept_and_are_open_to_every_page(server: TestServer) {
        let stranger = server.stranger();
        for path in [&[JWKS], &DOCUMENTS[..]].concat() {
            let ask = |header: (&'static str, &str)| {
                let request = stranger.request("GET", path);
                stranger.send(request.header(header.0, header.1))
            };

            let first = ask(("origin", "https://app.example")).await;
            assert_eq!(first.header("cache-control"), Some("public, max-age=300"));
            assert_eq!(first.header("content-type"), Some("application/json"));
            assert_eq!(first.header("access-control-allow-origin"), Some("https://app.example"));
            assert_eq!(first.header("access-control-allow-credentials"), None);

            let tag = first.header("etag").unwrap();
            for known in [tag, &tag[2..], "*", &format!("\"other\", {tag}")] {
                let again = ask(("if-none-match", known)).await;
                assert_eq!((again.status, again.text.as_str()), (304, ""), "{known}");
                assert_eq!(again.header("etag"), Some(tag));
            }
            assert_eq!(ask(("if-none-match", "\"other\"")).await.status, 200);
        }
    }

    async fn urls_come_from_the_settings_and_never_from_the_request(server: TestServer) {
        let stranger = server.stranger();
        for path in [&["/oauth/clients"], &DOCUMENTS[..]].concat() {
            for (name, value) in [
                ("host", "evil.example"), ("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "https"),
                ("forwarded", "host=evil.example;proto=https"),
            ] {
                let reply = stranger.send(stranger.request("GET", path).header(name, value)).await;
                let challenge = reply.header("www-authenticate").unwrap_or_default();
                let all = format!("{}{challenge}", reply.text);
                assert!(!all.contains("evil.example") && !all.contains("https://server.test"), "{all}");
            }
        }
    }

    async fn an_issuer_with_a_path_is_found_where_the_rfcs_put_it(server: TestServer) {
        let settings = [("TOKEN_SERVICE_URL", "https://pub.example/agents")];
        let server = TestServer::start_with(server.app.db.dialect(), &settings).await;
        let stranger = server.stranger();

        for document in DOCUMENTS {
            let plain = stranger.get(document).await;
            let of_path = stranger.get(&format!("{document}/agents")).await;
            assert_eq!((plain.status, of_path.status), (200, 200));
            assert_eq!(plain.text, of_path.text);
            assert!(plain.text.contains("https://pub.example/agents\""));
            let other = stranger.get(&format!("{document}/other")).await;
            assert_eq!(other.status, 404);
        }
        let refused = stranger.get("/oauth/clients").await;
        let challenge = refused.header("www-authenticate").unwrap();
        let metadata = "https://pub.example/.well-known/oauth-protected-resource/agents";
        assert!(challenge.contains(metadata), "{challenge}");
    }
}
