import type { Role, Tier } from "../connection/contract";

export const ROLES: Record<Role, string> = { admin: "Administrator", member: "Member", guest: "Guest" };
export const TIERS: Record<Tier, string> = { guest: "Guest", free: "Free", premium: "Premium" };

/** Role and tier in a few words; a guest of the guests' tier is just a guest. */
export function standingOf({ role, tier }: { role: Role; tier: Tier }): string {
  return role === "guest" && tier === "guest" ? ROLES.guest : `${ROLES[role]} · ${TIERS[tier]}`;
}
