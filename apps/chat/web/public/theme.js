// Before the first paint, so that a remembered theme never flashes the other one.
try {
  const theme = localStorage.getItem("hubline.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is forbidden here: the system's theme it is.
}
