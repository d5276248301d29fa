import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { PATH } from "../api/client";
import { useMay } from "../api/me";
import { Code } from "../kit/Code";
import { Segmented } from "../kit/Page";
import s from "./Mcp.module.css";
import { CLIENTS, type Client, connect } from "./snippets";

/** What clients that are known are told, to be copied. */
export function Connect({ name }: { name: string }) {
  const [client, setClient] = useState<Client>("Claude Code");
  const maySeeClients = useMay("client.read");
  const snippet = connect(client, location.origin + PATH, name);
  return (
    <div className={s.connect}>
      <div className={s.clients}>
        <Segmented
          label="Client"
          value={client}
          options={CLIENTS.map((it) => [it, it] as const)}
          onChange={setClient}
        />
      </div>
      <p className="sub">{snippet.how}</p>
      <Code text={snippet.code} json={snippet.isJson} title={client} />
      <p className="sub">
        A client gets in with a token for this address, which opens nothing else, and sees what the one who
        signed in may use. Programs that run by themselves are{" "}
        {maySeeClients ? <Link to="/clients">clients</Link> : "clients"} with client credentials and the scope{" "}
        <code>mcp.access</code>.
      </p>
    </div>
  );
}
