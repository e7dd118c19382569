import { Fragment, type ReactNode } from "react";
import { t } from "./language";

/** As `t`, with elements in the places of the values. */
export function rich(text: string, parts: Readonly<Record<string, ReactNode>>): ReactNode {
  return t(text)
    .split(/\{(\w+)\}/)
    .map((piece, index) => (index % 2 === 1 ? <Fragment key={piece}>{parts[piece]}</Fragment> : piece));
}
