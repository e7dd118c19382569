const PREFIX = /^.*?(?:HubException|HubError):\s*/s;

/** What the server said, without the client's words around it. */
export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error ?? "")).replace(PREFIX, "");
}

/** An error of a call, in the server's words; `cause` is the client's own. */
export function cleaned(error: unknown): Error {
  return new Error(messageOf(error), { cause: error });
}
