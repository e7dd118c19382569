import type { Answer, Assistant, Me, Model, Room, Tier } from "../connection/contract";
import { msg, number, plural, t } from "../language/language";

const RANKS: readonly Model["tier"][] = ["guest", "free", "premium", "admin"];

/** Who may use a model of a tier, to end a sentence. */
const WHOSE: Record<Exclude<Model["tier"], "guest">, string> = {
  free: msg("people with an account. Create one to use it"),
  premium: msg("premium accounts. An administrator can make yours one"),
  admin: msg("administrators"),
};

export function mayUse(model: Pick<Model, "tier">, { role, tier }: Pick<Me, "role"> & { tier: Tier }): boolean {
  return role === "admin" || RANKS.indexOf(tier) >= RANKS.indexOf(model.tier);
}

/** Why somebody may not use a model. */
export function refusalOf({ name, tier }: Model): string {
  return t("{name} is for {whom}.", { name, whom: t(tier === "guest" ? "everybody" : WHOSE[tier]) });
}

/** The model that was chosen for a room, or else the usual one. */
export function chosenIn(room: Pick<Room, "model"> | undefined, assistant: Assistant | null): Model | undefined {
  return assistant?.models.find((each) => each.id === room?.model) ?? assistant?.models[0];
}

/** The model that my question goes to: where the one of the room is not mine to use, the first that is. */
export function mineIn(room: Pick<Room, "model"> | undefined, assistant: Assistant | null, me: Me): Model | undefined {
  const chosen = chosenIn(room, assistant);
  return chosen && mayUse(chosen, me) ? chosen : assistant?.models.find((each) => mayUse(each, me));
}

/** The name of the model of an answer, where it is not the usual one. */
export function unusual(modelId: string, assistant: Assistant | null): string | null {
  const at = assistant?.models.findIndex((each) => each.id === modelId) ?? -1;
  return at > 0 ? (assistant?.models[at]?.name ?? null) : null;
}

/** What there is to know of a model, in one line. */
export function described({ note, contextTokens, inputPrice, outputPrice, takesImages, takesTools }: Model, currency: string): string {
  const prices = inputPrice == null && outputPrice == null ? null : t("{input} in, {output} out per million tokens", { input: money(inputPrice ?? 0, currency), output: money(outputPrice ?? 0, currency) });
  const window = contextTokens == null ? null : t("{tokens} tokens of context", { tokens: thousands(contextTokens) });
  return [note, window, takesImages ? t("takes images") : null, takesTools ? t("uses tools") : null, prices].filter(Boolean).join(" · ");
}

/** What an answer has cost: money if its model has a price, else tokens; and how much of it the conversation was. */
export function spentOn(answer: Answer, currency: string): { text: string; detail: string } | null {
  if (!answer.tokens) return null;
  const tokens = plural(answer.tokens, "1 token", "{count} tokens");
  const { told } = answer;
  const detail = told == null ? tokens : t("{tokens}: {told} for what the assistant was told, {answer} for the answer", { tokens, told, answer: answer.tokens - told });
  return { text: answer.cost != null ? money(answer.cost, currency) : tokens, detail };
}

/** An amount of money; small ones with more digits, since answers cost fractions of a cent. */
export function money(amount: number, currency: string): string {
  const digits = amount === 0 || amount >= 1 ? 2 : amount >= 0.01 ? 3 : 5;
  return number(amount, { style: "currency", currency, minimumFractionDigits: 2, maximumFractionDigits: digits });
}

function thousands(count: number): string {
  return count < 10_000 ? number(count) : t("{thousands}k", { thousands: Math.round(count / 1_000) });
}
