import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";

/** A request as it arrived. */
export interface Call {
  /** The GraphQL operation's name, or the path of anything else, without the hash of a built file. */
  operation: string;
  variables: Record<string, unknown>;
  authorization: string | undefined;
  /** Milliseconds, on a clock that only runs forward. */
  at: number;
}

/** One call, with the ways to answer it. */
export interface Exchange {
  call: Call;
  response: ServerResponse;
  /** Has the server answer it. */
  forward(): Promise<Answer>;
}

/** How a call is treated instead of being passed on. */
export type Fault = (exchange: Exchange) => unknown;

interface Answer {
  status: number;
  headers: OutgoingHttpHeaders;
  body: Buffer;
}

/** A call that is being held, until it is let go. */
export interface Held {
  /** Resolves when the call has arrived and, where its answer is held, the server has answered. */
  arrived: Promise<unknown>;
  release(): void;
}

/**
 * The wire between browser and server on the origin that the browser sees. It counts what arrives at its end, and breaks on request.
 * Every answer closes its connection: on one that is used again Chromium would repeat a request by itself.
 */
export class Wire {
  readonly calls: Call[] = [];
  /** Where the server is. */
  target = "";
  readonly #server: Server;
  readonly #faults = new Map<string, Fault>();
  readonly #held = new Set<() => void>();
  readonly #streams = new Set<Duplex>();

  private constructor(server: Server) {
    this.#server = server;
    server.on("request", (incoming, response) => void this.#receive(incoming, response));
    server.on("upgrade", (incoming, socket, head) => this.#join(incoming, socket, head));
  }

  static async start(): Promise<Wire> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Wire(server);
  }

  get origin(): string {
    return `http://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How many WebSockets are open. */
  get streams(): number {
    return this.#streams.size;
  }

  /** The calls of `operation`, in the order of their arrival. */
  callsOf(operation: string): Call[] {
    return this.calls.filter((call) => call.operation === operation);
  }

  count(operation: string): number {
    return this.callsOf(operation).length;
  }

  /** Breaks every call of `operation`, until it is mended. */
  break(operation: string, fault: Fault): void {
    this.#faults.set(operation, fault);
  }

  /** Breaks the next call of `operation`. */
  breakOnce(operation: string, fault: Fault): void {
    this.break(operation, (exchange) => {
      this.mend(operation);
      return fault(exchange);
    });
  }

  mend(operation: string): void {
    this.#faults.delete(operation);
  }

  /** Has the server answer the next call of `operation`, and holds that answer back. */
  holdAnswer(operation: string): Held {
    return this.#hold(operation, async ({ forward, response }, gate) => {
      const answer = await forward();
      await gate();
      write(response, answer);
    });
  }

  /** Holds the next call of `operation` back from the server. */
  holdCall(operation: string): Held {
    return this.#hold(operation, async ({ forward, response }, gate) => {
      await gate();
      write(response, await forward());
    });
  }

  /** Forgets what was counted, and breaks nothing any more. */
  reset(): void {
    this.calls.length = 0;
    this.#faults.clear();
    for (const release of this.#held) release();
  }

  async stop(): Promise<void> {
    for (const socket of this.#streams) socket.destroy();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  #hold(
    operation: string,
    treat: (exchange: Exchange, gate: () => Promise<void>) => Promise<void>,
  ): Held {
    let release = () => {};
    let arrive = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    this.#held.add(release);
    const gate = () => {
      arrive();
      return released;
    };
    this.breakOnce(operation, (exchange) => treat(exchange, gate));
    return { arrived, release };
  }

  async #receive(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const at = performance.now();
    const body = await buffer(incoming);
    const call: Call = {
      ...named(incoming, body),
      authorization: incoming.headers.authorization,
      at,
    };
    this.calls.push(call);
    response.setHeader("connection", "close");
    const forward = () => this.#forward(incoming, body);
    const fault = this.#faults.get(call.operation);
    try {
      if (fault === undefined) write(response, await forward());
      else await fault({ call, response, forward });
    } catch {
      response.destroy(); // the server is away
    }
  }

  async #forward({ method, url, headers }: IncomingMessage, body: Buffer): Promise<Answer> {
    const outgoing = request(`${this.target}${url}`, {
      method: method ?? "GET",
      headers: { ...headers, "accept-encoding": "identity" },
    });
    outgoing.end(body);
    const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
    const { connection: _, "transfer-encoding": __, ...rest } = answer.headers;
    return {
      status: answer.statusCode ?? 502,
      headers: rest,
      body: await buffer(answer),
    };
  }

  /** Passes a WebSocket through, byte for byte. */
  #join({ method, url, rawHeaders }: IncomingMessage, socket: Duplex, head: Buffer): void {
    const upstream = connect(Number(new URL(this.target).port), "127.0.0.1");
    const lines = [`${method} ${url} HTTP/1.1`];
    for (let at = 0; at < rawHeaders.length; at += 2)
      lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
    upstream.write(`${lines.join("\r\n")}\r\n\r\n`);
    upstream.write(head);
    socket.pipe(upstream).pipe(socket);
    this.#streams.add(socket);
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
    socket.on("close", () => this.#streams.delete(socket));
  }
}

/** What the build puts behind the name of a file. */
const HASH = /-[\w-]{8}(?=\.\w+$)/;

function named({ url = "" }: IncomingMessage, body: Buffer): Pick<Call, "operation" | "variables"> {
  if (url !== "/graphql") return { operation: url.replace(HASH, ""), variables: {} };
  const { query = "", variables = {} } = JSON.parse(body.toString()) as {
    query?: string;
    variables?: Record<string, unknown>;
  };
  return { operation: /^\s*\w+ (\w+)/.exec(query)?.[1] ?? "", variables };
}

function write(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, headers).end(body);
}

/** Answers in the server's place. */
export const answer =
  (status: number, body = "", headers: OutgoingHttpHeaders = {}): Fault =>
  ({ response }) =>
    response.writeHead(status, headers).end(body);

/** Never answers. */
export const hang: Fault = () => {};

/** Has the server do it, and breaks off in the middle of its answer. */
export const cut: Fault = async ({ forward, response }) => {
  const { status, headers, body } = await forward();
  response.writeHead(status, { ...headers, "content-length": body.length });
  response.write(body.subarray(0, body.length / 2), () => response.destroy());
};

/** Has the server do it, and loses its answer. */
export const lose: Fault = async ({ forward, response }) => {
  await forward();
  response.destroy();
};

/** Has the server do it, and takes so much longer to answer. */
export const delay =
  (ms: number): Fault =>
  async ({ forward, response }) => {
    const answered = await forward();
    await new Promise((resolve) => setTimeout(resolve, ms));
    write(response, answered);
  };
