import { getRouteApi } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { Skeleton } from "../kit/Messages";
import { NewPage } from "../parts/NewPage";
import { workflowDefinitionQuery } from "./queries";

const MakeWorkflow = lazy(() => import("./MakeWorkflow"));

const route = getRouteApi("/workflows/new");
const CRUMBS = [{ label: "Workflows", to: "/workflows" }] as const;

export function NewWorkflowPage() {
  const { from } = route.useSearch();
  const navigate = route.useNavigate();
  return (
    <NewPage title="New workflow" crumbs={CRUMBS} from={from} read={workflowDefinitionQuery}>
      {(original) => (
        <Suspense fallback={<Skeleton />}>
          <MakeWorkflow
            key={from ?? ""}
            original={original}
            open={(it) =>
              navigate({ to: "/workflows/$workflowId", params: { workflowId: it.name }, search: {} })
            }
          />
        </Suspense>
      )}
    </NewPage>
  );
}
