import { msg, said, t } from "../language/language";
import { inOwnZone } from "../messages/dates";

/** The connection went away before the server had answered: whether it did the work is unknown. */
export class ConnectionLost extends Error {
  constructor(cause?: unknown) {
    super(msg("The connection was lost."), { cause });
    this.name = "ConnectionLost";
  }
}

/** The session is over: no token is given for it any more. */
export class SignedOut extends Error {
  constructor() {
    super(msg("The session has ended."));
    this.name = "SignedOut";
  }
}

/** The server answered with an error; the text is a sentence for people. */
export class Refused extends Error {
  constructor(text: string) {
    super(text);
    this.name = "Refused";
  }
}

const PREFIX = /^.*?(?:HubException|HubError):\s*/s;

/** The sentence inside an error: servers put "An unexpected error … HubException: " before it. */
export function sentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return inOwnZone(said(text.replace(PREFIX, "").trim())) || t("Something went wrong.");
}
