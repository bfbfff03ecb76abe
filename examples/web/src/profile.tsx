/** What both libraries ask for: the address of `/graphql/ws`, and the operations. */
export const socketUrl = () => `${location.origin.replace("http", "ws")}/graphql/ws`;
export const ME = "query Me { me { id name } }";
export const RENAME =
  "mutation Rename($name: String!) { updateProfile(input: { name: $name }) { id name } }";
export const EVENTS = "subscription Events { sessionEvents { kind reason } }";

export interface Me {
  me: { id: string; name: string };
}

export interface Events {
  sessionEvents: { kind: string; reason: string };
}

interface ProfileProps {
  me: Me | undefined;
  events: Events | undefined;
  problem: Error | undefined;
  rename(name: string): unknown;
}

/** The signed-in user's name, which a form changes, and the last event of the session. */
export function Profile({ me, events, problem, rename }: ProfileProps) {
  return (
    <form action={(fields) => void rename(String(fields.get("name")))}>
      <p>Name: {me?.me.name ?? "…"}</p>
      <p>Last event: {events?.sessionEvents.reason ?? "none"}</p>
      <p role="alert">{problem?.message}</p>
      <label>
        New name <input name="name" required />
      </label>
      <button type="submit">Rename</button>
    </form>
  );
}
