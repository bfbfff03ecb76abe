/**
 * Warns in the developer console against self-XSS: people are talked into pasting "code" there, which then acts
 * with their session.
 */
export function warnAgainstPasting(): void {
  // biome-ignore lint/suspicious/noConsole: the console is where this warning has to stand
  console.warn(
    "%cStop!%c\nThis console is for developers. If somebody told you to copy and paste code here, it is a fraud: " +
      "pasting code here lets them act as you and take over your account.",
    "font: bold 2.5rem sans-serif; color: #c22a2a",
    "font: 1rem sans-serif",
  );
}
