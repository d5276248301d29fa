import { useState } from "react";
import { Button } from "../kit/Button";
import { Check, SelectField, TextField } from "../kit/Field";
import { FormDialog } from "../kit/FormDialog";
import { useAct } from "../parts/useAct";
import { changeUser, createUser, deleteUser, setPassword, type User } from "./queries";

const ROLES = [
  ["owner", "owner: everything"],
  ["admin", "admin: everything but keys and settings"],
  ["editor", "editor: makes agents, tools and databases"],
  ["operator", "operator: has agents work, decides"],
  ["viewer", "viewer: sees what is there"],
] as const;

/** A new user, or what of one is to change. */
export function UserDialog({ user, onClose }: { user: User | null; onClose: () => void }) {
  const [form, setForm] = useState({
    username: user?.username ?? "",
    display_name: user?.display_name ?? "",
    role: user?.role ?? "operator",
    scope: user?.scope ?? "",
    password: "",
    is_active: user?.is_active ?? true,
  });
  const set = (name: keyof typeof form) => (value: string) =>
    setForm((before) => ({ ...before, [name]: value }));
  const write = useAct(
    async () => {
      const { username, password, is_active, ...rest } = form;
      if (!user) return createUser({ username: username.trim(), ...rest, ...(password && { password }) });
      const changed = await changeUser(user.id, { ...rest, is_active });
      if (password) await setPassword(user.id, password);
      return changed;
    },
    {
      keys: ["users"],
      said: (it) => (user ? `Changed ${it.username}; it holds at once` : `${it.username} can sign in`),
      after: onClose,
    },
  );
  const remove = useAct(() => deleteUser(user?.id ?? ""), {
    keys: ["users"],
    said: () => `Deleted ${user?.username}`,
    after: onClose,
  });
  return (
    <FormDialog
      title={user ? `Change ${user.username}` : "New user"}
      verb="Save user"
      doing="Saving…"
      of={{ isPending: write.isPending, error: write.error ?? remove.error }}
      onSubmit={() => write.mutate()}
      onClose={onClose}
      known={["/username", "/display_name", "/role", "/scope", "/password"]}
      beside={
        user && (
          <Button look="danger" busy={remove.isPending && "Deleting…"} onClick={() => remove.mutate()}>
            Delete user
          </Button>
        )
      }
    >
      {!user && (
        <TextField
          label="User name"
          required
          pointer="/username"
          hint="What is typed to sign in."
          value={form.username}
          onChange={set("username")}
        />
      )}
      <TextField
        label="Display name"
        optional
        pointer="/display_name"
        value={form.display_name}
        onChange={set("display_name")}
      />
      <SelectField label="Role" pointer="/role" options={ROLES} value={form.role} onChange={set("role")} />
      <TextField
        label="Further scopes"
        optional
        mono
        pointer="/scope"
        hint="With spaces between, such as those of your own."
        value={form.scope}
        onChange={set("scope")}
      />
      <TextField
        label={user ? "Another password" : "Password"}
        optional
        type="password"
        autoComplete="new-password"
        pointer="/password"
        hint={
          user
            ? "Empty keeps the one that there is. With another, he is signed out everywhere."
            : "12 characters or more. Without one he cannot sign in yet."
        }
        value={form.password}
        onChange={set("password")}
      />
      {user && (
        <Check
          label="Active"
          hint="Who is inactive cannot sign in, and what acts for him is void."
          checked={form.is_active}
          onChange={(is_active) => setForm((before) => ({ ...before, is_active }))}
        />
      )}
    </FormDialog>
  );
}
