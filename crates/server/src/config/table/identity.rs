//! Settings of who signs, who administers, who may register and who may come in.

use crate::config::table::Setting;
use crate::config::table::plain;
use crate::config::table::secret;

pub(super) const IDENTITY: &[Setting] = &[
    plain("MANAGEMENT_CLIENT_ID", "admin", "Client that holds every right, to begin with."),
    secret("MANAGEMENT_CLIENT_SECRET", "Its secret; in production at least 24 characters."),
    secret(
        "MANAGEMENT_CLIENT_SECRET_PREVIOUS",
        "The secret before; valid too while callers change over.",
    ),
    secret(
        "TOKEN_SERVICE_PRIVATE_KEY",
        "Ed25519 key (JWK) that signs access tokens until the database has another; made by `agent-server setup-auth`. \
         It can be left out once `agent-server keys import` has moved it into the database.",
    ),
    plain(
        "TOKEN_SERVICE_PUBLIC_KEY",
        "",
        "Its public half (JWK); must fit the private one if it is set.",
    ),
    secret(
        "AGENT_SERVER_ENCRYPTION_KEY",
        "Key that seals secrets in the database and signs the cursors of lists, the same on all processes: 32 bytes in \
         base64url.",
    ),
    secret(
        "AGENT_SERVER_ENCRYPTION_KEY_PREVIOUS",
        "The key before, with which secrets that it sealed are still opened. A secret is sealed anew whenever it is \
         changed. Cursors that it signed are refused.",
    ),
    plain(
        "REGISTRATION_POLICY",
        "admin",
        "Who may register clients: `admin` (who holds `client.write`), also `token` (who shows `REGISTRATION_TOKEN`), \
         or also `open` (anybody).",
    ),
    secret(
        "REGISTRATION_TOKEN",
        "With `REGISTRATION_POLICY=token`: the initial access token of RFC 7591, as `Authorization: Bearer`. At least \
         32 characters, letters, digits and `-._~+/=` only.",
    ),
    plain(
        "REGISTRATION_SCOPES",
        "agent.read agent.execute",
        "What clients may hold at most that no administrator registered, with spaces between. Of ours only scopes \
         that execute, search and read, `run.write` and `thread.write`; own ones as you like.",
    ),
    plain(
        "CLIENT_ID_DOCUMENTS",
        "",
        "Hosts whose clients need no registration, with commas between: `claude.ai, *.example.com`; `*` for any. The id of \
         such a client is the URL of a document that says what it is (client-id metadata document). Whoever signs in \
         decides whether it may act for him, with at most `REGISTRATION_SCOPES`. Without it there are none.",
    ),
    plain(
        "OIDC_ISSUER",
        "",
        "OpenID provider by which people may sign in, too, exactly as it calls itself: `https://id.example.com`. It is asked \
         through the guard of `AGENT_SERVER_EGRESS_ALLOW`. There `<TOKEN_SERVICE_URL>/sign-in/external/callback` is the \
         redirect URI.",
    ),
    plain("OIDC_CLIENT_ID", "", "Who this server is there."),
    secret("OIDC_CLIENT_SECRET", "Its secret; without one it proves itself by PKCE alone."),
    plain("OIDC_NAME", "<host of OIDC_ISSUER>", "What the button says: `Sign in with …`."),
    plain("OIDC_SCOPES", "openid profile email", "Scopes that the provider is asked for."),
    plain(
        "OIDC_GROUPS_CLAIM",
        "groups",
        "Claim of the ID token in which the groups of somebody stand.",
    ),
    plain(
        "OIDC_ROLES",
        "",
        "Which role who is in a group has, with commas between: `platform=admin, staff=viewer`; `*` is everybody. The highest \
         counts, at each sign-in; who has none is not let in. Without it users keep the roles that they have here.",
    ),
    plain(
        "OIDC_CREATE_USERS",
        "no",
        "`yes`: who was not here before becomes a user, called by his address if the provider has checked it. It needs \
         `OIDC_ROLES`.",
    ),
    plain(
        "OIDC_LINK_BY_EMAIL",
        "no",
        "`yes`: who was not here before is the user whose name is his address, if the provider has checked it.",
    ),
    plain("ACCESS_TOKEN_TTL", "600", "Life of an access token in seconds, 60 to 86400."),
    secret(
        "MASTRA_JWT_SECRET",
        "Accepted because the original server has it. Not used: nothing here is signed with a shared secret.",
    ),
];
