import { useState } from "react";
import { useAnswer, useFreshness } from "../answer.ts";
import { client } from "../client.ts";
import { type Device, REVOKE_SESSION, SESSIONS, type SessionsData } from "../queries.ts";
import { Ago } from "../ui/ago.tsx";
import { ConfirmButton } from "../ui/confirm-button.tsx";
import { Done } from "../ui/done.tsx";
import { Failure } from "../ui/failure.tsx";
import { Page } from "../ui/page.tsx";
import { Restoring } from "../ui/restoring.tsx";

/** Where the user is signed in, with the means to end that. */
export function SessionsPage() {
  const answer = useAnswer<SessionsData>(SESSIONS);
  const { data, loading, askAgain } = answer;
  const [done, setDone] = useState<string | null>(null);
  useFreshness(askAgain);

  /** Ends these one after the other; what was ended is seen also where a later one fails. */
  async function end(devices: readonly Device[], sentence: string) {
    setDone(null);
    try {
      for (const { id } of devices) await client.request(REVOKE_SESSION, { id });
      setDone(sentence);
    } finally {
      askAgain();
    }
  }

  return (
    <Page
      title="Your sessions"
      lead="Every browser and app where you are signed in. What you end here is signed out at once, not when its token runs out."
    >
      <Failure answer={answer} />
      {done && <Done>{done}</Done>}
      {data === null && loading && <Restoring />}
      {data && <Devices devices={data.sessions} end={end} />}
    </Page>
  );
}

interface DevicesProps {
  devices: readonly Device[];
  end(devices: readonly Device[], sentence: string): Promise<void>;
}

function Devices({ devices, end }: DevicesProps) {
  const others = devices.filter((device) => !device.current);
  return (
    <>
      <ul className="devices" aria-label="Sessions">
        {devices.map((device) => (
          <DeviceRow
            key={device.id}
            device={device}
            end={() => end([device], `${device.deviceName} was signed out.`)}
          />
        ))}
      </ul>
      {others.length === 0 && <p className="empty">You are signed in nowhere else.</p>}
      <div className="actions">
        {others.length > 0 && (
          <ConfirmButton
            label="End all others"
            title={`End ${inNumbers(others.length, "other session")}?`}
            confirm="End them"
            act={() => end(others, `${inNumbers(others.length, "other session")} ended.`)}
          >
            <p>You stay signed in here. Everywhere else you have to sign in again.</p>
          </ConfirmButton>
        )}
        <ConfirmButton
          label="Sign out everywhere"
          look="danger"
          title="Sign out everywhere?"
          confirm="Sign out everywhere"
          act={async () => {
            await client.logoutEverywhere();
          }}
        >
          <p>Every session ends, this one too.</p>
        </ConfirmButton>
      </div>
    </>
  );
}

function inNumbers(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function DeviceRow({ device, end }: { device: Device; end(): Promise<void> }) {
  const { deviceName, ipAddress, createdAt, lastUsedAt, expiresAt, current } = device;
  return (
    <li className="device" data-current={current || undefined}>
      <div>
        <h2 className="device-name">
          {deviceName} {current && <span className="pill">This device</span>}
        </h2>
        <p className="device-facts">
          {ipAddress ?? "Unknown address"} · signed in <Ago at={createdAt} /> · last used{" "}
          <Ago at={lastUsedAt} /> · expires <Ago at={expiresAt} />
        </p>
      </div>
      {!current && (
        <ConfirmButton
          label="End"
          fullLabel={`End ${deviceName}`}
          title={`End the session on ${deviceName}?`}
          confirm="End session"
          act={end}
        >
          <p>That device is signed out at once, and has to sign in again.</p>
        </ConfirmButton>
      )}
    </li>
  );
}
