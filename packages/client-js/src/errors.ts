const PREFIX = /^.*?(?:HubException|HubError):\s*/s;

/** The server's error text, without the client's text around it. */
export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error ?? "")).replace(PREFIX, "");
}

/** An error of a call with the server's text; `cause` is the client's error. */
export function cleaned(error: unknown): Error {
  return new Error(messageOf(error), { cause: error });
}
