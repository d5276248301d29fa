// Shows a token to a server for a client that has none: `conformance.mjs PORT SERVER_PORT TOKEN`.
import http from "node:http";

const [port, server, token] = process.argv.slice(2);
const proxy = http.createServer((request, response) => {
  const headers = { ...request.headers, authorization: `Bearer ${token}` };
  const { method, url: path } = request;
  const onward = http.request({ host: "127.0.0.1", port: server, path, method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  onward.on("error", () => response.destroy());
  response.on("close", () => onward.destroy());
  request.pipe(onward);
});
proxy.listen(port, "127.0.0.1", () => console.log("ready"));
