// An OpenID provider by which people sign in to the server: the npm package `oidc-provider`, with its pages for development.
// Arguments: the port, where people are sent back to, and the secret of the client `agents`. Whoever signs in is in the group of his name.
import { createHash, generateKeyPairSync } from "node:crypto";
import { Provider } from "oidc-provider";

const [port, redirectUri, secret] = process.argv.slice(2);

function key(type, alg, options) {
  const jwk = generateKeyPairSync(type, options).privateKey.export({ format: "jwk" });
  const kid = createHash("sha256").update(jwk.x ?? jwk.n).digest("base64url");
  return { ...jwk, alg, use: "sig", kid };
}

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys: [key("rsa", "RS256", { modulusLength: 2048 }), key("ed25519", "EdDSA")] },
  clients: [
    {
      client_id: "agents",
      client_secret: secret,
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code"],
      response_types: ["code"],
      token_endpoint_auth_method: "client_secret_basic",
    },
  ],
  scopes: ["openid", "email", "profile", "groups"],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
  conformIdTokenClaims: false,
  cookies: { keys: ["a key of a test"] },
  pkce: { required: () => true },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@fjord.example`, email_verified: true, name: id, groups: [id] }),
  }),
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
