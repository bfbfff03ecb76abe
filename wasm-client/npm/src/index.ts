export { createClient } from "./client.js";
export { CountersignError, type ErrorCode, type ErrorDetails, type ErrorReason } from "./error.js";
export type {
  Client,
  ClientOptions,
  RefreshTokenStore,
  RequestOptions,
  Role,
  Session,
  SessionState,
  SessionStatus,
  TokenOptions,
  User,
} from "./types.js";
