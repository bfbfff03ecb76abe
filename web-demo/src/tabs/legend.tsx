import type { ReactNode } from "react";

/** What the shapes of the time line mean. */
export function Legend() {
  return (
    <ul className="legend" aria-label="Legend">
      <Item words="asks the server">
        <line className="lane-call" data-state="granted" x1="8" x2="18" y1="10" y2="10" />
      </Item>
      <Item words="takes over">
        <circle className="lane-takeover" cx="13" cy="10" r="5" />
      </Item>
      <Item words="has this token">
        <rect className="lane-band" x="1" y="2" width="24" height="16" rx="3" fill="url(#fading)" />
      </Item>
      <Item words="would renew">
        <circle className="lane-plan" cx="13" cy="10" r="5" />
      </Item>
      <Item words="refused, or no answer">
        <line className="lane-call" data-state="refused" x1="8" x2="18" y1="10" y2="10" />
      </Item>
      <Item words="lock held on purpose">
        <line className="lane-hold" x1="2" x2="24" y1="10" y2="10" />
      </Item>
      <Item words="signed in">
        <line className="lane-in" x1="13" x2="13" y1="1" y2="19" />
      </Item>
      <Item words="signed out">
        <line className="lane-out" x1="13" x2="13" y1="1" y2="19" />
      </Item>
    </ul>
  );
}

function Item({ words, children }: { words: string; children: ReactNode }) {
  return (
    <li>
      <svg width="26" height="20" aria-hidden="true">
        {children}
      </svg>
      {words}
    </li>
  );
}
