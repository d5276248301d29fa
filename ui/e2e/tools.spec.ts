import type { Page } from "@playwright/test";
import { expect, signIn, test, user } from "./server";

test.use({ of: "tools" });

/** Types this over all that stands in an editor. */
async function write(page: Page, label: string, text: string) {
  await page.getByRole("textbox", { name: label, exact: true }).press("Control+a");
  await page.keyboard.type(text.slice(0, 1));
  await page.keyboard.insertText(text.slice(1));
}

test("a script is made, tried, changed, compared and deleted", async ({ signedIn: page, server }) => {
  await page.goto(`${server.url}/ui/tools`);
  await page.getByRole("link", { name: "New tool" }).click();
  await page.getByRole("link", { name: /^javascript/ }).click();
  await page.getByLabel("Name", { exact: true }).fill("add");
  await page.getByLabel("Description").fill("Adds two numbers.");
  await page.getByLabel("Effect").selectOption("read");
  const schema = {
    type: "object",
    required: ["a", "b"],
    properties: { a: { type: "number", maximum: 100 }, b: { type: "number" }, note: { type: "string" } },
  };
  await write(page, "Input schema", JSON.stringify(schema));
  await write(page, "Source", "return { sum: input.a + ");
  await page.keyboard.press("Control+s");
  // What the server finds wrong with the script stands below it.
  await expect(page.getByText("/execute_code").first()).toBeVisible();
  await write(page, "Source", "console.log('adding'); return { sum: input.a + input.b };");
  await page.keyboard.press("Control+s");
  await expect(page).toHaveURL(`${server.url}/ui/tools/add`);

  await page.getByLabel(/^a\b/).fill("400");
  await page.getByLabel(/^b\b/).fill("2");
  await page.getByRole("button", { name: "Call tool" }).click();
  await expect(page.getByText("/input/a").first()).toBeVisible();
  await page.getByLabel(/^a\b/).fill("40");
  await page.getByRole("button", { name: "Call tool" }).click();
  await expect(page.getByRole("figure", { name: "Result" })).toContainText('"sum": 42');
  await expect(page.getByRole("list", { name: "What happened" })).toContainText("adding");
  await expect(page).toHaveURL(/run=/);

  // The call has an address, and its arguments are there to be used again.
  await page.reload();
  await expect(page.getByRole("figure", { name: "Result" })).toContainText('"sum": 42');
  await page.getByRole("button", { name: "Use its arguments" }).click();
  await expect(page.getByLabel(/^a\b/)).toHaveValue("40");
  await page.getByRole("button", { name: "JSON", exact: true }).click();
  await expect(page.getByRole("textbox", { name: "Arguments" })).toContainText('"b": 2');
  await write(page, "Arguments", '{"a": 1, "b": 1, "c": 1}');
  await expect(page.getByText("It has members that the form does not show")).toBeVisible();

  await page.getByRole("link", { name: "Definition" }).click();
  await write(page, "Source", "return { sum: input.a + input.b + 0 };");
  await page.getByRole("link", { name: "Versions" }).click();
  await page.getByRole("button", { name: "Stay here" }).click();
  await page.getByRole("button", { name: "JSON", exact: true }).click();
  await expect(page.getByLabel("Definition", { exact: true })).toContainText("input.b + 0");
  await page.getByRole("button", { name: "Form", exact: true }).click();
  await page.getByRole("button", { name: /Save tool/ }).click();
  await expect(page.getByText("Version 2 is called from now on")).toBeVisible();
  await page.getByRole("link", { name: "Versions" }).click();
  await expect(page.getByRole("region", { name: "Changes" })).toContainText("execute_code");
  await page.getByRole("button", { name: "Restore" }).click();
  await expect(page.getByText("Version 3 is a copy of version 1")).toBeVisible();

  await page.getByRole("button", { name: "Delete tool…" }).click();
  await page.getByRole("button", { name: "Delete tool", exact: true }).click();
  await expect(page).toHaveURL(`${server.url}/ui/tools`);
});

test("a request is put together, and a secret is picked", async ({ signedIn: page, server }) => {
  await server.admin("POST", "/secrets", {
    name: "shop_key",
    value: "sk-a-value",
    hosts: ["api.example.com"],
  });
  await page.goto(`${server.url}/ui/tools/new?kind=http`);
  await page.getByLabel("Name", { exact: true }).fill("order");
  await page.getByLabel("Description").fill("Reads an order.");
  await page.getByLabel("Headers, name 1").fill("x-shop");
  await page.getByLabel("Headers, value 1").fill("north");
  await page.getByLabel("Sends").selectOption("bearer");
  await page.getByRole("combobox", { name: "Secret" }).fill("shop_kye");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "shop_key", exact: true }).click();
  await expect(page.getByText("Its value goes to api.example.com only")).toBeVisible();
  await page.keyboard.press("Control+s");
  await expect(page).toHaveURL(`${server.url}/ui/tools/order`);
  expect(await server.admin("GET", "/tools/definitions/order")).toMatchObject({
    kind: "http",
    config: { headers: { "x-shop": "north" }, auth: { type: "bearer", secret: "shop_key" } },
  });
});

test("tools come of an OpenAPI document", async ({ signedIn: page, server }) => {
  const document = {
    openapi: "3.1.0",
    info: { title: "Shop", version: "1" },
    servers: [{ url: "https://api.example.com" }],
    paths: {
      "/stock/{id}": {
        get: {
          operationId: "readStock",
          description: "How many there are.",
          parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" } }],
          responses: {},
        },
        put: {
          operationId: "sendFile",
          requestBody: { content: { "multipart/form-data": {} } },
          responses: {},
        },
      },
      "/stock": { get: { operationId: "listStock", description: "All.", responses: {} } },
    },
  };
  await page.goto(`${server.url}/ui/tools/import`);
  await page.getByRole("button", { name: "File" }).click();
  await page.getByLabel("Document", { exact: true }).setInputFiles({
    name: "shop.json",
    mimeType: "application/json",
    buffer: Buffer.from(JSON.stringify(document)),
  });
  await page.getByRole("button", { name: "Look what is in it" }).click();
  await expect(page.getByText("2 operations can be a tool")).toBeVisible();
  await expect(page.getByText(/sendFile/)).toBeVisible();
  await page.getByLabel(/listStock/).uncheck();
  await page.getByRole("button", { name: "Make 1 tool" }).click();
  await expect(page.getByText("1 tool is there")).toBeVisible();
  await page.goto(`${server.url}/ui/tools`);
  await expect(page.getByRole("link", { name: "readStock" })).toBeVisible();
  await expect(page.getByRole("link", { name: "listStock" })).toHaveCount(0);
});

test("a call that needs a person waits for one where it is tried", async ({ signedIn: page, server }) => {
  await server.admin("POST", "/tools/definitions", {
    name: "asks",
    description: "Asks first.",
    kind: "static",
    input_schema: { type: "object" },
    config: { result: "done" },
    approval: "always",
  });
  await page.goto(`${server.url}/ui/tools/asks`);
  await page.getByRole("button", { name: "Call tool" }).click();
  await page.getByRole("button", { name: /^Approve/ }).click();
  await expect(page.getByRole("figure", { name: "Result" })).toContainText('"done"');
});

test("whoever may only call a tool is offered nothing more", async ({ page, server }) => {
  await signIn(page, server, await user(server, "olaf", "operator"), "/ui/tools/current_time");
  await expect(page.getByRole("button", { name: "Call tool" })).toBeEnabled();
  await expect(page.getByRole("link", { name: "Definition" })).toHaveCount(0);
  await page.goto(`${server.url}/ui/tools/current_tme`);
  await page.getByRole("link", { name: "current_time" }).click();
  await expect(page).toHaveURL(`${server.url}/ui/tools/current_time`);
  await page.goto(`${server.url}/ui/tools`);
  await expect(page.getByRole("link", { name: "New tool" })).toHaveCount(0);
});
