/** How much attention an event deserves. */
export type Tone = "plain" | "good" | "warning" | "bad";

/** Every kind of event in words, in the order in which a life with an account brings them. */
export const KINDS: Readonly<Record<string, { words: string; tone: Tone }>> = {
  REGISTERED: { words: "Account created", tone: "good" },
  LOGIN_SUCCEEDED: { words: "Signed in", tone: "good" },
  LOGIN_FAILED: { words: "Sign-in failed", tone: "bad" },
  LOGIN_THROTTLED: { words: "Sign-in slowed down", tone: "warning" },
  REFRESHED: { words: "Renewed from another place", tone: "plain" },
  REFRESH_REPEATED: { words: "Renewed twice with one token", tone: "plain" },
  REFRESH_REUSE_DETECTED: { words: "Copied sign-in found", tone: "bad" },
  REAUTHENTICATED: { words: "Password confirmed", tone: "plain" },
  LOGGED_OUT: { words: "Signed out", tone: "plain" },
  SESSION_REVOKED: { words: "Session ended", tone: "warning" },
  PASSWORD_CHANGED: { words: "Password changed", tone: "warning" },
  RECOVERY_LINK_MADE: { words: "Recovery link made", tone: "warning" },
  PASSWORD_RECOVERED: { words: "Password set by a recovery link", tone: "warning" },
  PROFILE_CHANGED: { words: "Name or address changed", tone: "plain" },
  ROLE_CHANGED: { words: "Role changed", tone: "warning" },
  USER_DISABLED: { words: "Account switched off", tone: "bad" },
  USER_ENABLED: { words: "Account switched on", tone: "good" },
  USER_DELETED: { words: "Account deleted", tone: "bad" },
};

/** The words for a kind; one that is newer than this page is shown by its own name. */
export function kindOf(kind: string): { words: string; tone: Tone } {
  return KINDS[kind] ?? { words: kind, tone: "plain" };
}

const BROWSERS = [
  ["Edg", "Edge"],
  ["OPR", "Opera"],
  ["Firefox", "Firefox"],
  ["Chrome", "Chrome"],
  ["Safari", "Safari"],
] as const;

/** "Chrome" or "curl": what a User-Agent header is about. */
export function shortAgent(userAgent: string): string {
  const browser = BROWSERS.find(([mark]) => userAgent.includes(`${mark}/`));
  return browser?.[1] ?? userAgent.split("/", 1).join();
}
