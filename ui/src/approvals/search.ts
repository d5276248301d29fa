import { oneOf, type Raw } from "../kit/search";

export const APPROVAL_TABS = ["pending", "approved", "rejected", "expired", "canceled"] as const;

export interface ApprovalsSearch {
  tab?: (typeof APPROVAL_TABS)[number] | undefined;
}

export const approvalsSearch = (raw: Raw): ApprovalsSearch => ({ tab: oneOf(raw, "tab", APPROVAL_TABS) });
