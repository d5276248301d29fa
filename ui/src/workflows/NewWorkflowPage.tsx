import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { Skeleton } from "../kit/Messages";
import { Body, Head } from "../kit/Page";
import { workflowDefinitionQuery } from "./queries";

const MakeWorkflow = lazy(() => import("./MakeWorkflow"));

const route = getRouteApi("/workflows/new");

export function NewWorkflowPage() {
  const { from } = route.useSearch();
  const navigate = route.useNavigate();
  const original = useQuery({ ...workflowDefinitionQuery(from ?? ""), enabled: Boolean(from) });
  const isSoon = Boolean(from) && original.isPending;
  return (
    <>
      <Head title="New workflow" crumbs={[{ label: "Workflows", to: "/workflows" }]} />
      <Body>
        <Suspense fallback={<Skeleton />}>
          {isSoon ? (
            <Skeleton />
          ) : (
            <MakeWorkflow
              key={from ?? ""}
              original={original.data ?? null}
              open={(it) =>
                navigate({ to: "/workflows/$workflowId", params: { workflowId: it.name }, search: {} })
              }
            />
          )}
        </Suspense>
      </Body>
    </>
  );
}
