import { useEffect, useId, useState } from "react";
import { useAnswer } from "../answer.ts";
import { PERSON, type PersonData, USERS, type UsersData } from "../queries.ts";
import { Button } from "../ui/button.tsx";

interface PersonFilterProps {
  userId: string | null;
  onPick(userId: string | null): void;
}

/** Picks one person by address; whoever is picked is shown, with the way back to everybody. */
export function PersonFilter({ userId, onPick }: PersonFilterProps) {
  if (userId === null) return <PersonSearch onPick={onPick} />;
  return <Picked userId={userId} onClear={() => onPick(null)} />;
}

function PersonSearch({ onPick }: { onPick(userId: string): void }) {
  const id = useId();
  const [typed, setTyped] = useState("");
  const search = typed.trim().toLowerCase();
  const { data } = useAnswer<UsersData>(USERS, { first: 10, search: search || null });
  const people = data?.users.edges.map(({ node }) => node) ?? [];
  const match = people.find(({ email }) => email.toLowerCase() === search)?.id;
  useEffect(() => {
    if (match !== undefined) onPick(match);
  }, [match, onPick]);
  return (
    <label>
      <span>Person</span>
      <input
        type="search"
        list={id}
        value={typed}
        placeholder="Name or address"
        onChange={(event) => setTyped(event.target.value)}
      />
      <datalist id={id}>
        {people.map((person) => (
          <option key={person.id} value={person.email}>
            {person.name}
          </option>
        ))}
      </datalist>
    </label>
  );
}

function Picked({ userId, onClear }: { userId: string; onClear(): void }) {
  const answer = useAnswer<PersonData>(PERSON, { id: userId });
  const person = answer.data?.user;
  return (
    <div className="picked">
      <span>
        Only {person ? person.name : answer.loading ? "…" : `account ${userId.slice(-8)}`}
      </span>
      <Button onClick={onClear}>Show everybody</Button>
    </div>
  );
}
