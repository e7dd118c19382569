import type { Assistant, Person } from "../connection/contract";
import { t } from "../language/language";

/** The assistant's name until the server's owner gives it another one. This one is ours, and translated. */
const OURS = "Assistant";

export function assistantName(name: string): string {
  return name === OURS ? t("Assistant") : name;
}

/** The name that the owner has given; without one a sentence speaks of "the assistant". */
export function ownName(assistant: Assistant | null): string | undefined {
  return assistant?.name === OURS ? undefined : assistant?.name;
}

/** How whoever wrote something is called here. */
export function nameOf({ name, kind }: Pick<Person, "name" | "kind">): string {
  return kind === "assistant" ? assistantName(name) : name;
}
