import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { FakeStreams } from "./fake-streams.js";

/** A request as the server saw it. */
export interface Call {
  /** The GraphQL operation's name; empty for anything that is not GraphQL. */
  operation: string;
  variables: Record<string, unknown>;
  headers: IncomingMessage["headers"];
  path: string;
  body: string;
}

/** Answers one call; returns false to leave it to the ordinary behaviour. */
export type Handler = (call: Call, response: ServerResponse) => unknown;

/**
 * An HTTP server on loopback that speaks the answers of Countersign, with generations and attempt keys as the design has
 * them, and misbehaves on request.
 */
export class FakeServer {
  readonly calls: Call[] = [];
  /** Seconds. */
  lifetime = 60;
  generation = 0;
  lastAttempt: unknown;
  sessionEnded: string | null = null;
  sessionId = "session-1";
  role = "USER";
  readonly streams: FakeStreams;
  #firstGeneration = 0;
  #provenGeneration = 0;
  #handlers = new Map<string, Handler>();

  private constructor(
    private readonly server: Server,
    readonly origin: string,
  ) {
    this.streams = new FakeStreams(server);
  }

  static async start(port = 0): Promise<FakeServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    const address = server.address() as AddressInfo;
    const fake = new FakeServer(server, `http://127.0.0.1:${address.port}`);
    server.on("request", (request, response) => fake.#receive(request, response));
    return fake;
  }

  get endpoint(): string {
    return `${this.origin}/graphql`;
  }

  get port(): number {
    return Number(new URL(this.origin).port);
  }

  /** Handles the operation `name` (or a path) until further notice; null restores the ordinary behaviour. */
  on(name: string, handler: Handler | null): void {
    if (handler === null) this.#handlers.delete(name);
    else this.#handlers.set(name, handler);
  }

  /** Handles the next call of `name` only. */
  once(name: string, handler: Handler): void {
    this.on(name, (call, response) => {
      this.on(name, null);
      return handler(call, response);
    });
  }

  count(operation: string): number {
    return this.calls.filter((call) => call.operation === operation).length;
  }

  last(operation: string): Call {
    const found = this.calls.filter((call) => call.operation === operation).at(-1);
    if (found === undefined) throw new Error(`no call of ${operation}`);
    return found;
  }

  async stop(): Promise<void> {
    this.streams.stop();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** The payload of the current generation. */
  grant() {
    return {
      user: {
        id: "user-1",
        email: "ana@example.com",
        name: "Ana",
        role: this.role,
        createdAt: "2026-11-21T09:30:00Z",
        disabled: false,
        emailVerified: false,
      },
      accessToken: `access-${this.generation}`,
      expiresIn: this.lifetime,
      issuedAt: new Date(Math.floor(Date.now() / 1000) * 1000).toISOString(),
      sessionId: this.sessionId,
      refreshToken: `refresh-${this.generation}`,
    };
  }

  /** Rotates as the server does: the same attempt gets the same answer. */
  rotate(attempt: unknown): void {
    if (attempt !== this.lastAttempt) this.generation += 1;
    this.lastAttempt = attempt;
  }

  /** Makes earlier refresh tokens worthless, but for the repeat of this attempt. */
  prove(attempt: unknown): void {
    this.generation += 1;
    this.#provenGeneration = this.generation;
    this.lastAttempt = attempt;
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      const call = toCall(request, body);
      this.calls.push(call);
      const handler = this.#handlers.get(call.operation) ?? this.#handlers.get(call.path);
      if (handler === undefined || handler(call, response) === false) this.#behave(call, response);
    });
  }

  #behave(call: Call, response: ServerResponse): void {
    switch (call.operation) {
      case "Login":
      case "Register":
        this.generation += 1;
        this.sessionEnded = null;
        this.#firstGeneration = this.generation;
        json(response, { data: { auth: this.grant() } });
        break;
      case "Refresh":
        this.#refresh(call, response);
        break;
      case "ChangePassword":
      case "Reauthenticate":
        this.prove(call.variables.attempt);
        json(response, { data: { auth: this.grant() } });
        break;
      case "LogoutEverywhere":
      case "DeleteAccount":
        this.sessionEnded = "SESSION_ENDED";
        json(response, { data: { auth: call.operation === "DeleteAccount" || 3 } });
        break;
      case "Logout":
        if (this.#isCurrent(call.variables.refreshToken)) this.sessionEnded = "SESSION_ENDED";
        json(response, { data: { auth: true } });
        break;
      default:
        json(response, { data: { token: call.headers.authorization ?? null } });
    }
  }

  /** Whether a refresh token, or the cookie, is of the latest sign-in. */
  #isCurrent(refreshToken: unknown): boolean {
    return refreshToken === null || Number(String(refreshToken).slice(8)) >= this.#firstGeneration;
  }

  #isWorthless({ variables: { refreshToken, attempt } }: Call): boolean {
    const generation = Number(String(refreshToken).slice(8));
    return generation < this.#provenGeneration && attempt !== this.lastAttempt;
  }

  #refresh(call: Call, response: ServerResponse): void {
    if (this.sessionEnded !== null) {
      refuse(response, "UNAUTHENTICATED", this.sessionEnded);
    } else if (this.#isWorthless(call)) {
      refuse(response, "UNAUTHENTICATED", "REFRESH_INVALID");
    } else {
      this.rotate(call.variables.attempt);
      json(response, { data: { auth: this.grant() } });
    }
  }
}

function toCall(request: IncomingMessage, body: string): Call {
  const { query, variables } = safeParse(body);
  const operation = /\b(?:mutation|query)\s+(\w+)/.exec(query ?? "")?.[1] ?? "";
  return {
    operation,
    variables: variables ?? {},
    headers: request.headers,
    path: request.url ?? "",
    body,
  };
}

function safeParse(body: string): { query?: string; variables?: Record<string, unknown> } {
  try {
    return JSON.parse(body);
  } catch {
    return {};
  }
}

/** Sends JSON. */
export function json(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** Sends a GraphQL error. */
export function refuse(
  response: ServerResponse,
  code: string,
  reason?: string,
  more: object = {},
): void {
  json(response, {
    data: null,
    errors: [{ message: "refused", extensions: { code, reason, ...more } }],
  });
}
