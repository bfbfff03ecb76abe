// The React binding with the real react-dom, on a server and in a page, against the real server.

import { type Client, createClient, type Session } from "@countersign/client";
import { useSession } from "@countersign/client/react";
import { Window } from "happy-dom";
import { act, createElement, StrictMode } from "react";
import { renderToString } from "react-dom/server";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { RealServer } from "./support/real-server.js";
import { until } from "./support/wait.js";

const person = { password: "seven unrelated lanterns drift", name: "Ana" };

let server: RealServer;
let people = 0;
let client: Client;
/** What was rendered, in order. */
let rendered: string[];

function Greeting({ session }: { session: Session }) {
  const { status, user } = useSession(session);
  const text = `${status} ${user?.name ?? "nobody"}`;
  rendered.push(text);
  return createElement("p", null, text);
}

const greeting = (session: Session) => createElement(Greeting, { session });

const signUp = ({ register }: Client) => {
  people += 1;
  return register({ email: `ana${people}@example.com`, ...person });
};

const connect = () => createClient({ endpoint: server.endpoint, transport: "BODY" });

/** A page whose body holds `html` in its first element. */
async function openPage(html = "") {
  const window = new Window();
  vi.stubGlobal("window", window);
  vi.stubGlobal("document", window.document);
  vi.stubGlobal("navigator", window.navigator);
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  const element = window.document.createElement("main");
  element.innerHTML = html;
  window.document.body.append(element);
  return {
    element,
    container: element as unknown as Element,
    dom: await import("react-dom/client"),
  };
}

beforeAll(async () => {
  server = await RealServer.start();
}, 60_000);

beforeEach(() => {
  rendered = [];
  client = connect();
});

afterEach(() => client.session.dispose());

afterAll(() => server?.stop());

test("on a server it renders as restoring, and nothing is sent", () => {
  const sent = vi.spyOn(globalThis, "fetch");
  expect(renderToString(greeting(client.session))).toBe("<p>restoring nobody</p>");
  expect(client.session.state.status).toBe("restoring");
  expect(sent).not.toHaveBeenCalled();
});

test("a server's page is hydrated without a complaint, though somebody is signed in already", async () => {
  const html = renderToString(greeting(connect().session));
  await signUp(client);
  const { container, element, dom } = await openPage(html);
  const complaints: unknown[] = [];
  rendered = [];
  const root = await act(async () =>
    dom.hydrateRoot(container, greeting(client.session), {
      onRecoverableError: (error) => complaints.push(error),
    }),
  );
  expect(rendered[0]).toBe("restoring nobody");
  expect(element.textContent).toBe("live Ana");
  expect(complaints).toEqual([]);
  await act(async () => root.unmount());
});

test("in strict mode it follows the session, and another session when it is given one", async () => {
  const { container, element, dom } = await openPage();
  const root = dom.createRoot(container);
  const show = (session: Session) =>
    act(async () => root.render(createElement(StrictMode, null, greeting(session))));
  await show(client.session);
  expect(element.textContent).toBe("restoring nobody");
  await act(async () => signUp(client));
  expect(element.textContent).toBe("live Ana");
  await act(async () => client.session.token({ force: true }));
  expect(element.textContent).toBe("live Ana");

  const other = connect();
  await show(other.session);
  expect(element.textContent).toBe("restoring nobody");
  const before = rendered.length;
  await act(async () => client.logout());
  expect(rendered).toHaveLength(before);
  await act(async () => signUp(other));
  expect(element.textContent).toBe("live Ana");

  await act(async () => root.unmount());
  rendered = [];
  await other.logout();
  await until("it is signed out", () => other.session.state.status === "signed-out");
  expect(rendered).toEqual([]);
});

test("it renders once for a change, and not at all without one", async () => {
  const { container, dom } = await openPage();
  await signUp(client);
  const root = dom.createRoot(container);
  await act(async () => root.render(greeting(client.session)));
  await act(async () => client.session.token());
  expect(rendered).toEqual(["live Ana"]);
  await act(async () => client.logout());
  expect(rendered).toEqual(["live Ana", "signed-out nobody"]);
  await act(async () => root.unmount());
});
