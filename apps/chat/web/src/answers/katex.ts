import katex from "katex";
import "katex/dist/katex.min.css";
import type { Draw } from "./formulas";

/** Commands that would load something or make links are off, and so are those that grow without end. Of what is off, the name of its command is shown. */
export const draw: Draw = (source, into, block) => {
  katex.render(source, into, {
    displayMode: block,
    throwOnError: false,
    errorColor: "currentColor",
    trust: false,
    strict: "ignore",
    maxExpand: 500,
    maxSize: 20,
  });
};
