//! `/sign-in/access`, how much one person allows one client, and clients that come after others of the same name.

use serde_json::json;

use super::get_with;
use super::people::Browser;
use super::people::PASSWORD;
use super::people::Pair;
use super::people::Tokens;
use super::people::is_refused;
use super::people::redeem;
use super::people::refresh;
use super::people::user;
use super::register;
use crate::harness::number;

on_both! {
    async fn somebody_sees_what_acts_for_him_and_takes_it_back(server: TestServer) {
        let mut pair = Pair::of(&server, "operator", "agent.read agent.execute").await;
        let stranger = server.stranger();
        let (kept, taken) = (pair.tokens(&stranger).await, pair.tokens(&stranger).await);
        let grants = server.admin().await.get("/grants").await.json();
        let id = grants["data"][0]["id"].as_str().unwrap().to_owned();
        let sign_in_first = Browser::new(&server).get("/sign-in/access").await;
        assert_eq!((sign_in_first.status, sign_in_first.header("location")), (303, Some("/sign-in")));

        let page = pair.browser.get("/sign-in/access").await;

        assert_eq!(page.status, 200);
        for part in ["You are <b class=\"strong\">maria</b> here", "Code editor", "See agents, Talk to agents, and have them work", "this one", &id] {
            assert!(page.text.contains(part), "{part}: {}", page.text);
        }
        let ended = pair.browser.submit("/sign-in/access", &[("grant", &id)]).await;
        assert_eq!((ended.status, ended.header("location")), (303, Some("/sign-in/access")));
        assert_eq!(get_with(&stranger, "/agents", &taken.access).await.status, 401);
        is_refused(&refresh(&stranger, &pair.client, &taken.refresh).await, "invalid_grant");
        assert_eq!(get_with(&stranger, "/agents", &kept.access).await.status, 200);
        assert!(!pair.browser.get("/sign-in/access").await.text.contains(&id));
        let entry = server.admin().await.get("/audit?action=grant.delete").await.json()["data"][0].clone();
        assert_eq!((&entry["actor"], &entry["target"]), (&json!(format!("user:{}", pair.user)), &json!(id)));
    }

    async fn somebody_signs_another_browser_of_his_out(server: TestServer) {
        user(&server, "maria", "viewer").await;
        let (mut here, mut there) = (Browser::new(&server), Browser::new(&server));
        for browser in [&mut there, &mut here] {
            browser.sign_in("maria", PASSWORD).await;
        }
        let sessions = server.admin().await.get("/sessions").await.json();
        let id = sessions["data"][1]["id"].as_str().unwrap().to_owned();

        here.submit("/sign-in/access", &[("session", &id)]).await;

        assert_eq!(there.get("/sign-in/access").await.status, 303);
        assert_eq!(here.get("/sign-in/access").await.status, 200);
    }

    async fn nobody_ends_what_is_of_others(server: TestServer) {
        let mut pair = Pair::of(&server, "operator", "agent.read").await;
        let tokens = pair.tokens(&server.stranger()).await;
        user(&server, "jonas", "owner").await;
        let mut jonas = Browser::new(&server);
        jonas.sign_in("jonas", PASSWORD).await;
        let admin = server.admin().await;
        let id = |list: serde_json::Value| list["data"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
        let (grant, session) = (id(admin.get("/grants").await.json()), id(admin.get("/sessions").await.json()));

        for form in [[("grant", grant.as_str())], [("session", session.as_str())], [("grant", "x")]] {
            assert_eq!(jonas.submit("/sign-in/access", &form).await.status, 303);
        }
        let elsewhere = pair.browser.request("POST", "/sign-in/access").header("sec-fetch-site", "cross-site");
        let refused = pair.browser.send(elsewhere.form(&[("grant", &grant)])).await;

        assert_eq!(refused.status, 403);
        assert_eq!(pair.browser.get("/sign-in/access").await.status, 200);
        assert_eq!(get_with(&server.stranger(), "/agents", &tokens.access).await.status, 200);
        assert!(!jonas.get("/sign-in/access").await.text.contains(&grant));
    }

    async fn one_person_allows_one_client_so_much_and_no_more(server: TestServer) {
        let mut pair = Pair::of(&server, "operator", "agent.read").await;
        let stranger = server.stranger();
        let first = pair.tokens(&stranger).await;
        let mut last = pair.tokens(&stranger).await;
        for _ in 0..19 {
            server.app.clock.advance(std::time::Duration::from_secs(1));
            let code = pair.code().await;
            last = Tokens::of(&redeem(&stranger, &pair.client, &code).await);
        }

        assert_eq!(number(&server, "SELECT COUNT(*) FROM oauth_grants").await, 20);
        is_refused(&refresh(&stranger, &pair.client, &first.refresh).await, "invalid_grant");
        server.app.clients.refresh().await.unwrap();
        assert_eq!(get_with(&stranger, "/agents", &first.access).await.status, 401);
        assert_eq!(get_with(&stranger, "/agents", &last.access).await.status, 200);
    }

    async fn a_client_that_gets_the_id_of_another_is_another(server: TestServer) {
        let (stranger, admin) = (server.stranger(), server.admin().await);
        let body = json!({"serverId": "shop", "name": "Shop", "scopes": ["client.read"]});
        let before = register(&server, body.clone()).await;
        let old = before.token(&stranger).await;
        assert_eq!(get_with(&stranger, "/oauth/clients", &old).await.status, 200);
        assert_eq!(admin.delete("/oauth/clients/shop").await.status, 204);

        let after = register(&server, body).await;

        let new = after.token(&stranger).await;
        assert_eq!(get_with(&stranger, "/oauth/clients", &old).await.status, 401);
        assert_eq!(get_with(&stranger, "/oauth/clients", &new).await.status, 200);
        let (_replica, elsewhere) = server.replica().await;
        let elsewhere = elsewhere.without_token();
        assert_eq!(get_with(&elsewhere, "/oauth/clients", &old).await.status, 401);
        assert_eq!(get_with(&elsewhere, "/oauth/clients", &new).await.status, 200);
        let taken = json!({"serverId": "https://shop.example/client.json", "name": "Shop"});
        assert_eq!(admin.post("/oauth/register", taken).await.status, 400, "such an id is that of a document");
    }
}
