// Runs before the first paint, as a file of its own because the page's policy allows no inline script:
// somebody who chose a theme never sees the other one flash by.
try {
  const theme = localStorage.getItem("countersign-demo:theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden; the system's theme is then the right one.
}
