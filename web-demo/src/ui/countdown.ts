import { useEffect, useState } from "react";

/** Counts whole seconds down to 0, and the function that starts it; the time counts, not the ticks, so a page that slept is right. */
export function useCountdown(): [number, (seconds: number) => void] {
  const [end, setEnd] = useState(0);
  const [left, setLeft] = useState(0);
  useEffect(() => {
    if (left === 0) return;
    const tick = () => setLeft(Math.max(0, Math.ceil((end - performance.now()) / 1000)));
    const timer = setInterval(tick, 250);
    return () => clearInterval(timer);
  }, [end, left]);
  return [
    left,
    (seconds) => {
      setEnd(performance.now() + seconds * 1000);
      setLeft(seconds);
    },
  ];
}
