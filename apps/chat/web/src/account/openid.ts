import { msg } from "../language/language";

/** Why a sign-in by the provider failed, by the code in the address to which the server has led back. */
const REFUSALS: Record<string, string> = {
  cancelled: msg("You did not sign in. You can try again."),
  expired: msg("The sign-in took too long, or was begun in another browser. Try again."),
  refused: msg("The provider refused the sign-in. Try again, or ask an administrator."),
  invalid: msg("The provider’s answer could not be trusted. Ask an administrator."),
  unavailable: msg("The provider cannot be reached at the moment. Try again later."),
  disabled: msg("This account is disabled. Ask an administrator."),
  unknown: msg("You have no account here. Ask an administrator."),
  "name-taken": msg("No name was free for you. Ask an administrator."),
  "too-many": msg("Too many attempts. Please wait a moment."),
};

/** What the address says about a sign-in that failed; it is taken out, so that a reload does not repeat it. */
export function refusalInAddress(): string | null {
  const address = new URL(location.href);
  const code = address.searchParams.get("sign-in");
  if (code === null) return null;
  address.searchParams.delete("sign-in");
  history.replaceState(null, "", address);
  return (Object.hasOwn(REFUSALS, code) && REFUSALS[code]) || msg("The sign-in failed. Try again.");
}
