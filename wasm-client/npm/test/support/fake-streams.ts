import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";

/** A connection as the server saw it. */
export interface FakeStream {
  socket: WebSocket;
  /** The token of `connection_init`; undefined before that. */
  token: string | undefined;
  /** Whether `sessionEvents` was subscribed to. */
  isSubscribed: boolean;
  /** The types of the messages that the client sent. */
  received: string[];
}

/** The server's half of graphql-transport-ws at `/graphql/ws`, with the misbehaviour that a test asks for. */
export class FakeStreams {
  /** Every connection that was upgraded, in their order. */
  readonly all: FakeStream[] = [];
  /** Every attempt, also of those that `refuses` answered. */
  attempts = 0;
  /** Refuses the upgrade, as a proxy does that knows no WebSocket. */
  refuses = false;
  /** Takes the connection and says nothing. */
  isMute = false;
  /** Answers an init with a close, or (null) accepts it. */
  judge: (token: string | undefined) => [code: number, reason: string] | null = () => null;

  constructor(server: Server) {
    const sockets = new WebSocketServer({
      noServer: true,
      handleProtocols: (offered) => offered.has("graphql-transport-ws") && "graphql-transport-ws",
    });
    sockets.on("connection", (socket) => this.#serve(socket));
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.attempts += 1;
      if (this.refuses || request.url !== "/graphql/ws")
        socket.end("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
      else sockets.handleUpgrade(request, socket, head, (ws) => sockets.emit("connection", ws));
    });
  }

  /** The connections that stand and are subscribed. */
  get open(): FakeStream[] {
    return this.all.filter(({ socket, isSubscribed }) => socket.readyState === 1 && isSubscribed);
  }

  /** Pushes an event to every open stream. */
  push(kind: string, reason: string, at = new Date()): void {
    const sessionEvents = { kind, at: at.toISOString(), reason };
    for (const { socket } of this.open) send(socket, "next", { data: { sessionEvents } });
  }

  /** Ends every open stream as the server does. */
  end(reason: string): void {
    for (const { socket } of this.open) {
      send(socket, "next", {
        data: { sessionEvents: { kind: "ENDED", at: new Date().toISOString(), reason } },
      });
      send(socket, "complete");
      socket.close(4410, reason);
    }
  }

  /** Closes every open stream. */
  close(code: number, reason = ""): void {
    for (const { socket } of this.open) socket.close(code, reason);
  }

  stop(): void {
    for (const { socket } of this.all) socket.terminate();
  }

  #serve(socket: WebSocket): void {
    const stream: FakeStream = { socket, token: undefined, isSubscribed: false, received: [] };
    this.all.push(stream);
    socket.on("message", (data) => {
      const { type, payload } = JSON.parse(String(data));
      stream.received.push(type);
      if (this.isMute) return;
      if (type === "ping") send(socket, "pong");
      if (type === "subscribe") stream.isSubscribed = payload.query.includes("sessionEvents");
      if (type !== "connection_init") return;
      stream.token = payload?.token;
      const verdict = this.judge(stream.token);
      if (verdict === null) send(socket, "connection_ack");
      else socket.close(...verdict);
    });
  }
}

/** Sends a message of the protocol. */
export function send(socket: WebSocket, type: string, payload?: unknown): void {
  const id = type === "next" || type === "complete" || type === "error" ? { id: "1" } : {};
  socket.send(JSON.stringify({ ...id, type, payload }));
}
