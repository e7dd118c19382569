/** `bytes` random bytes in hex. (`crypto.randomUUID` is missing on plain http outside localhost.) */
export function randomId(bytes = 12): string {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
