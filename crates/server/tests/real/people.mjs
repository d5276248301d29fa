// Signs a person in and acts for him, with the OAuth libraries of JavaScript. Arguments: the URL of the server, a client of it
// without a secret, and where the person is sent back to. Lines of standard input are the URLs with which the browser came back;
// lines of standard output are those to which it is to go.
import { createInterface } from "node:readline";
import assert from "node:assert/strict";
import * as jose from "jose";
import * as oauth from "oauth4webapi";
import * as oidc from "openid-client";

const [base, clientId, redirectUri] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function browse(url) {
  console.log(String(url));
  return new URL((await lines.next()).value);
}

async function withOpenidClient() {
  const config = await oidc.discovery(new URL(base), clientId, undefined, oidc.None(), {
    algorithm: "oauth2",
    execute: [oidc.allowInsecureRequests],
  });
  assert(config.serverMetadata().supportsPKCE());
  const verifier = oidc.randomPKCECodeVerifier();
  const state = oidc.randomState();
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: "agent.read",
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    resource: base,
  });
  const back = await browse(url);
  const first = await oidc.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: state });
  const second = await oidc.refreshTokenGrant(config, first.refresh_token);
  assert.notEqual(second.refresh_token, first.refresh_token);
  assert.equal((await oidc.fetchProtectedResource(config, second.access_token, new URL(`${base}/agents`), "GET")).status, 200);
  await oidc.tokenRevocation(config, second.refresh_token);
  await assert.rejects(oidc.refreshTokenGrant(config, second.refresh_token), { error: "invalid_grant" });
  await assert.rejects(oidc.fetchProtectedResource(config, second.access_token, new URL(`${base}/agents`), "GET"));
}

async function withOauth4webapi() {
  const insecure = { [oauth.allowInsecureRequests]: true };
  const issuer = new URL(base);
  const server = await oauth.processDiscoveryResponse(
    issuer,
    await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure }),
  );
  assert.equal(server.authorization_response_iss_parameter_supported, true);
  const client = { client_id: clientId };
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const url = new URL(server.authorization_endpoint);
  for (const [name, value] of Object.entries({
    response_type: "code",
    client_id: clientId,
    redirect_uri: redirectUri,
    scope: "agent.read",
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
  })) {
    url.searchParams.set(name, value);
  }
  const back = oauth.validateAuthResponse(server, client, await browse(url), state);
  const answer = await oauth.authorizationCodeGrantRequest(server, client, oauth.None(), back, redirectUri, verifier, insecure);
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, answer);
  const keys = jose.createRemoteJWKSet(new URL(server.jwks_uri));
  const { payload } = await jose.jwtVerify(tokens.access_token, keys, {
    issuer: server.issuer,
    audience: server.issuer,
    typ: "at+jwt",
    algorithms: ["EdDSA"],
    requiredClaims: ["sub", "client_id", "exp", "iat", "jti", "scope"],
  });
  assert.equal(payload.client_id, clientId);
  assert(payload.sub.startsWith("user:"));
}

await withOpenidClient();
await withOauth4webapi();
console.log("done");
process.exit(0);
