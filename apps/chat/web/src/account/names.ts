import type { Role, Tier } from "../connection/contract";
import { msg, t } from "../language/language";

export const ROLES: Record<Role, string> = { admin: msg("Administrator"), member: msg("Member"), guest: msg("Guest") };
export const TIERS: Record<Tier, string> = { guest: msg("Guest"), free: msg("Free"), premium: msg("Premium") };

/** Role and tier in a few words; a guest of the guests' tier is just a guest. */
export function standingOf({ role, tier }: { role: Role; tier: Tier }): string {
  return role === "guest" && tier === "guest" ? t(ROLES.guest) : `${t(ROLES[role])} · ${t(TIERS[tier])}`;
}

/** A role or a tier inside a sentence: English writes it small there. */
export function inSentence(name: string): string {
  const there = t(name);
  return there === name ? there.toLowerCase() : there;
}
